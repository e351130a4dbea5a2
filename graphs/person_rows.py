"""Rows that people add to a run. They are kept apart until a round takes them, which checks them as it checks all new rows.

Each row is a file of its own, named by the row's content, so that adding it twice is adding it once. A round writes down
which rows it takes before it does anything with them, so that a start after a kill takes the same ones, and a row that is
added meanwhile waits for the round after it.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from pydantic import BaseModel

from graphs.rows import Decision, NewRow
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, read_jsonl, read_model, read_models, write_json, write_jsonl


class PersonRow(BaseModel):
    """A row that a person added."""

    id: str
    """`person-` and 12 hexadecimal digits of the SHA-256 of its texts."""
    prompt: str
    completion: str
    added: float
    """Seconds since the epoch."""
    checked: Decision
    """What the checks that need no model said when it was added. The round that takes it decides."""
    evidence: dict[str, Any] | None = None
    """As `NewRow.evidence`."""

    def as_new_row(self) -> NewRow:
        """The row as it stands among the new rows while no round has decided on it: of round 0, which writes none."""
        return NewRow(
            id=self.id,
            prompt=self.prompt,
            completion=self.completion,
            round=0,
            batch="",
            origin="person",
            attempt=0,
            evidence=self.evidence,
            **self.checked.model_dump(),
        )


def row_id(prompt: str, completion: str) -> str:
    """The id of a row with these texts."""
    texts = "\0".join((prompt, completion))
    return f"person-{hashlib.sha256(texts.encode()).hexdigest()[:12]}"


def add(
    paths: RunPaths, prompt: str, completion: str, checked: Decision, evidence: dict[str, Any] | None
) -> PersonRow:
    """Keep a row for the next round. One that is there already gets the verdict of these checks."""
    file = paths.person_row(row_id(prompt, completion))
    since = read_json(file)["added"] if file.exists() else round(time.time(), 3)
    row = PersonRow(
        id=file.stem, prompt=prompt, completion=completion, added=since, checked=checked, evidence=evidence
    )
    write_json(file, row)
    return row


def remove(paths: RunPaths, name: str) -> None:
    """Forget a row that no round has taken; a round that takes it at this moment keeps its own copy."""
    paths.person_row(name).unlink(missing_ok=True)


def all_rows(paths: RunPaths) -> list[PersonRow]:
    """Every row that people added, the oldest first."""
    rows = []
    for file in paths.person_rows.glob("person-*.json"):
        try:
            rows.append(read_model(PersonRow, file))
        except FileNotFoundError:  # it was removed a moment ago
            continue
    return sorted(rows, key=lambda row: (row.added, row.id))


def taken(paths: RunPaths) -> dict[str, int]:
    """Row id -> the round that took it."""
    found: dict[str, int] = {}
    for number in paths.begun_rounds():
        if (file := paths.round(number).person_rows).exists():
            found |= {row["id"]: number for row in read_jsonl(file)}
    return found


def waiting(paths: RunPaths) -> list[PersonRow]:
    """The rows that no round has taken."""
    gone = taken(paths)
    return [row for row in all_rows(paths) if row.id not in gone]


def take(paths: RunPaths, round_number: int) -> list[PersonRow]:
    """The rows that a round takes: all that wait when it is first asked, and the same ones each time after."""
    file = paths.round(round_number).person_rows
    if not file.exists():
        if not (rows := waiting(paths)):
            return []
        write_jsonl(file, rows)
    return read_models(PersonRow, file)
