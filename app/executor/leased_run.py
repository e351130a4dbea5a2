"""A run of the service: owned by a lease with a fencing token, its events in the service's database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from app.db.checkpoints import fenced_checkpoints, postgres_checkpoints
from app.db.engine import Sessions
from app.db.leases import Lease
from app.db.run_summary import RunSummary
from app.engine.events import EventSink, Listener
from app.engine.run_store import Saver
from app.executor.events import DatabaseEventLog
from graphs.run_paths import RunPaths
from trainer.fencing import Fence, guard


class LeasedRunStore:
    """See `app.engine.run_store.RunStore`.

    Args:
        database: the service's, as a SQLAlchemy URL. PostgreSQL also holds the checkpoints; otherwise they are a file
            in the run's folder.
        root: the run's folder.
        summary: what the run's events have added up to so far.
    """

    def __init__(self, sessions: Sessions, database: str, lease: Lease, root: Path, summary: RunSummary):
        self._sessions, self._database, self._summary = sessions, database, summary
        self._lease = lease
        self.run_id = lease.run
        self.fence = Fence(folder=root / "owners", token=lease.token)

    @asynccontextmanager
    async def own(self, root: Path) -> AsyncIterator[RunPaths]:
        """The lease is held already; from here on every write checks the fence."""
        self.fence.take()
        guard(self.fence)
        yield RunPaths(root)

    def events(self, paths: RunPaths, listen: Listener) -> EventSink:
        """See `RunStore`."""
        return DatabaseEventLog(self._sessions, self._lease, self._summary, listen)

    def checkpoints(self, paths: RunPaths) -> AbstractAsyncContextManager[Saver]:
        """See `RunStore`; a write after the run went to another process raises Superseded."""
        if self._database.startswith("postgresql"):
            return postgres_checkpoints(self._database, self._lease.token)
        return fenced_checkpoints(paths, self._lease.token)
