"""The service: combines routers, errors, limits and the executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from app import telemetry
from app.api import health, idempotency, problems
from app.api.body_limit import BodyLimit
from app.api.body_pace import BodyPace
from app.api.comparisons import endpoints as comparisons
from app.api.comparisons.progress import Followed
from app.api.datasets import endpoints as datasets
from app.api.datasets.service import sweep
from app.api.fine_tuning import file_endpoints as files
from app.api.fine_tuning import job_endpoints as jobs
from app.api.keys.cache import RecentKeys
from app.api.keys.cookies import Signer, secret_of
from app.api.keys.origins import Origins
from app.api.keys.rate_limit import Rates
from app.api.metrics import Measured, Metrics
from app.api.openapi_links import add_links
from app.api.pages import added_rows as row_pages
from app.api.pages import api_keys, data_sets, new_comparison, new_run, playground, reviewing, tables
from app.api.pages import comparisons as comparison_pages
from app.api.pages import endpoints as pages
from app.api.problems import add_problems
from app.api.runs import added_rows, results
from app.api.runs import endpoints as runs
from app.api.runs.event_stream import LOOK_SECONDS, EventBroadcaster
from app.api.serving import endpoints as serving
from app.api.serving.queue import StudentQueue
from app.db.engine import Sessions, make_sessions
from app.db.home import open_home
from app.errors import ConfigError
from app.settings import GraphSettings, Settings

DESCRIPTION = "Makes a small language model better at one task, and measures by how much."
TAGS = [
    {"name": "runs", "description": "Start, watch, steer and read runs."},
    {"name": "datasets", "description": "Rows that were uploaded once and can be used by many runs."},
    {
        "name": "comparisons",
        "description": "Several methods on the same rows, with several seeds; also those of `pada compare`.",
    },
    {
        "name": "fine-tuning",
        "description": "Files and fine-tuning jobs as OpenAI's API has them, for its clients. A job is a run.",
    },
    {
        "name": "serving",
        "description": "Trained students behind OpenAI's API: `base_url` is the service's address with `/v1`.",
    },
    {"name": "operation", "description": "For those who run the service."},
]


ROUTERS = (
    runs.router,
    results.router,
    added_rows.router,
    comparisons.router,
    datasets.router,
    files.router,
    jobs.router,
    serving.router,
    health.router,
    reviewing.router,
    playground.router,
    row_pages.router,
    pages.router,
    new_run.router,
    tables.router,
    new_comparison.router,
    comparison_pages.router,
    data_sets.router,
    api_keys.router,
)


class DocumentedAPI(FastAPI):
    """Its OpenAPI document also has the problems that operations answer with, and links between operations."""

    def openapi(self) -> dict[str, Any]:
        """See `FastAPI.openapi`."""
        document = super().openapi()
        add_problems(document)
        add_links(document)
        return document


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without settings it reads the environment.

    Raises:
        ConfigError: the settings would open the service to strangers, or allow code in checkpoints.
    """
    settings = settings or Settings()
    if not settings.keys_required and not settings.on_loopback:
        raise ConfigError(
            f"PADA_AUTH=off works only on a loopback address, and PADA_HOST is {settings.host}: anybody who reaches it "
            "could start runs. Leave PADA_AUTH out, and make keys with `pada keys create`."
        )
    if not GraphSettings().strict_msgpack:
        raise ConfigError(
            "LANGGRAPH_STRICT_MSGPACK is off: a checkpoint could then name classes to be made when it is read. Leave it out."
        )
    traces = telemetry.trace_requests()
    app = DocumentedAPI(
        title="pada",
        version=version("pada"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        telemetry=traces.config,
    )
    app.state.end_traces = traces.end
    app.state.settings = settings
    app.state.keys = RecentKeys()
    app.state.rates = Rates(settings.requests_per_minute)
    app.state.metrics = Metrics()
    app.state.check_turn = asyncio.Lock()
    app.state.followed = Followed()
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(
        BodyLimit,
        limit=settings.max_body_bytes,
        larger=dict.fromkeys((new_run.TABLES, files.PATH), settings.max_dataset_bytes),
        own={datasets.PATH, new_run.UPLOADS},
    )
    app.add_middleware(BodyPace, seconds=settings.body_seconds)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(Origins, settings=settings)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Migrates the database before the first request, and stops the executor before it closes the database."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        stack.callback(app.state.end_traces)
        engine = await stack.enter_async_context(open_home(settings))
        app.state.signer = Signer(secret_of(settings.home.resolve()))
        sessions = app.state.sessions = make_sessions(engine)
        reads = app.state.reads = make_sessions(engine, reading=True)
        await sweep(sessions, settings)
        await idempotency.delete_old_replies(sessions)
        app.state.broadcaster = await stack.enter_async_context(
            EventBroadcaster(reads, min(LOOK_SECONDS, settings.poll_seconds))
        )
        app.state.students = await stack.enter_async_context(StudentQueue(settings))
        await _start_executor(stack, settings, sessions)
        yield


async def _start_executor(stack: AsyncExitStack, settings: Settings, sessions: Sessions) -> None:
    if settings.max_running > 0:
        from app.executor.supervisor import Supervisor

        await stack.enter_async_context(Supervisor(settings, sessions))
