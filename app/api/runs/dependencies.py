"""What the operations on runs share: the run of the path, its folder, and the caller's runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Caller, Reader
from app.api.runs.service import Runs
from app.db.models import Run
from graphs.run_paths import RunPaths

RunId = Annotated[str, id_path("Id of the run."), refuse_unknown("There is no run {}.")]


def runs_of(request: Request, session: AsyncSession, caller: Caller) -> Runs:
    """The operations on the caller's runs, in one transaction."""
    return Runs(session, request.app.state.settings, caller.owner, everybody=caller.sees is None)


async def run_of(request: Request, caller: Reader, run: RunId) -> Run:
    """The run that a GET is about; its owner and admins see it."""
    async with request.app.state.reads() as session:
        return await runs_of(request, session, caller).get(run)


Found = Annotated[Run, Depends(run_of)]


async def folder(request: Request, run: Found) -> RunPaths:
    """The folder of the run that a GET is about."""
    return RunPaths(request.app.state.settings.runs / run.id)


Folder = Annotated[RunPaths, Depends(folder)]
