"""The review that a run waits for, as the graph asks it: what is told of it, and what may be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.engine.events import ReviewRequested
from graphs.review import Question
from graphs.rows import Check
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl

if TYPE_CHECKING:  # the service reads this too, and does without LangGraph
    from langgraph.types import StateSnapshot

Waiting = dict[str, Any]
"""`about` (`patterns`, `rows`), `round`, and `patterns` (with their strategies) or `accepted` and `rejected` (counts of rows);
`error` where the last answer did not fit."""


def awaited_review(state: StateSnapshot) -> Waiting | None:
    """What the graph asks a reviewer, if it waits for one."""
    asked = (interrupt.value for task in state.tasks for interrupt in task.interrupts)
    return next(asked, None)


def is_answer(answer: dict[str, Any], waiting: Waiting) -> bool:
    """Whether an answer is to this question: a run that was killed after it took one must not take it as the next one's."""
    return all(answer.get(key) in (None, waiting[key]) for key in ("about", "round"))


def review_event(waiting: Waiting) -> ReviewRequested:
    """The question as an event of the run: ids and counts."""
    fields = {key: value for key, value in waiting.items() if key != "error"}
    if "patterns" in fields:
        fields["patterns"] = [pattern["id"] for pattern in fields["patterns"]]
    return ReviewRequested(**fields)


def waits(waiting: Waiting) -> str:
    """Why the run is paused, for the user."""
    if waiting["about"] == "patterns":
        what = f"The patterns and strategies of round {waiting['round']} wait"
    else:
        counts = f"{waiting['accepted']} accepted and {waiting['rejected']} rejected"
        what = f"The rows of round {waiting['round']} ({counts}) wait"
    refused = [waiting["error"]] if "error" in waiting else []
    return " ".join([*refused, f"{what} for a review: `pada review RUN` shows and answers it."])


def question_of(event: ReviewRequested, paths: RunPaths) -> Question:
    """The question that an event announces, with the ids that an answer may name."""
    if event.about == "patterns":
        return Question("patterns", event.round, patterns=event.patterns)
    return Question("rows", event.round, rows=checked(paths, event.round))


def checked(paths: RunPaths, number: int) -> dict[str, Check]:
    """Row id -> the checks' verdict, whatever a reviewer has said since."""
    rows = read_jsonl(paths.round(number).rows)
    return {row["id"]: (row.get("overruled") or row)["verdict"] for row in rows}
