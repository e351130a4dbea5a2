"""A person's verdicts on rows."""

from __future__ import annotations

from pathlib import Path

from graphs.nodes.review_rows import review_rows
from tests.graphs.loop_harness import Loop, new_loop


async def waiting(tmp_path: Path) -> Loop:
    loop = new_loop(tmp_path, review="rows", rounds=1)
    await loop.go({})
    return loop


async def test_without_a_review_the_rows_stay_as_they_are(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("review_rows")
    before = loop.round(1).rows()
    assert await review_rows(state, loop.runtime, workspace=loop.workspace()) == {}
    assert loop.round(1).rows() == before


async def test_the_question_holds_counts_alone(tmp_path: Path) -> None:
    loop = await waiting(tmp_path)
    rows = loop.round(1).rows()
    accepted = sum(row.verdict == "accepted" for row in rows)
    assert await loop.asked() == {
        "about": "rows",
        "round": 1,
        "accepted": accepted,
        "rejected": len(rows) - accepted,
    }


async def test_a_round_that_wrote_nothing_asks_nothing(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="rows")
    state = await loop.until("review_rows")
    loop.round(1).close([])
    assert await review_rows(state, loop.runtime, workspace=loop.workspace()) == {}
