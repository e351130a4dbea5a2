"""Runs the graph of one run to its end, or to the point where it has to wait."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from app.config import RunConfig
from app.data import prepare_data
from app.report.build import build_report
from app.report.write import write_report
from app.runs.events import EventLog, Listener
from app.runs.folder import enter, owned
from app.runs.stages import Stages
from app.wiring import Assembled, assemble
from graphs.errors import LoopError, RunPaused
from graphs.ports import Student
from graphs.report import Report
from graphs.statistics import minimal_detectable_effect
from graphs.teacher import ChatTeacher
from graphs.workspace import log_test_access
from trainer.artifacts import RunPaths, read_json
from trainer.specs import Progress

Status = Literal["running", "paused", "finished", "failed"]
SPEND_SECONDS = 1.0
"""How often, at most, the spending is told."""


class Runner:
    """One run in one folder. Called again on the same folder it goes on from where it was.

    Args:
        stand_in: the teacher is the embedded one; the report says so.
        student: who trains and predicts; None is the trainer on this machine.
    """

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        listen: Listener,
        *,
        stand_in: bool = False,
        student: Student | None = None,
    ):
        self._config = config
        self._root = root
        self._listen = listen
        self._stand_in = stand_in
        self._student = student
        self._told = 0.0

    async def run(self, *, answer: dict[str, Any] | None = None, finish: bool = False) -> Report:
        """Go on to the end or to a pause.

        Args:
            answer: what the reviewer says to a run that waits in `review`.
            finish: write no more rows; score the best student so far on the test rows.

        Raises:
            LoopError, DataError, PadaError: the run cannot go on; what it has stays in its folder.
        """
        with owned(self._root) as paths:
            card = enter(paths, self._config)
            if not paths.data_report.exists():
                log_test_access(paths, "checked and compared with the other splits at the start")
            data = prepare_data(self._config.data, self._config.task, self._config.seed, paths)
            events = EventLog(paths.events, self._listen)
            events.emit("power", **minimal_detectable_effect(data["rows"]["validation"]))
            try:
                return await self._go(paths, card, events, answer, finish)
            finally:
                events.close()

    async def _go(
        self,
        paths: RunPaths,
        card: dict[str, Any],
        events: EventLog,
        answer: dict[str, Any] | None,
        finish: bool,
    ) -> Report:
        events.emit("run", status="running", run_id=card["run_id"], folder=str(paths.root))

        def trainer(progress: Progress) -> None:
            events.emit("trainer", **progress.model_dump(mode="json", exclude_none=True, exclude={"time"}))

        async with assemble(self._config, card["run_id"], paths, trainer, self._student) as ready:
            status: Status = "failed"
            reason = "It was interrupted."
            try:
                status, reason = await self._stream(ready, paths, events, answer, finish)
            except RunPaused as pause:
                status, reason = "paused", str(pause)
            except LoopError as error:
                reason = str(error)
                raise
            finally:
                report = self._report(paths, card, status, reason, ready.teacher)
                events.emit("run", status=status, reason=reason)
        return report

    async def _stream(
        self, ready: Assembled, paths: RunPaths, events: EventLog, answer: dict[str, Any] | None, finish: bool
    ) -> tuple[Status, str]:
        thread: Any = {
            "configurable": {"thread_id": "run"},
            "recursion_limit": 40 + 15 * self._config.loop.rounds,
            "max_concurrency": self._concurrency(),
        }
        graph = ready.graph
        start = await first_input(graph, thread, answer, finish)
        stages = Stages(events)
        try:
            async for task in graph.astream(
                start, thread, context=self._config.context(), stream_mode="tasks", durability="async"
            ):
                stages.feed(task)
                self._tell(task, paths, events, ready.teacher)
        finally:
            stages.interrupted()
        state = await graph.aget_state(thread)
        if state.next:
            refused = [
                i.value["error"] for task in state.tasks for i in task.interrupts if "error" in i.value
            ]
            waits = "The patterns and strategies wait for a review: `pada review RUN` shows and answers it."
            return "paused", " ".join([*refused, waits])
        return "finished", state.values["stopped"]

    def _concurrency(self) -> int:
        """Branches at a time: enough to keep every endpoint busy while some of them check what came back."""
        teacher = self._config.teacher
        most = (
            max((teacher.role(role).max_concurrency for role in ("analyst", "generator", "judge")), default=1)
            if teacher
            else 1
        )
        return 2 * most + (os.cpu_count() or 1)

    def _tell(
        self, task: dict[str, Any], paths: RunPaths, events: EventLog, teacher: ChatTeacher | None
    ) -> None:
        """Scores as they come, and now and then what was spent."""
        if "result" in task and task["name"] == "gate":
            events.emit("score", **latest_score(paths))
        if teacher and time.monotonic() - self._told > SPEND_SECONDS:
            self._told = time.monotonic()
            spent = teacher.totals()
            tokens = spent.prompt_tokens + spent.completion_tokens
            events.emit("spent", calls=spent.calls, usd=round(spent.usd, 6), tokens=tokens)

    def _report(
        self, paths: RunPaths, card: dict[str, Any], status: Status, reason: str, teacher: ChatTeacher | None
    ) -> Report:
        report = build_report(paths, self._config, card, status, reason, teacher, stand_in=self._stand_in)
        with suppress(OSError):  # a full disk must not hide why the run stopped
            write_report(report, paths)
        return report


async def first_input(
    graph: CompiledStateGraph[Any, Any, Any, Any], thread: Any, answer: dict[str, Any] | None, finish: bool
) -> Any:
    """What the graph is started with: nothing new if it goes on, an answer to a review, or the empty input."""
    state = await graph.aget_state(thread)
    if not state.created_at:
        return {}
    if finish and state.next:
        # the routing after `gate` goes to `finish` where the loop has stopped
        await graph.aupdate_state(
            thread, {"stopped": "The user asked to finish with what there is."}, as_node="gate"
        )
        return None
    return Command(resume=answer) if answer is not None else None


def latest_score(paths: RunPaths) -> dict[str, Any]:
    """The score of the last student that passed the gate's judgement, promoted or not."""
    number = max(int(path.parent.name) for path in paths.root.glob("rounds/*/gate.json"))
    here = paths.round(number)
    evaluation, gate = read_json(here.evaluation), read_json(here.gate)
    return {
        "round": number,
        "metric": evaluation["metric"],
        "validation": evaluation["validation"],
        "ci95": evaluation["ci95"],
        "promoted": gate["promoted"],
        "reason": gate["reason"],
    }
