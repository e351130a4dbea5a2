"""Shows the events of a run: as a live view, plain lines or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.engine.events import (
    Event,
    PowerEstimate,
    RoundScore,
    StageDone,
    StageProgress,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
)
from app.report.wording import duration, money, one_line, percent, score_interval, tokens

STAGES = {
    "fine_tune": "Fine-tuning the student",
    "evaluate": "Scoring validation",
    "gate": "Comparing with the best student",
    "analyze_errors": "Analysing errors",
    "find_patterns": "Finding failure patterns",
    "draft_strategies": "Drafting strategies",
    "review": "Review of the patterns",
    "allocate": "Sharing out the rows",
    "augment": "Writing and checking new rows",
    "accept": "Accepting rows",
    "review_rows": "Review of the rows",
    "finish": "Scoring the sealed test rows",
}
QUIET = {"evaluate", "gate", "review", "allocate", "accept", "review_rows"}
"""Stages that take a moment; they get no line."""
PLAIN_SECONDS = 10.0
"""Shortest time between two plain lines about the progress of a stage."""


class Display(Protocol):
    """Shows events as they come."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, event: Event) -> None:
        """One event of `app.engine.events`."""
        ...


def choose(*, as_json: bool) -> Display:
    """JSON lines if asked for, a live view on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonDisplay()
    console = Console(stderr=True)
    if console.is_jupyter:  # a notebook shows standard error as if something were wrong
        return PlainDisplay(file=sys.stdout)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()


class JsonDisplay:
    """Every event as one JSON line on standard output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        print(json.dumps(event.to_json(), ensure_ascii=False), flush=True)  # noqa: T201


class PlainDisplay:
    """A line when a stage starts or ends, when a score is known, and every few seconds in between.

    Args:
        name: prefix of each line, where several runs are shown.
        file: where lines go; None is standard error.
    """

    def __init__(self, name: str = "", file: TextIO | None = None) -> None:
        self._name, self._file = name, file
        self._last = 0.0
        self._spent = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        if isinstance(event, TeacherSpend):
            self._spent = f", {spent(event)}"
        elif line := self._line(event):
            self._last = time.monotonic()
            print(f"{self._name}{line}", file=self._file or sys.stderr, flush=True)

    def _line(self, event: Event) -> str:
        due = time.monotonic() - self._last > PLAIN_SECONDS
        match event:
            case StageStarted(name=name) if name not in QUIET:
                return f"{STAGES[name]} ..."
            case StageDone(name=name, done=done, total=total, seconds=seconds) if name not in QUIET:
                return f"{STAGES[name]}: {done} of {total} done in {duration(seconds)}{self._spent}"
            case StageProgress(name=name, done=done, total=total) if due:
                return f"{STAGES[name]}: {done} of {total}{self._spent}"
            case TrainerProgress(stage="train" | "predict") if due:
                return f"  {trainer(event)}"
            case TrainerProgress(stage="warning"):
                return warning(event)
            case PowerEstimate():
                return power(event)
            case RoundScore():
                return score(event)
        return ""


class LiveDisplay:
    """A live bar for the current stage; scores scroll above it."""

    def __init__(self, console: Console) -> None:
        self._bar = live_bar(console)
        self._run = RunBar(self._bar)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        self._run.show(event)


def live_bar(console: Console) -> Progress:
    """The bar that `RunBar` draws on."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=console,
    )


class RunBar:
    """One run on a live bar.

    Args:
        name: prefix of each line, where several runs are shown.
    """

    def __init__(self, bar: Progress, name: str = "") -> None:
        self._bar, self._name = bar, name
        self._spent = ""
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        """One event of the run."""
        match event:
            case TeacherSpend():
                self._spent = spent(event)
            case StageStarted(name=name) if name not in QUIET:
                self._tasks[name] = self._bar.add_task(f"{self._name}{STAGES[name]}", total=None, note="")
            case StageProgress(name=name) | StageDone(name=name) if name in self._tasks:
                self._bar.update(self._tasks[name], completed=event.done, total=event.total, note=self._spent)
                if isinstance(event, StageDone):
                    self._close(name, event.seconds)
            case TrainerProgress(stage="train" | "predict"):
                self._train(event)
            case TrainerProgress(stage="warning"):
                self._say(f"[yellow]{escape(warning(event))}[/]")
            case PowerEstimate():
                self._say(f"[dim]{power(event)}[/]")
            case RoundScore():
                self._say(escape(score(event)))

    def _train(self, event: TrainerProgress) -> None:
        for name in ("fine_tune", "finish"):
            if name in self._tasks:
                self._bar.update(
                    self._tasks[name], completed=event.step, total=event.steps or None, note=trainer(event)
                )

    def _close(self, name: str, seconds: float) -> None:
        self._bar.remove_task(self._tasks.pop(name))
        self._say(f"[green]✓[/] {STAGES[name]} [dim]{duration(seconds)}[/]")

    def _say(self, line: str) -> None:
        self._bar.console.print(f"{self._name}{line}", highlight=False)


def trainer(event: TrainerProgress) -> str:
    """The trainer's progress in a few words."""
    parts = [f"{event.stage} {event.step} of {event.steps}"]
    if event.loss is not None:
        parts.append(f"loss {event.loss:.3f}")
    if event.tokens_per_second is not None:
        parts.append(f"{event.tokens_per_second:.0f} tokens/s")
    if event.eta_seconds is not None:
        parts.append(f"{duration(event.eta_seconds)} left")
    return ", ".join(parts)


def warning(event: TrainerProgress) -> str:
    """A warning of the trainer about its rows."""
    return f"Warning: {one_line(event.message or '', 400)}"


def spent(event: TeacherSpend) -> str:
    """Calls and money, or tokens where the price is unknown."""
    cost = money(event.usd) if event.usd else f"{tokens(event.tokens)} tokens"
    return f"{event.calls} calls, {cost}"


def power(event: PowerEstimate) -> str:
    """The smallest difference that the validation rows can show."""
    return (
        f"{event.n} validation rows show a true difference of {percent(event.value)} or more "
        f"with a power of {100 * event.power:.0f} %."
    )


def score(event: RoundScore) -> str:
    """One student's validation score."""
    shown = f"validation {event.metric} {percent(event.validation)} ({score_interval(event.ci95)})"
    if event.round == 0:
        return f"Baseline: {shown}."
    promoted = "promoted" if event.promoted else "not promoted"
    return f"Round {event.round}: {shown}, {promoted}. {one_line(event.reason.removesuffix('.'), 400)}."
