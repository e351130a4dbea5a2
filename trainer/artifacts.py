"""Where a run keeps its files, and how they are written: complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class Superseded(Exception):  # noqa: N818 - nothing is wrong: the work belongs to another process now
    """Another process owns the run: this one may write no more."""


class Fence(BaseModel):
    """Who may write into a run's folder: the owner with the highest token, of those that have a file in `folder`.

    A lease alone cannot keep out a process that slept past its end, so each write looks (Kleppmann 2016, "How to do
    distributed locking"). Owners are only ever added, so that no order of events gives a run back.
    """

    folder: Path
    """`RUN/owners`: an empty file for each token. It fences `RUN`."""
    token: int

    def take(self) -> None:
        """Become the owner.

        Raises:
            Superseded: there is a later one already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / str(self.token)).touch()
        sync_folder(self.folder)
        self.check()

    def check(self) -> None:
        """Raises Superseded when the run has gone to another process."""
        if any(int(name) > self.token for name in os.listdir(self.folder)):
            raise Superseded(f"{self.folder.parent}: the run was taken over by another process.")


_fences: list[Fence] = []


def guard(fence: Fence) -> None:
    """Let every write of this process into the fence's folder look at the fence first."""
    _fences.append(fence)


def check_fences(path: Path) -> None:
    """Raises Superseded when `path` lies in a folder that has gone to another process."""
    for fence in _fences:
        if path.is_relative_to(fence.folder.parent):
            fence.check()


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left behind.
        Superseded: see `guard`; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        check_fences(path)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def dump(value: Any) -> Any:
    """`value` as plain JSON data; pydantic models become objects, paths become text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, atomically."""
    write_text(path, json.dumps(dump(value), ensure_ascii=False, indent=2, default=str) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(dump(row), ensure_ascii=False, default=str) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """Read one JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file that we wrote ourselves; blank lines are skipped."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def publish_folder(temporary: Path, final: Path) -> None:
    """Move a finished folder to its name; an earlier one of that name is replaced.

    The files are synced first, so that the folder's existence means that its content is on disk.
    """
    for path in temporary.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    check_fences(final)
    if final.exists():
        shutil.rmtree(final)
    os.replace(temporary, final)
    sync_folder(final.parent)


@dataclass(frozen=True)
class RoundPaths:
    """The folder of one round. Round 0 is the student fine-tuned on the given rows alone."""

    root: Path

    @property
    def analyses(self) -> Path:
        return self.root / "analyses"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters.json"

    @property
    def patterns(self) -> Path:
        return self.root / "patterns.jsonl"

    @property
    def strategies(self) -> Path:
        return self.root / "strategies"

    @property
    def drafts(self) -> Path:
        """Patterns and strategies as the teacher drafted them, where a person has reviewed them."""
        return self.root / "drafts.json"

    @property
    def batches(self) -> Path:
        return self.root / "batches.jsonl"

    @property
    def augmented(self) -> Path:
        return self.root / "augmented"

    @property
    def selection(self) -> Path:
        """The rows that the student answered, to choose among them."""
        return self.root / "selection"

    @property
    def rows(self) -> Path:
        """Every candidate row of the round with its verdict."""
        return self.root / "rows.jsonl"

    @property
    def accepted(self) -> Path:
        return self.root / "accepted.jsonl"

    @property
    def student(self) -> Path:
        return self.root / "student"

    def predictions(self, split: str) -> Path:
        return self.root / "predictions" / f"{split}.jsonl"

    def scores(self, split: str) -> Path:
        return self.root / "scores" / f"{split}.jsonl"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def failures(self) -> Path:
        """Ids of the validation errors that the next round analyses."""
        return self.root / "failures.json"

    @property
    def gate(self) -> Path:
        return self.root / "gate.json"

    @property
    def accounts(self) -> Path:
        return self.root / "accounts.json"


@dataclass(frozen=True)
class RunPaths:
    """The folder of one run; every file that a run writes has its name here."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    def data(self, split: str) -> Path:
        """The rows that the run uses: checked, limited, in our row format."""
        return self.root / "data" / f"{split}.jsonl"

    @property
    def data_report(self) -> Path:
        return self.root / "data" / "report.json"

    def round(self, number: int) -> RoundPaths:
        return RoundPaths(self.root / "rounds" / str(number))

    @property
    def final(self) -> Path:
        """Predictions and scores on the sealed test rows; written by the last node only."""
        return self.root / "final"

    @property
    def test_access(self) -> Path:
        """One line for each time that a test row was read."""
        return self.root / "test_access.jsonl"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints.sqlite"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def html(self) -> Path:
        return self.root / "report.html"
