"""The review that a run waits for: what the graph asks, and what may be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from app.engine.events import ReviewRequested
from graphs.context import Reviewed
from graphs.review import Question
from graphs.rounds import Round
from graphs.rows import Verdict
from graphs.run_paths import RunPaths

if TYPE_CHECKING:  # the service imports this module too, and does without LangGraph
    from langgraph.types import StateSnapshot


class PendingReview(BaseModel):
    """The value of the graph's interrupt."""

    about: Reviewed
    round: int
    patterns: list[dict[str, Any]] = []
    """Patterns with their strategies, where it is about patterns."""
    accepted: int | None = None
    """Rows, where it is about rows."""
    rejected: int | None = None
    error: str = ""
    """Why the last answer was refused."""


def awaited_review(state: StateSnapshot) -> PendingReview | None:
    """The review that the graph waits for, if there is one."""
    values = (interrupt.value for task in state.tasks for interrupt in task.interrupts)
    value = next(values, None)
    return None if value is None else PendingReview.model_validate(value)


def is_answer(answer: dict[str, Any], review: PendingReview) -> bool:
    """Whether an answer is meant for this review.

    A run that was killed after it took an answer is given it again, and must not take it for the next review.
    """
    return answer.get("about") in (None, review.about) and answer.get("round") in (None, review.round)


def review_event(review: PendingReview) -> ReviewRequested:
    """The review as an event of the run: ids and counts."""
    if review.about == "patterns":
        patterns = [pattern["id"] for pattern in review.patterns]
        return ReviewRequested(about="patterns", round=review.round, patterns=patterns)
    return ReviewRequested(
        about="rows", round=review.round, accepted=review.accepted, rejected=review.rejected
    )


def waiting_reason(review: PendingReview) -> str:
    """Why the run is paused, for the user."""
    if review.about == "patterns":
        subject = f"The patterns and strategies of round {review.round} wait"
    else:
        counts = f"{review.accepted} accepted and {review.rejected} rejected"
        subject = f"The rows of round {review.round} ({counts}) wait"
    refused = [review.error] if review.error else []
    return " ".join([*refused, f"{subject} for a review: `pada review RUN` shows and answers it."])


def question_of(event: ReviewRequested, paths: RunPaths) -> Question:
    """The question that an event announces, with the ids that an answer may name."""
    if event.about == "patterns":
        return Question("patterns", event.round, patterns=event.patterns)
    return Question("rows", event.round, rows=checked_rows(paths, event.round))


def checked_rows(paths: RunPaths, round_number: int) -> dict[str, Verdict]:
    """Row id -> the verdict of the checks, whatever a reviewer has decided since."""
    return {row.id: row.as_checked().verdict for row in Round(paths, round_number).rows()}
