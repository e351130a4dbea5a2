"""Reads an uploaded training file, row by row: `python -m app.api.fine_tuning.file_check FILE`.

It runs in a separate process, as `app.api.datasets.check` does, and prints one JSON object: `{"rows": count}` or
`{"fault": "..."}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.prepare.columns import is_empty
from app.prepare.drafts import draft_all
from app.prepare.json_reader import read_jsonl
from app.prepare.layout import Layout
from app.prepare.tables import InputError, ReadOptions, Record, Skipped, Source

CHAT, PAIRS = "messages", ("prompt", "completion")
LAYOUT = Layout(prompt=["prompt"], answer="completion", chat=CHAT)
LOST = {
    "tools": "pada trains on text alone. Remove the tools and the turns that call them",
    "functions": "pada trains on text alone. Remove the functions and the turns that call them",
    "preferred_output": "pada trains on one right answer. Give it as the last turn of `messages`",
}
"""Keys of a row whose content would be lost -> what to do."""


def check(path: Path) -> int:
    """Number of rows.

    Raises:
        InputError: a row cannot be used; the first is named.
    """
    table = read_jsonl(Source(path, path.name), ReadOptions())
    _, unusable = draft_all([table], LAYOUT)
    faults = [*_wrong_keys(table.records), *table.skipped, *unusable]
    if faults:
        first = min(faults, key=lambda fault: fault.place.number)
        places = {fault.place.number for fault in faults}
        more = f" (Further faulty rows: {len(places) - 1}.)" if len(places) > 1 else ""
        raise InputError(f"{first.place}: {first.reason.rstrip('.')}.{more}")
    if not table.records:
        raise InputError(f"{path.name} has no rows. Write one JSON object a line.")
    return len(table.records)


def _wrong_keys(records: list[Record]) -> Iterator[Skipped]:
    """The rows that are no rows for fine-tuning, or of another form than the first."""
    form = ""
    for record in records:
        found = CHAT if CHAT in record.values else " and ".join(key for key in PAIRS if key in record.values)
        lost = next((key for key in LOST if not is_empty(record.values.get(key))), None)
        if lost:
            yield Skipped(record.place, f"the row has `{lost}`. {LOST[lost]}")
        elif found not in (CHAT, " and ".join(PAIRS)):
            yield Skipped(record.place, "a row needs `messages`, or `prompt` and `completion`")
        elif found != (form := form or found):
            yield Skipped(record.place, f"the row has {found}, and the first row has {form}. Write one form")


def answer(path: Path) -> dict[str, Any]:
    """The JSON object to print."""
    try:
        return {"rows": check(path)}
    except InputError as error:
        return {"fault": str(error)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(Path(sys.argv[1]))))
