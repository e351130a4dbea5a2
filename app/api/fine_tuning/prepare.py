"""Makes the three splits of uploaded training files: `python -m app.api.fine_tuning.prepare FOLDER TASK NAME...`.

It runs in a separate process, as `app.api.datasets.prepare` does, and prints a `Preparation` as JSON. TASK is empty
where nobody has named one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.api.datasets.prepare import prepare
from app.api.fine_tuning.file_check import CHAT, PAIRS
from app.prepare.json_reader import read_jsonl
from app.prepare.layout import NONE, Choices
from app.prepare.tables import ReadOptions, Source


def choices(path: Path, task: str) -> Choices:
    """What is known of a file that `file_check` has read: which column is what, and that no other column counts."""
    columns = read_jsonl(Source(path, path.name), ReadOptions()).columns
    prompt, answer = PAIRS
    pairs = CHAT not in columns
    return Choices(
        prompt=[prompt] if pairs else [], answer=answer if pairs else None, group=NONE, task=task or None
    )


if __name__ == "__main__":
    folder, task, *names = sys.argv[1:]
    made = prepare(Path(folder), names, choices(Path(folder) / names[0], task))
    sys.stdout.write(made.model_dump_json())
