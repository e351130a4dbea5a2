"""Assembles a run: teacher, student, embedder, task and the compiled graph."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from app.config.run_config import RunConfig
from app.config.task_fit import refuse_scoring_new_rows, refuse_unknown_labels
from app.engine.run_store import FolderRunStore, RunStore
from app.launchers.embedder import EmbeddingWorker
from app.launchers.forks import ForkServer
from app.launchers.local import LocalStudent
from app.launchers.ray import RayStudent
from app.launchers.ray_jobs import Cluster
from app.settings import Settings
from graphs.errors import TeacherError
from graphs.loop import build_loop
from graphs.ports import Student, Teacher
from graphs.rounds import loop_has_ended
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.network import ANYWHERE, Network
from graphs.teacher.spec import TeacherSpec
from graphs.workspace import Workspace
from trainer.artifacts import read_models
from trainer.fencing import Fence
from trainer.progress import Progress
from trainer.records import Example
from trainer.tasks import load_task


@dataclass(frozen=True)
class RunOptions:
    """How a run is done, apart from its config.

    Args:
        store: who owns the run, and where its events and checkpoints go.
        student: who trains and predicts; None is the trainer where the settings say.
        sealed: pause before the test rows are opened; a later start without it opens them.
        stand_in: it is the demo: its start writes the rows, and the report says that the teacher is the embedded one.
        network: where teachers may live.
        name: of the run in experiment trackers; None is the name of its folder.
        forks: starts the trainers of several runs on this machine; None is one for this run.
    """

    store: RunStore = field(default_factory=FolderRunStore)
    student: Student | None = None
    sealed: bool = False
    stand_in: bool = False
    network: Network = ANYWHERE
    name: str | None = None
    forks: ForkServer | None = None


@dataclass(frozen=True)
class OpenRun:
    """A run whose folder is owned by this process."""

    config: RunConfig
    run_id: str
    paths: RunPaths
    options: RunOptions

    @property
    def fence(self) -> Fence | None:
        """Who may write."""
        return self.options.store.fence


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
async def assemble(run: OpenRun, listen: Callable[[Progress], None]) -> AsyncIterator[Assembled]:
    """Open everything that a run needs, and close it at the end in reverse order.

    Args:
        listen: receives the trainer's progress.
    """
    async with AsyncExitStack() as stack:
        student = run.options.student
        if student is None:
            trainer = open_student(
                run.run_id, run.paths.root, listen, run.fence, run.config.task_folder, run.options.forks
            )
            student = await stack.enter_async_context(trainer)
        workspace = await stack.enter_async_context(
            open_workspace(run.config, run.run_id, run.paths, student, run.fence, run.options.network)
        )
        saver = await stack.enter_async_context(run.options.store.checkpoints(run.paths))
        teacher = workspace.teacher if isinstance(workspace.teacher, ChatTeacher) else None
        graph = build_loop(workspace).compile(
            checkpointer=saver, interrupt_before=["finish"] if run.options.sealed else None
        )
        yield Assembled(graph, teacher)


@asynccontextmanager
async def open_student(
    run_id: str,
    root: Path,
    listen: Callable[[Progress], None],
    fence: Fence | None,
    task_folder: Path | None,
    forks: ForkServer | None = None,
) -> AsyncIterator[Student]:
    """The trainer on this machine, or on the cluster that the settings name.

    Args:
        root: the run's folder.
        task_folder: see `TrainSpec.task_folder`.
        forks: see `RunOptions`.
    """
    settings = Settings()
    if settings.launcher == "local":
        async with aclosing(LocalStudent(listen, fence, task_folder, forks)) as student:
            yield student
        return
    async with Cluster(settings) as cluster:
        yield RayStudent(settings, cluster, run_id, root, listen, fence, task_folder)


@asynccontextmanager
async def open_workspace(
    config: RunConfig,
    run_id: str,
    paths: RunPaths,
    student: Student,
    fence: Fence | None = None,
    network: Network = ANYWHERE,
) -> AsyncIterator[Workspace]:
    """What a run's nodes work with: teacher, student, embedder and task, and the checked rows in the run's folder."""
    async with AsyncExitStack() as stack:
        teacher: Teacher = NoTeacher()
        embedder = EmbeddingWorker(config.embedder)
        stack.push_async_callback(embedder.aclose)
        if config.teacher and (config.loop.last_round or config.evaluate_teacher):
            teacher = await stack.enter_async_context(
                open_teacher(config, config.teacher, run_id, paths, fence, network)
            )
            if config.loop.last_round and not loop_has_ended(paths):
                await embedder.start()  # it loads while the first student is trained, and then waits
        task = load_task(config.task, read_models(Example, paths.data("train")))
        refuse_unknown_labels(config, task)
        if not task.self_contained:
            refuse_scoring_new_rows(config)
        workspace = Workspace(teacher, student, embedder, task, config.loop, paths)
        if isinstance(teacher, ChatTeacher):
            workspace.spent = teacher.totals
        stack.push_async_callback(workspace.aclose)
        yield workspace


def open_teacher(
    config: RunConfig,
    spec: TeacherSpec,
    run_id: str,
    paths: RunPaths,
    fence: Fence | None,
    network: Network,
) -> ChatTeacher:
    """The teacher of a config, with the run's own ledger or the one that the config shares between runs."""
    ledger = Ledger(spec.ledger or paths.ledger, run_id, fence.token if fence else 0)
    try:
        return ChatTeacher(spec, config.budget, ledger, os.environ, network, Settings().prices)
    except BaseException:
        ledger.close()
        raise


def draw_graph() -> str:
    """The loop as mermaid text, drawn from the graph that runs, its sub-graph included."""
    unbound: Any = None
    return build_loop(unbound, visible=True).compile().get_graph(xray=True).draw_mermaid()
