"""Puts a run together: teacher, student, embedder, task and the compiled graph."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph

from app.config import RunConfig
from app.executor.embedder import EmbeddingWorker
from app.executor.launchers.local import LocalStudent
from graphs.errors import TeacherError
from graphs.ledger import Ledger
from graphs.loop import build_loop
from graphs.ports import Student
from graphs.teacher import ChatTeacher
from graphs.workspace import Workspace
from trainer.artifacts import RunPaths, read_jsonl
from trainer.records import Example
from trainer.specs import Progress
from trainer.tasks import load_task


@dataclass
class Assembled:
    """A run that is ready to go on."""

    graph: CompiledStateGraph[Any, Any, Any, Any]
    teacher: ChatTeacher | None


class NoTeacher:
    """For runs of plain fine-tuning, which never ask."""

    async def ask(self, *_: Any) -> Any:
        """Refuse; see `graphs.ports.Teacher`."""
        raise TeacherError("This run has no teacher: add a `teacher` section to its config.")


@asynccontextmanager
async def assemble(
    config: RunConfig,
    run_id: str,
    paths: RunPaths,
    listen: Callable[[Progress], None],
    student: Student | None = None,
) -> AsyncIterator[Assembled]:
    """Open everything that a run needs, and close it in the end, in the reverse order.

    Args:
        listen: hears the trainer's progress.
        student: who trains and predicts; None is the trainer on this machine.
    """
    async with AsyncExitStack() as stack:
        teacher = (
            await stack.enter_async_context(open_teacher(config, run_id, paths)) if config.teacher else None
        )
        embedder = EmbeddingWorker(config.embedder)
        stack.push_async_callback(embedder.aclose)
        if config.teacher:
            await embedder.start()  # it loads while the first student is trained, and then waits
        train = [Example(**row) for row in read_jsonl(paths.data("train"))]
        workspace = Workspace(
            teacher=teacher or NoTeacher(),
            student=student or LocalStudent(listen),
            embedder=embedder,
            task=load_task(config.task, train),
            loop=config.loop,
            paths=paths,
        )
        saver = await stack.enter_async_context(open_checkpoints(paths))
        yield Assembled(build_loop(workspace).compile(checkpointer=saver), teacher)


def open_teacher(config: RunConfig, run_id: str, paths: RunPaths) -> ChatTeacher:
    """The teacher of a config, with the ledger of the run or the one that the config shares between runs."""
    assert config.teacher
    ledger = Ledger(config.teacher.ledger or paths.ledger, run_id)
    return ChatTeacher(config.teacher, config.budget, ledger, os.environ)


@asynccontextmanager
async def open_checkpoints(paths: RunPaths) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """The run's checkpoints in SQLite; only plain data is ever read back from them."""
    async with AsyncSqliteSaver.from_conn_string(str(paths.checkpoints)) as saver:
        # strict: a checkpoint can name no class to be made when it is read
        saver.serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        await saver.setup()
        try:
            yield saver
        finally:
            # LangGraph leaves writes of a failed step under way: one that began now would never be committed, and keep
            # the file locked as long as anybody holds the error; so none may begin, and what is open is rolled back
            await saver.lock.acquire()
            await saver.conn.rollback()


def draw_graph() -> str:
    """The loop as mermaid text, drawn from the graph that runs, its sub-graph included."""
    unbound: Any = None
    return build_loop(unbound, visible=True).compile().get_graph(xray=True).draw_mermaid()
