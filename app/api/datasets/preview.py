"""Looks at a file as people have it: `python -m app.api.datasets.preview FILE CORRECTIONS`.

It runs in a separate process, as `app.api.datasets.check` does, writes nothing, and prints an
`app.prepare.preview.Preview` as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.api.datasets.preparation import Corrections
from app.api.datasets.prepare import said_in
from app.prepare.look import make_preview
from app.prepare.preview import Preview


def preview(file: Path, corrections: Corrections) -> Preview:
    """The rows and the guesses. Messages do not show the folder."""
    said, reading, splitting = said_in(corrections)
    found, _ = make_preview([file], reading, said, splitting)
    return found.model_copy(update={"fault": found.fault.replace(f"{file.parent}/", "")})


if __name__ == "__main__":
    path, text = sys.argv[1:]
    sys.stdout.write(preview(Path(path), Corrections.model_validate_json(text)).model_dump_json())
