"""Reads uploaded rows as a run will read them: `python -m app.api.datasets.check FOLDER`.

It runs in a separate process, because a large file takes seconds and gigabytes of memory. It prints one JSON object:
`{"rows": {split: count}}` or `{"fault": "..."}`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.config.splits import SPLITS
from trainer.data_files import DataError, read_examples


def check(folder: Path) -> dict[str, int]:
    """Rows of each split.

    Raises:
        DataError: a row cannot be used, or an id is used twice.
    """
    rows: dict[str, int] = {}
    owners: dict[str, str] = {}
    for split in SPLITS:
        examples = read_examples(folder / f"{split}.jsonl")
        for example in examples:
            if owners.setdefault(example.id, split) != split:
                raise DataError(
                    f"The id {example.id!r} is in {owners[example.id]} and in {split}. Give each row an id of its own."
                )
        rows[split] = len(examples)
    return rows


def answer(folder: Path) -> dict[str, Any]:
    """The JSON object to print. The folder is removed from messages, because the uploader reads them."""
    try:
        return {"rows": check(folder)}
    except DataError as error:
        return {"fault": str(error).replace(f"{folder}/", "")}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(Path(sys.argv[1]))))
