"""Runs the graph of one run to its end, or to the point where it has to wait."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from app.config.data import prepare_data
from app.config.run_config import RunConfig
from app.engine.events import (
    EventSink,
    Listener,
    PowerEstimate,
    RoundScore,
    RunStatusChanged,
    TeacherSpend,
    TrainerProgress,
)
from app.engine.reviews import awaited_review, is_answer, review_event, waits
from app.engine.run_folder import enter
from app.engine.run_store import FolderKeeping, Keeping
from app.engine.stages import Stages
from app.engine.wiring import Assembled, assemble
from app.report.build import Outcome, build_report
from app.report.html import prepare
from app.report.write import write_report
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.errors import LoopError, RunPaused
from graphs.ports import Student
from graphs.report import Report
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from graphs.workspace import log_test_access
from trainer.artifacts import read_json
from trainer.specs import Progress

MANY_STEPS = 1_000_000
"""LangGraph's guard against endless graphs must not end a large round: the loop counts rounds and attempts itself."""
SEALED = Outcome(
    "paused", "Its test rows stay sealed until the others of its comparison have ended.", "comparison"
)
SPEND_SECONDS = 1.0
"""How often, at most, the spending is told."""


class Runner:
    """One run in one folder. Called again on the same folder it goes on from where it was.

    Args:
        stand_in: the teacher is the embedded one; the report says so.
        student: who trains and predicts; None is the trainer on this machine.
        keeping: who owns the run, and where its events and checkpoints go; None is its folder.
        sealed: pause before the test rows are opened; a later run without it opens them.
    """

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        listen: Listener,
        *,
        stand_in: bool = False,
        student: Student | None = None,
        keeping: Keeping | None = None,
        sealed: bool = False,
    ):
        self._config = config
        self._root = root
        self._listen = listen
        self._stand_in = stand_in
        self._student = student
        self._keeping = keeping or FolderKeeping()
        self._sealed = sealed
        self._told = 0.0

    async def run(self, *, answer: dict[str, Any] | None = None, finish: bool = False) -> Report:
        """Go on to the end or to a pause.

        Args:
            answer: what the reviewer says to a run that waits for a review (`graphs.review.ReviewAnswer`); not empty.
            finish: write no more rows; score the best student so far on the test rows.

        Raises:
            LoopError, DataError, PadaError: the run cannot go on; what it has stays in its folder.
        """
        async with self._keeping.own(self._root) as paths:
            card = enter(paths, self._config, self._keeping.run_id)
            if not paths.data_report.exists():
                log_test_access(paths, "checked and compared with the other splits at the start")
            data = prepare_data(self._config.data, self._config.task, self._config.seed, paths)
            async with self._keeping.events(paths, self._listen) as events:
                events.emit(PowerEstimate(**minimal_detectable_effect(data["rows"]["validation"])))
                events.emit(RunStatusChanged(status="running", run_id=card["run_id"], folder=str(paths.root)))
                return await self._go(paths, card, events, answer, finish)

    async def _go(
        self,
        paths: RunPaths,
        card: dict[str, Any],
        events: EventSink,
        answer: dict[str, Any] | None,
        finish: bool,
    ) -> Report:
        def trainer(progress: Progress) -> None:
            events.emit(TrainerProgress(**progress.model_dump(exclude_none=True, exclude={"time"})))

        async with assemble(
            self._config, card["run_id"], paths, self._keeping, trainer, self._student, self._sealed
        ) as ready:
            Thread(target=prepare, name="report", daemon=True).start()
            outcome = Outcome("failed", "It was interrupted.")
            try:
                outcome = await self._stream(ready, card["run_id"], paths, events, answer, finish)
            except RunPaused as pause:
                outcome = Outcome("paused", str(pause), pause.waiting_for)
            except asyncio.CancelledError:
                outcome = Outcome("paused", "It was stopped from outside.", "user")
                raise
            except LoopError as error:
                outcome = Outcome("failed", str(error))
                raise
            finally:
                report = self._report(paths, card, outcome, ready.teacher, events)
                events.emit(RunStatusChanged(status=outcome.status, reason=outcome.reason))
        return report

    async def _stream(
        self,
        ready: Assembled,
        run_id: str,
        paths: RunPaths,
        events: EventSink,
        answer: dict[str, Any] | None,
        finish: bool,
    ) -> Outcome:
        thread: Any = {
            "configurable": {"thread_id": run_id},
            "recursion_limit": MANY_STEPS,
            "max_concurrency": self._concurrency(),
        }
        graph = ready.graph
        if self._sealed and before_test(await graph.aget_state(thread)):
            return SEALED  # a graph that is started again goes over its interrupt
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
        if self._sealed and before_test(state):
            return SEALED
        if state.next:
            waiting = awaited_review(state)
            assert waiting, state.next
            events.emit(review_event(waiting))
            return Outcome("paused", waits(waiting), "review")
        return Outcome("finished", state.values["stopped"])

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
        self, task: dict[str, Any], paths: RunPaths, events: EventSink, teacher: ChatTeacher | None
    ) -> None:
        """Scores as they come, and now and then what was spent."""
        if "result" in task and task["name"] == "gate":
            events.emit(latest_score(paths))
        if teacher and time.monotonic() - self._told > SPEND_SECONDS:
            self._told = time.monotonic()
            spent = teacher.totals()
            tokens = spent.prompt_tokens + spent.completion_tokens
            usd = round(spent.usd, 6)
            events.emit(TeacherSpend(calls=spent.calls, usd=usd, tokens=tokens, retries=spent.retries))

    def _report(
        self,
        paths: RunPaths,
        card: dict[str, Any],
        outcome: Outcome,
        teacher: ChatTeacher | None,
        events: EventSink,
    ) -> Report:
        report = build_report(
            paths,
            self._config,
            card,
            outcome,
            teacher,
            events.stage_seconds(),
            stand_in=self._stand_in,
        )
        with suppress(OSError):  # a full disk must not hide why the run stopped
            write_report(report, paths)
        return report


def before_test(state: StateSnapshot) -> bool:
    """Whether nothing is left but the test."""
    return state.next == ("finish",)


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
    waiting = awaited_review(state)
    if answer is None or waiting is None or not is_answer(answer, waiting):
        return None
    return Command(resume=answer)


def latest_score(paths: RunPaths) -> RoundScore:
    """The score of the last student that passed the gate's judgement, promoted or not."""
    number = max(int(path.parent.name) for path in paths.root.glob("rounds/*/gate.json"))
    here = paths.round(number)
    evaluation, gate = read_json(here.evaluation), read_json(here.gate)
    return RoundScore(
        round=number,
        metric=evaluation["metric"],
        validation=evaluation["validation"],
        ci95=evaluation["ci95"],
        promoted=gate["promoted"],
        reason=gate["reason"],
    )
