"""One run of the compiled graph in a folder, with stand-ins for teacher, student and embedder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from app.engine.run_store import open_checkpoints
from graphs.context import Context, LoopSpec
from graphs.loop import build_loop
from graphs.rounds import Round
from graphs.rows import NewRow
from graphs.run_paths import RunPaths
from graphs.state import LoopState
from graphs.workspace import Workspace
from tests.fakes import FakeEmbedder, FakeStudent, ScriptedTeacher
from tests.tiny_task import rows
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.records import Example
from trainer.specs import StudentSpec
from trainer.tasks import load_task

LOOP: dict[str, Any] = {
    "rounds": 2, "synthetic_per_round": 24, "samples_per_batch": 4, "max_patterns": 4, "oversample": 1,
}  # fmt: skip
"""Rows are not chosen among more of them, so that a round has as many as its plan."""
THREAD: Any = {"configurable": {"thread_id": "run"}, "max_concurrency": 4, "recursion_limit": 80}


@dataclass
class Loop:
    """One run in a folder; every `go` is a new start with nothing in memory."""

    paths: RunPaths
    teacher: ScriptedTeacher
    student: FakeStudent
    loop: LoopSpec
    validation: int
    description: str | None = "Which kind is the request?"
    student_spec: StudentSpec = field(default_factory=lambda: StudentSpec(tune="off"))

    def workspace(self) -> Workspace:
        """What the nodes work with, with nothing read yet."""
        train = [Example(**row) for row in read_jsonl(self.paths.data("train"))]
        task = load_task("classification", train)
        return Workspace(self.teacher, self.student, FakeEmbedder(), task, self.loop, self.paths)

    @property
    def context(self) -> Context:
        return Context(
            task="classification",
            task_description=self.description,
            student=self.student_spec,
            loop=self.loop,
            seed=7,
        )

    @property
    def runtime(self) -> Runtime[Context]:
        """For a node that is called by hand."""
        return Runtime(context=self.context)

    def round(self, round_number: int) -> Round:
        """The files of a round, read anew."""
        return Round(self.paths, round_number)

    @asynccontextmanager
    async def graph(self) -> AsyncIterator[Any]:
        async with open_checkpoints(self.paths) as saver:
            yield build_loop(self.workspace()).compile(checkpointer=saver)

    async def until(self, node: str) -> LoopState:
        """Run all that comes before the first call of a node; the state that the node then gets."""
        async with self.graph() as graph:
            await graph.ainvoke({}, THREAD, context=self.context, interrupt_before=[node])
            state = await graph.aget_state(THREAD)
        assert node in state.next, f"the run ended before {node}"
        return LoopState(**state.values)

    async def go(self, start: Any = None) -> tuple[dict[str, Any], list[str]]:
        """Run to the end or to a pause: the state's values, and the nodes that ended, in order."""
        ended = []
        async with self.graph() as graph:
            async for task in graph.astream(start, THREAD, context=self.context, stream_mode="tasks"):
                if "result" in task:
                    ended.append(task["name"])
            state = await graph.aget_state(THREAD)
        values: dict[str, Any] = state.values
        return values, ended

    async def asked(self) -> dict[str, Any]:
        """What the run asks its reviewer."""
        async with self.graph() as graph:
            state = await graph.aget_state(THREAD)
        (interrupt,) = (interrupt for task in state.tasks for interrupt in task.interrupts)
        value: dict[str, Any] = interrupt.value
        return value

    def written(self, round_number: int) -> list[NewRow]:
        """Every row that was written for a round."""
        return self.round(round_number).rows()


def new_loop(
    folder: Path, teacher: ScriptedTeacher | None = None, validation: int = 40, test: int = 40, **loop: Any
) -> Loop:
    paths = RunPaths(folder)
    for split, count in {"train": 40, "validation": validation, "test": test}.items():
        write_jsonl(paths.data(split), rows(split, count))
    return Loop(paths, teacher or ScriptedTeacher(), FakeStudent(), LoopSpec(**{**LOOP, **loop}), validation)


def read_rows(loop: Loop, round_number: int, name: str) -> list[dict[str, Any]]:
    return list(read_jsonl(loop.paths.round(round_number).root / f"{name}.jsonl"))


def with_train_failures(loop: Loop) -> Loop:
    """Every fifth training row says what its neighbour says, with another label: the student can't get both right."""
    train = list(read_jsonl(loop.paths.data("train")))
    for row, other in zip(train[::5], train[1::5], strict=True):
        row["prompt"] = other["prompt"]
    write_jsonl(loop.paths.data("train"), train)
    return loop


def wrong(loop: Loop, round_number: int) -> set[str]:
    """Ids of the training rows that a round's student got wrong."""
    scores = read_jsonl(loop.paths.round(round_number).scores("train"))
    return {score["id"] for score in scores if not score["correct"]}
