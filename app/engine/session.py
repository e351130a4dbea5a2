"""One start of a run: streams the graph, emits events, and writes the report however the start ends."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import suppress
from threading import Thread
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from app.config.run_config import RunConfig
from app.engine.events import EventSink, RoundScore, RunStatusChanged, TeacherSpend, TrainerProgress
from app.engine.reviews import awaited_review, is_answer, review_event, waiting_reason
from app.engine.stages import Stages
from app.engine.wiring import Assembled, OpenRun, assemble
from app.errors import PadaError
from app.report.build import Outcome, ReportedRun, build_report
from app.report.html import prepare
from app.report.write import write_report
from graphs.errors import LoopError, RunPaused, machine_blocked
from graphs.report import Report
from graphs.rounds import judged_rounds
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from trainer.progress import Progress

Graph = CompiledStateGraph[Any, Any, Any, Any]
MANY_STEPS = 1_000_000
"""LangGraph's guard against endless graphs must not end a large round: the loop counts rounds and attempts itself."""
SEALED = Outcome(
    "paused", "Its test rows stay sealed until the others of its comparison have ended.", "comparison"
)
SPEND_SECONDS = 1.0
"""Shortest time between two `spent` events."""


class RunSession:
    """One start of a run."""

    def __init__(self, run: OpenRun, events: EventSink):
        self._run, self._events = run, events
        self._spend_emitted = 0.0
        self._thread: Any = {
            "configurable": {"thread_id": run.run_id},
            "recursion_limit": MANY_STEPS,
            "max_concurrency": max_concurrency(run.config),
        }

    async def run(self, answer: dict[str, Any] | None, finish: bool) -> Report:
        """Continue to the end or to a pause. See `app.engine.runner.Runner.run`."""

        def on_progress(progress: Progress) -> None:
            self._events.emit(TrainerProgress(**progress.model_dump(exclude_none=True, exclude={"time"})))

        async with assemble(self._run, on_progress) as ready:
            Thread(target=prepare, name="report", daemon=True).start()
            outcome = Outcome("failed", "It was interrupted.")
            try:
                outcome = await self._stream(ready, answer, finish)
            except RunPaused as pause:
                outcome = Outcome("paused", str(pause), pause.waiting_for)
            except asyncio.CancelledError:
                outcome = Outcome("paused", "It was stopped from outside.", "user")
                raise
            except (LoopError, PadaError, OSError, sqlite3.Error) as error:
                blocked = machine_blocked(error)
                if blocked is None:
                    outcome = Outcome("failed", str(error))
                    raise
                outcome = Outcome("paused", str(blocked), blocked.waiting_for)
            finally:
                report = self._write_report(outcome, ready.teacher)
                with suppress(OSError):  # a full disk must not hide why the run stopped
                    self._events.emit(RunStatusChanged(status=report.status, reason=report.stopped))
        return report

    async def _stream(self, ready: Assembled, answer: dict[str, Any] | None, finish: bool) -> Outcome:
        graph, sealed = ready.graph, self._run.options.sealed
        if sealed and before_test(await graph.aget_state(self._thread)):
            return SEALED  # a graph that is started again would run past its interrupt
        start = await first_input(graph, self._thread, answer, finish)
        stages = Stages(self._events)
        context = self._run.config.context()
        try:
            async for task in graph.astream(
                start, self._thread, context=context, stream_mode="tasks", durability="async"
            ):
                stages.feed(task)
                self._emit_numbers(task, ready.teacher)
        finally:
            stages.interrupted()
        return self._outcome(await graph.aget_state(self._thread))

    def _outcome(self, state: StateSnapshot) -> Outcome:
        """What the state says of the start that has just ended."""
        if self._run.options.sealed and before_test(state):
            return SEALED
        if not state.next:
            return Outcome("finished", state.values["stopped"])
        waiting = awaited_review(state)
        if waiting is None:
            raise RuntimeError(f"The graph stopped before {state.next} and asks for nothing.")
        self._events.emit(review_event(waiting))
        return Outcome("paused", waiting_reason(waiting), "review")

    def _emit_numbers(self, task: dict[str, Any], teacher: ChatTeacher | None) -> None:
        """A score after each gate, and the spending before it and now and then."""
        judged = "result" in task and not task.get("error") and task["name"] == "gate"
        if teacher and (judged or time.monotonic() - self._spend_emitted > SPEND_SECONDS):
            self._spend_emitted = time.monotonic()
            total = teacher.totals()
            usd, tokens = round(total.usd, 6), total.tokens
            self._events.emit(TeacherSpend(calls=total.calls, usd=usd, tokens=tokens, retries=total.retries))
        if judged:
            self._events.emit(latest_score(self._run.paths))

    def _write_report(self, outcome: Outcome, teacher: ChatTeacher | None) -> Report:
        run = self._run
        reported = ReportedRun(run.paths, run.config, run.run_id, run.options.stand_in)
        report = build_report(reported, outcome, teacher, self._events.stage_seconds())
        try:
            write_report(report, run.paths)
        except OSError as error:
            pause = machine_blocked(error)
            if outcome.status != "finished" or pause is None:
                return report  # a full disk must not hide why the run stopped
            # a run that has ended has its report: this one goes on once it can be written
            report = report.model_copy(
                update={"status": "paused", "stopped": str(pause), "waiting_for": pause.waiting_for}
            )
        return report


def max_concurrency(config: RunConfig) -> int:
    """Number of branches that run at once: enough to keep every endpoint busy while some check their answers."""
    limits = [1]
    if config.teacher:
        limits += [config.teacher.role(role).max_concurrency for role in ("analyst", "generator", "judge")]
    return 2 * max(limits) + (os.cpu_count() or 1)


def before_test(state: StateSnapshot) -> bool:
    """Whether nothing is left but the test."""
    return state.next == ("finish",)


async def first_input(graph: Graph, thread: Any, answer: dict[str, Any] | None, finish: bool) -> Any:
    """The graph's input: None to continue, an answer to a review, or the empty input of a new run."""
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
    """The score of the last student that the gate has judged, promoted or not."""
    last = judged_rounds(paths)[-1]
    evaluation, gate = last.evaluation(), last.gate()
    return RoundScore(
        round=last.number,
        metric=evaluation.metric,
        validation=evaluation.validation,
        ci95=evaluation.ci95,
        promoted=gate.promoted,
        reason=gate.reason,
    )
