"""The question that a run waits with, and which answers it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langgraph.types import Command

from app.engine.reviews import PendingReview, review_event, waiting_reason
from app.engine.session import first_input
from tests.graphs.loop_harness import THREAD, Loop, new_loop

SHOWN = PendingReview(
    about="patterns", round=2, patterns=[{"id": "r2-p0", "name": "Refunds"}, {"id": "r2-p1"}]
)
COUNTED = PendingReview(about="rows", round=2, accepted=12, rejected=3)
REFUSED = COUNTED.model_copy(update={"error": "No such row in this round: x."})


async def started_with(loop: Loop, answer: dict[str, Any]) -> Any:
    async with loop.graph() as graph:
        return await first_input(graph, THREAD, answer, finish=False)


async def test_an_answer_to_the_question_before_is_not_taken(tmp_path: Path) -> None:
    """A service that was killed after the run took an answer gives it once more."""
    loop = new_loop(tmp_path, review=True, rounds=1)
    await loop.go({})
    patterns = {"about": "patterns", "round": 1, "veto": []}
    rows = {"about": "rows", "round": 1, "reject": []}
    assert await started_with(loop, rows) is None
    assert await started_with(loop, patterns | {"round": 2}) is None
    assert await started_with(loop, patterns) == Command(resume=patterns)
    await loop.go(Command(resume=patterns))
    assert (await loop.asked())["about"] == "rows"
    assert await started_with(loop, patterns) is None
    assert await started_with(loop, rows) == Command(resume=rows)
    assert await started_with(loop, {"reject": []}) == Command(resume={"reject": []})


def test_what_is_told_of_a_question() -> None:
    assert waiting_reason(SHOWN) == (
        "The patterns and strategies of round 2 wait for a review: `pada review RUN` shows and answers it."
    )
    assert waiting_reason(REFUSED) == (
        "No such row in this round: x. The rows of round 2 (12 accepted and 3 rejected) wait for a review: "
        "`pada review RUN` shows and answers it."
    )
    assert review_event(REFUSED).data() == {"about": "rows", "round": 2, "accepted": 12, "rejected": 3}
    event = review_event(SHOWN)
    assert event.data() == {"about": "patterns", "round": 2, "patterns": ["r2-p0", "r2-p1"]}
