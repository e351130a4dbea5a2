"""`pada keys ...`: works directly on the service's database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")

keys = typer.Typer(name="keys", help="API keys of the service.", no_args_is_help=True)


class ScopeOption(StrEnum):
    """Scopes of a key; each includes those before it."""

    read = "read"
    write = "write"
    admin = "admin"


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Who the key is for; shown by `pada keys list`.")],
    scope: Annotated[
        ScopeOption, typer.Option(help="`write` can read, too; `admin` sees what all keys own.")
    ] = ScopeOption.write,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    identifier, text = _run(_create(name, scope))
    typer.echo(
        f"Key {identifier} for {name} ({scope.value}). Keep it now: only its digest is stored.", err=True
    )
    typer.echo(text)


@keys.command(name="list")
def list_() -> None:
    """List all keys, without their texts."""
    for line in _run(_lines()):
        typer.echo(line)


@keys.command()
def revoke(identifier: Annotated[str, typer.Argument(help="Id of the key.", metavar="ID")]) -> None:
    """Revoke a key; its runs and data sets stay."""
    _run(_revoke(identifier))
    typer.echo(f"Key {identifier} is revoked.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    return asyncio.run(work)


@asynccontextmanager
async def _database() -> AsyncIterator[AsyncSession]:
    """One transaction on the database that the settings name. A missing database is created."""
    from app.db.engine import make_sessions
    from app.db.home import open_home
    from app.settings import Settings

    async with open_home(Settings()) as engine, make_sessions(engine).begin() as session:
        yield session


async def _create(name: str, scope: ScopeOption) -> tuple[str, str]:
    from app.db import api_keys as key_repository

    async with _database() as session:
        row, text = await key_repository.create(session, name, scope.value)
        return row.id, text


async def _lines() -> list[str]:
    from app.db import api_keys as key_repository

    async with _database() as session:
        rows = await key_repository.get_all(session)
    return [
        f"{row.id}  {row.scopes[-1]:5}  made {_day(row.created)}"
        f"{f', revoked {_day(row.revoked)}' if row.revoked else ''}  {row.name}"
        for row in rows
    ]


async def _revoke(identifier: str) -> None:
    from app.db import api_keys as key_repository

    async with _database() as session:
        if not await key_repository.revoke(session, identifier):
            raise NotFound(f"There is no valid key {identifier}. `pada keys list` shows all keys.")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
