"""What a person sees of a file before anything is made of it; light, because the service imports it."""

from __future__ import annotations

import re

from pydantic import BaseModel

from app.prepare.decisions import About, Sureness


class Reason(BaseModel):
    """Why something was decided, and how sure that is."""

    text: str
    sureness: Sureness
    value: str = ""


class PreviewRow(BaseModel):
    """A row as the student will see it."""

    asked: str
    answer: str
    place: str


class Preview(BaseModel):
    """A file with what was decided about it."""

    fault: str = ""
    """Why nothing can be made of it as it is read now."""
    correctable: bool = True
    """Another answer to one of the questions may help."""
    files: list[str] = []
    """Each file in words: rows and how it was read."""
    sheets: list[str] = []
    columns: list[str] = []
    prompt: list[str] = []
    answer: str = ""
    group: str = ""
    time: str = ""
    task: str = ""
    kind: str = ""
    """The task in words."""
    reasons: dict[About, list[Reason]] = {}
    rows: list[PreviewRow] = []
    splits: dict[str, int] = {}
    shows: dict[str, float] = {}
    """Split -> the smallest difference of accuracy that its rows show, as a fraction."""
    notes: list[str] = []
    warnings: list[str] = []
    conflicts: list[str] = []
    skipped: list[str] = []
    left_out: int = 0
    read: int = 0


LABELS = {
    "prompt": "Asked",
    "answer": "Answer",
    "group": "Group",
    "time": "Time",
    "task": "Task",
    "sheet": "Sheet",
    "encoding": "Encoding",
    "separator": "Separator",
    "header": "Header",
    "no-header": "Header",
    "validation": "Validation rows",
    "test": "Test rows",
}
"""Option of `pada init` -> the name of its field in a form."""
_OPTION = re.compile(rf"(?:\b([Pp])ass )?--({'|'.join(LABELS)})\b")

_VALUE = re.compile(r"Pass --time (.+)(?= to test)")


def in_a_form(text: str) -> str:
    """A message with the fields of a form in place of the options of the command line."""

    def field(found: re.Match[str]) -> str:
        verb = {"P": "Set ", "p": "set "}.get(found[1] or "", "")
        return f"{verb}“{LABELS[found[2]]}”"

    return _OPTION.sub(
        field, _VALUE.sub(r"Set “Time” to `\1`", text.replace("--group none", "“Group: none”"))
    )
