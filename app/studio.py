"""The loop for LangGraph Studio: a thread is a run with a folder of its own, and the context is its config.

`langgraph dev` calls `graph` for each start of a run, and also to draw it or to read a thread; see docs/guides/studio.md.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph_sdk.runtime import ServerRuntime
from pydantic import ConfigDict, ValidationError, field_validator

from app.config.data import DataSpec, prepare_data
from app.config.named_models import refuse_missing_models
from app.config.run_config import RunConfig, explain, parse_config
from app.demo.dataset import keep_demo_data
from app.engine.run_folder import open_run, owned
from app.errors import ConfigError, PadaError
from graphs.context import Context, LoopSpec
from graphs.errors import LoopError, RunPaused
from graphs.loop import build_loop
from graphs.run_paths import RunPaths
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from graphs.workspace import Workspace, log_test_access
from trainer.data_files import DataError
from trainer.specs import StudentSpec

Graph = CompiledStateGraph[Any, Any, Any, Any]
DEMO: dict[str, Any] = yaml.safe_load(files("app.demo").joinpath("demo.yaml").read_text(encoding="utf-8"))
SMALL: dict[str, Any] = DEMO["loop"] | {"rounds": 1, "synthetic_per_round": 12, "samples_per_batch": 4}
FEW = {"train": 24, "validation": 24, "test": 24}
"""Rows of the demo's data set in a run without `data`."""
STEPS = 15
"""Three epochs of those and the new ones."""
SERVERS = ExitStack()
"""Servers that all runs of the process share."""

# Nodes write small files, and this server would end a run for that. The flag `--allow-blocking` sets the same
# variable; no key of langgraph.json does. The server reads it after it has imported the graphs.
os.environ["LANGGRAPH_ALLOW_BLOCKING"] = "true"


class ShownError(RuntimeError):
    """An error that the user can fix. The server hides the message of an error whose base is not a built-in
    exception."""


class StudioContext(Context):
    """The keys of a config file. Left as it is, it is the demo on a few rows, and needs no key."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    task: str = DEMO["task"]
    """Name of a task, or `module:Class` of your own."""
    student: StudentSpec = StudentSpec(**DEMO["student"] | {"steps": STEPS})
    """The small model: a folder, a `.gguf` file, a hub name or the embedded one, and how it is trained."""
    loop: LoopSpec = LoopSpec(**SMALL)
    """How the loop runs; `review` lets it wait for you."""
    data: DataSpec | None = None
    """Your rows, as in a config file; without it, a few rows of the demo's data set."""
    teacher: TeacherSpec | None = None
    """Your teacher; without it, the embedded stand-in, which knows the demo's messages and nothing else."""
    budget: BudgetSpec = BudgetSpec()
    """Hard caps on what the teacher may cost."""
    embedder: str = "builtin:minilm"
    """`builtin:minilm`, or any sentence-transformers name or folder."""
    output: Path | None = None
    """The run's folder; without it, `runs/studio/<thread id>`. Paths count from where `langgraph dev` was started."""

    @field_validator("loop", mode="before")
    @classmethod
    def _stay_small(cls, given: Any) -> Any:
        """Keys that a given `loop` leaves out keep the small defaults."""
        return SMALL | given if isinstance(given, dict) else given


@asynccontextmanager
async def graph(config: RunnableConfig, runtime: ServerRuntime[StudioContext]) -> AsyncIterator[Graph]:
    """The graph of one run, bound to the folder of its thread; unbound where Studio only shows it."""
    running = runtime.execution_runtime
    if running is None:
        yield unbound()
        return
    thread = str(config["configurable"]["thread_id"])
    try:
        async with workspace_of(checked(running.context), thread) as workspace:
            yield compiled(workspace)
    except (PadaError, DataError, LoopError, RunPaused) as error:
        raise ShownError(str(error)) from error


@cache
def unbound() -> Graph:
    """The graph for drawings, schemas and states; it runs no node."""
    nothing: Any = None
    return compiled(nothing)


def compiled(workspace: Workspace) -> Graph:
    """The loop with a visible sub-graph; the server adds its own checkpointer."""
    return build_loop(workspace, visible=True, context_schema=StudioContext).compile(name="pada")


def checked(context: Any) -> StudioContext:
    """Validates the context of a run; errors are written for the person who filled in the form."""
    if isinstance(context, StudioContext):
        return context
    try:
        return StudioContext.model_validate(context or {})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"context: {line}" for line in explain(error, section=StudioContext))
        ) from None


@asynccontextmanager
async def workspace_of(context: StudioContext, thread: str) -> AsyncIterator[Workspace]:
    """The workspace of the thread's nodes. It is closed when the run ends or waits, and opened again when it continues.

    Raises:
        ConfigError, DataError, FolderError: the context cannot be used, or is not that of the thread's first run.
    """
    from app.engine.wiring import open_workspace
    from app.launchers.local import LocalStudent

    folder = (context.output or Path("runs", "studio", thread)).expanduser().resolve()
    config = resolved_config(context, folder)
    with owned(folder) as paths:
        run_id = open_run(paths, config).run_id
        if context.data is None:
            keep_demo_data(paths.source)
        refuse_missing_models(config)
        check_rows(config, paths)
        async with (
            aclosing(LocalStudent(lambda _: None)) as student,
            open_workspace(config, run_id, paths, student) as workspace,
        ):
            yield workspace


def resolved_config(context: StudioContext, folder: Path) -> RunConfig:
    """The config of the run; the demo's data and teacher fill in for missing ones."""
    document = context.model_dump(mode="json", exclude_none=True)
    if "data" not in document:
        document["data"] = {"folder": str(RunPaths(folder).source), "limit": FEW}
    if "teacher" not in document:
        document["teacher"] = DEMO["teacher"] | {"base_url": embedded_teacher()}
    return parse_config(document, "context", Path.cwd())


def check_rows(config: RunConfig, paths: RunPaths) -> None:
    """All rows, checked and written into the run's folder."""
    if not paths.data_report.exists():
        log_test_access(paths, "checked and compared with the other splits at the start")
    prepare_data(config.data, config.task, config.seed, paths)


@cache
def embedded_teacher() -> str:
    """Base URL of the embedded teacher. It starts on first use and ends with the process."""
    from app.demo.run import served_teacher

    return SERVERS.enter_context(served_teacher())
