"""Renews a run's lease from a thread of its own, because the run's event loop may be busy for longer than a lease
lasts."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import Sessions, make_engine, make_sessions
from app.db.leases import Lease
from app.settings import Settings

log = logging.getLogger("pada.heartbeat")


class LeaseHeartbeat:
    """`with LeaseHeartbeat(...)`: renews the lease every `heartbeat_seconds`, and reads what the user asks of the run
    every `poll_seconds`.

    Args:
        on_request: called with `pause` or `cancel`, on the heartbeat's thread.
        on_lost: called once, on the heartbeat's thread, when another process has taken the run over, or the lease could
            not be renewed in time.
    """

    def __init__(
        self, settings: Settings, lease: Lease, on_request: Callable[[str], None], on_lost: Callable[[], None]
    ):
        self._settings, self._lease = settings, lease
        self._on_request, self._on_lost = on_request, on_lost
        # leaves time for a second try within the lease when the database hangs
        self._patience = settings.lease_seconds / 2
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._beat()), name="heartbeat", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(self._settings.poll_seconds * 2)

    async def _beat(self) -> None:
        engine = make_engine(self._settings.database)
        writing, reading = make_sessions(engine), make_sessions(engine, reading=True)
        answered, renew_at = time.monotonic(), 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            own = await (self._renew(writing) if began >= renew_at else self._look(reading))
            if own and began >= renew_at:
                renew_at = began + self._settings.heartbeat_seconds
            answered = began if own else answered
            if own is False or began - answered > self._settings.lease_seconds:
                reason = (
                    "another process has taken the run" if own is False else "the database does not answer"
                )
                log.warning("The lease is lost: %s.", reason)
                self._on_lost()
                break
            await asyncio.sleep(self._settings.poll_seconds)
        await engine.dispose()

    async def _renew(self, sessions: Sessions) -> bool | None:
        """Whether the lease still holds; None while the database does not answer."""
        try:
            async with asyncio.timeout(self._patience), sessions.begin() as session:
                return await lease_repository.renew_lease(session, self._lease, self._settings.lease_seconds)
        except (SQLAlchemyError, TimeoutError, OSError):
            return None

    async def _look(self, sessions: Sessions) -> bool | None:
        """As `_renew`, without writing; also passes on what the user asks of the run."""
        try:
            async with asyncio.timeout(self._patience), sessions() as session:
                run = await run_repository.get_by_id(session, self._lease.run, None)
        except (SQLAlchemyError, TimeoutError, OSError):
            return None
        if run is None or run.token != self._lease.token:
            return False
        if run.requested:
            self._on_request(run.requested)
        return True
