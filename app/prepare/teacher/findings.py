"""What is wrong with a teacher that was tried, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from app.prepare.checks.findings import Finding
from app.prepare.teacher.facts import ModelFacts, Part
from graphs.errors import EndpointDown, RunPaused, TeacherError, TooManyUnanswered, UnansweredError
from graphs.teacher.failures import GO_ON

NOT_ASKED = "Not asked, because the call before it failed."


def failed_call(part: Part, error: TeacherError | RunPaused, advice: str) -> Finding:
    """A call that was not answered."""
    code = "refused"
    if isinstance(error, EndpointDown):
        code = "down"
    elif isinstance(error, UnansweredError | TooManyUnanswered):
        code = "unanswered"
    # a run could go on
    said = str(error).replace(f", then {GO_ON}", ".").replace(f" When it does, {GO_ON}", "")
    message = f"The {part} was not answered. {said} {advice}".rstrip()
    return Finding(level="fault", code=f"teacher_{code}", message=message, count=1)


def remarks(facts: ModelFacts) -> Iterator[Finding]:
    """What makes a run worse, or is good to know, of a model that answers."""
    if not facts.answered:
        return
    name = f"{facts.model} at {facts.address}"
    if not facts.reports_usage:
        yield Finding(
            level="warning",
            code="teacher_usage",
            message=f"{name} does not report its usage. Tokens and cost are counted by their upper bound, so that budgets "
            "are used up sooner.",
            count=1,
        )
    if facts.context is not None and facts.max_tokens > facts.context:
        yield Finding(
            level="warning",
            code="teacher_context",
            message=f"{name} takes {facts.context:,} tokens of prompt and answer together, and `teacher.max_tokens` is "
            f"{facts.max_tokens:,}. Lower it.",
            count=1,
        )
    if facts.instructed:
        yield Finding(
            level="note",
            code="teacher_schema",
            message=f"{name} takes {facts.format} and does not keep to it. Its answers fit since the instructions contain "
            "the schema, which takes more tokens and more calls.",
            count=1,
        )
    if facts.thinks:
        yield Finding(
            level="note",
            code="teacher_thinks",
            message=f"{name} thinks before it answers, which takes time and completion tokens. `teacher.extra_body` may lower "
            "that, such as `reasoning_effort: low`. Where answers are cut, raise `teacher.max_tokens`.",
            count=1,
        )
    if facts.price is None:
        yield Finding(
            level="note",
            code="teacher_no_price",
            message=f"The price of {name} is not known: cost is shown in tokens. `teacher.prices` takes one.",
            count=1,
        )
