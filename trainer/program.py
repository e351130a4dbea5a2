"""What the trainer's programs share: `python -m trainer.NAME SPEC.json` does one job and ends with an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from trainer.fencing import Superseded, guard
from trainer.progress import ProgressLog
from trainer.specs import PredictSpec, TrainSpec
from trainer.storage import EXIT_BLOCKED, is_blocked

Known = tuple[type[Exception], ...]
Spec = TypeVar("Spec", bound=BaseModel)


def run_spec(
    name: str, kind: type[Spec], work: Callable[[Spec], object], known: Known, arguments: list[str]
) -> int:
    """Run one spec file; returns the exit code (see docs/guides/trainer.md).

    Args:
        name: of the program.
        known: errors that speak for themselves. Each is one paragraph on standard error.
    """
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m trainer.{name} SPEC.json\n")
        return 2
    try:
        spec = kind.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 2
    try:
        work(spec)
    except known as error:
        sys.stderr.write(f"{_paragraph(error)}\n")
        return EXIT_BLOCKED if is_blocked(error) else 1
    except Superseded as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


@contextlib.contextmanager
def followed(
    spec: TrainSpec | PredictSpec, known: Known, *, enabled: bool = True
) -> Iterator[ProgressLog | None]:
    """The progress log of a run's job, which also hears of a known error; None where the job is done already."""
    if (spec.output / "report.json").exists():
        yield None
        return
    if spec.fence:
        guard(spec.fence)
    progress = ProgressLog(spec.output / "progress.jsonl", enabled=enabled)
    try:
        yield progress
    except known as error:
        # The disk may be full.
        with contextlib.suppress(OSError):
            progress.write(stage="error", message=_paragraph(error))
        raise


def _paragraph(error: Exception) -> str:
    return " ".join(str(error).split())
