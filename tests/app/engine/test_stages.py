"""Stages out of the graph's stream of tasks."""

from __future__ import annotations

from typing import Any

from app.engine.events import Event, StageDone, StageProgress, StageStarted
from app.engine.stages import Stages


class Kept:
    """Events in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def told(self, name: str) -> list[tuple[str, int | None, int | None]]:
        """State, done and total of a stage's events."""
        emitted: list[tuple[str, int | None, int | None]] = []
        for event in self.events:
            match event:
                case StageStarted() if event.name == name:
                    emitted.append((event.state, None, None))
                case StageProgress() | StageDone() if event.name == name:
                    emitted.append((event.state, event.done, event.total))
        return emitted


def begin(name: str, task: str) -> dict[str, Any]:
    return {"name": name, "id": task, "input": {}}


def end(name: str, task: str) -> dict[str, Any]:
    return {"name": name, "id": task, "result": {}, "error": None}


def test_branches_are_one_stage() -> None:
    kept: Any = Kept()
    stages = Stages(kept)
    for task in (begin("augment", "a"), begin("augment", "b"), end("augment", "a"), end("augment", "b")):
        stages.feed(task)
    assert kept.told("augment") == [("started", None, None), ("progress", 1, 2), ("done", 2, 2)]


def test_branches_from_a_checkpoint_do_not_keep_a_stage_open() -> None:
    """LangGraph begins them again in a resumed run, and never ends them."""
    kept: Any = Kept()
    stages = Stages(kept)
    for task in (
        begin("augment", "kept"),
        begin("augment", "new"),
        end("augment", "new"),
        begin("accept", "c"),
    ):
        stages.feed(task)
    assert kept.told("augment") == [("started", None, None), ("progress", 1, 2), ("done", 2, 2)]
    stages.feed(end("accept", "c"))
    stages.feed(begin("augment", "next round"))
    assert kept.told("augment")[3:] == [("started", None, None)]


def test_a_failed_branch_is_closed_with_what_was_done() -> None:
    kept: Any = Kept()
    stages = Stages(kept)
    stages.feed(begin("augment", "a"))
    stages.feed({**end("augment", "a"), "error": "down"})
    stages.interrupted()
    assert kept.told("augment") == [("started", None, None), ("done", 0, 1)]
