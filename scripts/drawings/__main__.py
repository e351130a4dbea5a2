"""`python -m scripts.drawings [RUN]`: see `scripts/pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.drawings import loop, rooms, terminal

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def main(arguments: list[str]) -> None:
    """Write the diagrams and, for a run's folder, what its terminal showed."""
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "loop.svg").write_text(loop.draw(), encoding="utf-8")
    (PICTURES / "rooms.svg").write_text(rooms.draw(), encoding="utf-8")
    for folder in arguments:
        (PICTURES / "terminal.svg").write_text(terminal.draw(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
