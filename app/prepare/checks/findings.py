"""What a check finds: one finding for each kind of trouble, with the rows that have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from app.prepare.teacher.facts import ModelFacts
from graphs.artifacts import MinimalDetectableEffect

Level = Literal["fault", "warning", "note"]
"""`fault`: a run would stop at it; `warning`: a run goes on, and is worse for it; `note`: good to know."""
MOST_PLACES = 1000
"""Maximum rows that a finding names."""


class Place(BaseModel):
    """A row of the user's files."""

    file: str
    line: int | None = None
    """From 1; None for the file as a whole."""
    detail: str = ""
    """What is wrong with this row in particular."""


class Finding(BaseModel):
    """One kind of trouble."""

    level: Level
    code: str
    """A name that does not change, such as `conflicting_answers`."""
    message: str
    """What is wrong and what to do."""
    count: int
    """Number of rows, or of what the message counts."""
    places: list[Place] = []
    """The first of them."""


class Lengths(BaseModel):
    """Lengths of a split's rows in tokens, prompt and answer together."""

    median: int
    longest: int
    over: int
    """Rows longer than `student.max_length`."""
    histogram: list[tuple[int, int, int]]
    """From, below, rows."""


class SplitFacts(BaseModel):
    """One split."""

    file: str
    rows: int
    labels: dict[str, int] = {}
    """Label -> rows; empty for a task without labels."""
    lengths: Lengths | None = None
    """None where they could not be measured."""


class Memory(BaseModel):
    """Memory of the training, in bytes."""

    device: str
    needed: int
    available: int | None


class CheckReport(BaseModel):
    """Everything that a check has found."""

    task: str
    splits: dict[str, SplitFacts]
    findings: list[Finding]
    shows: dict[str, MinimalDetectableEffect] = {}
    """Split -> the smallest difference between two students that its rows can show."""
    memory: Memory | None = None
    teacher: list[ModelFacts] | None = None
    """What its models can do; None if they were not tried."""

    @property
    def faults(self) -> list[Finding]:
        """What a run would stop at."""
        return [finding for finding in self.findings if finding.level == "fault"]


def finding(level: Level, code: str, message: str, places: Iterable[Place]) -> list[Finding]:
    """A finding about these rows; none if there are none."""
    found = list(places)
    if not found:
        return []
    return [Finding(level=level, code=code, message=message, count=len(found), places=found[:MOST_PLACES])]
