"""From the graph's task stream to stages: what is running, how much of it is done, how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from app.engine.events import EventSink, StageDone, StageProgress, StageStarted


@dataclass
class Stage:
    """A node that runs, in one or many branches."""

    began: float = field(default_factory=time.monotonic)
    running: set[str] = field(default_factory=set)
    done: int = 0
    total: int = 0


class Stages:
    """Turns `stream_mode="tasks"` into `stage` events. A node with several branches is one stage."""

    def __init__(self, events: EventSink):
        self._events = events
        self._stages: dict[str, Stage] = {}

    def feed(self, task: dict[str, Any]) -> None:
        """One task that started (it has `input`) or ended (it has `result`)."""
        if "input" in task:
            self._start(task["name"], task["id"])
        elif not task.get("error"):
            self._end(task["name"], task["id"])

    def _start(self, name: str, task: str) -> None:
        # stages follow one another. LangGraph starts branches again that a resumed run has from its checkpoint, and
        # never ends them
        for other in [known for known in self._stages if known != name]:
            self._stages[other].done = self._stages[other].total
            self._close(other)
        if name not in self._stages:
            self._stages[name] = Stage()
            self._events.emit(StageStarted(name=name))
        self._stages[name].running.add(task)
        self._stages[name].total += 1

    def _end(self, name: str, task: str) -> None:
        stage = self._stages.get(name)
        if stage is None:
            return  # a branch that had ended before the restart
        stage.running.discard(task)
        stage.done += 1
        if stage.running:
            self._events.emit(StageProgress(name=name, done=stage.done, total=stage.total))
        else:
            self._close(name)

    def _close(self, name: str) -> None:
        stage = self._stages.pop(name)
        seconds = round(time.monotonic() - stage.began, 3)
        self._events.emit(StageDone(name=name, done=stage.done, total=stage.total, seconds=seconds))

    def interrupted(self) -> None:
        """The run stops: close the open stages with the time they took so far."""
        for name in list(self._stages):
            self._close(name)
