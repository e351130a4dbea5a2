"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from app.api.keys.auth import Reader
from app.api.metrics import Metrics
from app.api.problems import documented, problems
from app.db import comparisons as comparison_repository
from app.db import runs as run_repository
from app.db.engine import Sessions
from app.errors import Unavailable
from app.settings import Settings

FREE_BYTES = 100 << 20
CHECK_SECONDS = 5.0

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The process answers requests."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Everything that a run needs is available."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ready", "checks": ["database", "home"]}}
    )

    status: Literal["ready"] = "ready"
    checks: list[str]


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> Health:
    """Checks nothing else: a process that answers need not be restarted."""
    return Health()


@router.get("/readyz", summary="Whether the service can work", responses=documented(503))
async def readyz(request: Request) -> Readiness:
    """Database, home folder and, where the settings name them, teachers. 503 names what is missing."""
    settings: Settings = request.app.state.settings
    checks: dict[str, Awaitable[str | None]] = {
        "database": _database(request.app.state.reads),
        "home": asyncio.to_thread(_home, settings.home),
        **{f"teacher {number}": _teacher(url) for number, url in enumerate(settings.ready_teachers, 1)},
    }
    results = await asyncio.gather(*checks.values())
    failed = [f"{name}: {problem}" for name, problem in zip(checks, results, strict=True) if problem]
    if failed:
        raise Unavailable("; ".join(failed))
    return Readiness(checks=list(checks))


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"example": 'pada_runs{status="running"} 1.0\n'}}},
        **problems(),
    },
)
async def metrics(request: Request, caller: Reader) -> Response:
    """Requests, runs and comparisons by status, and the cost and time of all runs. Where keys are on, any key with `read` is enough."""
    collected: Metrics = request.app.state.metrics
    async with request.app.state.reads() as session:
        text = collected.expose(
            await run_repository.count_by_status(session),
            await comparison_repository.count_by_status(session),
            await run_repository.get_totals(session),
            await run_repository.get_training_rates(session),
        )
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _database(reads: Sessions) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS), reads() as session:
            await run_repository.ping(session)
    except (SQLAlchemyError, TimeoutError, OSError):
        return "it does not answer"
    return None


def _home(home: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"ready")
        free = shutil.disk_usage(home).free
    except OSError as error:
        return f"it cannot be written: {error.strerror}"
    return None if free >= FREE_BYTES else f"only {free >> 20} MB are free"


async def _teacher(url: str) -> str | None:
    """Any answer counts, also a refusal, because no key is sent."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=CHECK_SECONDS) as client:
            await client.get(f"{url.rstrip('/')}/models")
    except (httpx.HTTPError, httpx.InvalidURL):
        return "it cannot be reached"
    return None
