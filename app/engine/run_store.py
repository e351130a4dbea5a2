"""Where a run is stored: who owns it, and where its events and checkpoints go."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from app.engine.event_log import EventLog
from app.engine.events import EventSink, Listener
from app.engine.run_folder import owned
from app.errors import FolderError
from graphs.run_paths import RunPaths
from trainer.fencing import Fence

Saver = BaseCheckpointSaver[Any]
LOCK_SECONDS = 90.0
"""How long a checkpoint waits for another process that has locked the file, such as a copy of it that is being made."""


class RunStore(Protocol):
    """How a run is owned, and where its events and checkpoints are stored. Rows and models are always files."""

    @property
    def run_id(self) -> str | None:
        """The run's id; None gives a new run an id of its own."""
        ...

    @property
    def fence(self) -> Fence | None:
        """Who may write, for runs that can go from one process to another."""
        ...

    def own(self, root: Path) -> AbstractAsyncContextManager[RunPaths]:
        """Own the run in `root`."""
        ...

    def events(self, paths: RunPaths, listen: Listener) -> EventSink:
        """Where the run's events go; `listen` hears them too."""
        ...

    def checkpoints(self, paths: RunPaths) -> AbstractAsyncContextManager[Saver]:
        """The graph's checkpoints."""
        ...


class FolderRunStore:
    """A run that is only its folder: a lock of the kernel, a file of events, a file of checkpoints.

    Args:
        fence: who may write, of a run within something that can go from one process to another.
    """

    run_id = None

    def __init__(self, fence: Fence | None = None):
        self.fence = fence

    @asynccontextmanager
    async def own(self, root: Path) -> AsyncIterator[RunPaths]:
        """See `RunStore`; raises FolderError when another process works on the run."""
        with owned(root) as paths:
            yield paths

    def events(self, paths: RunPaths, listen: Listener) -> EventSink:
        """See `RunStore`."""
        return EventLog(paths.events, listen)

    def checkpoints(self, paths: RunPaths) -> AbstractAsyncContextManager[Saver]:
        """See `RunStore`."""
        return open_checkpoints(paths)


def strict_serializer() -> JsonPlusSerializer:
    """Reads plain data only: a checkpoint cannot name a class to instantiate."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)


@asynccontextmanager
async def open_checkpoints(paths: RunPaths) -> AsyncIterator[AsyncSqliteSaver]:
    """The run's checkpoints in an SQLite file of its folder.

    Raises:
        FolderError: the file is damaged, or cannot be written, such as on a full disk; everything committed before is kept.
    """
    async with aiosqlite.connect(paths.checkpoints, timeout=LOCK_SECONDS) as connection:
        saver = AsyncSqliteSaver(connection, serde=strict_serializer())
        try:
            await saver.setup()
            yield saver
        except sqlite3.OperationalError as error:
            raise FolderError(f"{paths.checkpoints}: {error}. Fix this, and start the run again.") from error
        except sqlite3.DatabaseError as error:
            raise FolderError(
                f"{paths.checkpoints}: the file is damaged ({error}). Bring it back from a copy, or remove it: the run then "
                "goes through its steps again, with the students and the teacher's answers that are there."
            ) from error
        finally:
            # When a step fails, LangGraph leaves its writes running. A write that starts now would never be committed,
            # and would keep the file locked as long as anything refers to the error. So no write may start any more
            # (the lock stays taken), and the open transaction is rolled back.
            await saver.lock.acquire()
            await saver.conn.rollback()
