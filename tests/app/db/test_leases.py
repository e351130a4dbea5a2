"""Claims of runs, each on a real database. What a worker then does is in `tests/app/executor/test_leases.py`."""

from __future__ import annotations

from app.db import leases as lease_repository
from app.db.engine import Sessions
from app.db.leases import Lease
from tests.app.db.database import add_run, claim


async def test_the_oldest_run_is_claimed_first_and_each_once(sessions: Sessions) -> None:
    for name in ("first", "second"):
        await add_run(sessions, name)
    leases = [await claim(sessions) for _ in range(3)]
    assert leases == [Lease("first", 1), Lease("second", 1), None]


async def test_the_leases_of_a_dead_holder_can_be_claimed_at_once(sessions: Sessions) -> None:
    for name in ("one", "other"):
        await add_run(sessions, name)
        await claim(sessions, holder=f"holder of {name}")
    async with sessions.begin() as session:
        assert sorted(await lease_repository.get_lease_holders(session)) == [
            "holder of one",
            "holder of other",
        ]
        await lease_repository.expire_leases(session, "holder of other")
    assert await claim(sessions) == Lease("other", 2)
    assert await claim(sessions) is None
