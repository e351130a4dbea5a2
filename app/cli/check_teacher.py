"""What `pada check --teacher` has found, as text."""

from __future__ import annotations

from collections.abc import Iterator

from app.prepare.teacher.facts import CallFacts, ModelFacts


def teacher_lines(models: list[ModelFacts]) -> Iterator[str]:
    """Each model with what it can do and its calls."""
    for facts in models:
        yield f"Teacher: {facts.model} at {facts.address} ({', '.join(facts.roles)})"
        for name, said in abilities(facts):
            yield f"  {name}: {said}"
        for call in facts.calls:
            yield f"  {call_line(call)}"


def abilities(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """What the model can and cannot do, by name."""
    if facts.format:
        hint = ", with the schema in the instructions" if facts.instructed else ""
        refused = f"; not {' and '.join(facts.refused)}" if facts.refused else ""
        yield "structured output", f"{facts.format}{hint}{refused}"
    elif any(call.requests for call in facts.calls):
        yield "structured output", "none: no answer was JSON that fits"
    server = f", {facts.context:,} with the prompt as the server says" if facts.context else ""
    yield "limit of tokens", f"{facts.max_tokens:,} as {facts.limit}{server}"
    if not facts.takes_temperature:
        yield "temperature", "not taken: the server's own is used"
    if facts.reports_usage is not None:
        yield "usage", "reported" if facts.reports_usage else "not reported"
    if facts.thinks is not None:
        yield "reasoning model", "yes" if facts.thinks else "no"
    price = facts.price
    per_million = (
        f"${price.input_per_million:g} and ${price.output_per_million:g} per million tokens of prompt and answer"
        if price
        else "not known"
    )
    yield "price", per_million


def call_line(call: CallFacts) -> str:
    """One call: its time, tokens and cost, or that it failed."""
    name = f"{call.part} ({call.schema_name})"
    if not call.answered:
        return f"{name}: {'failed' if call.requests else 'not asked'}"
    requests = f" in {call.requests} requests" if call.requests > 1 else ""
    usd = "" if call.usd is None else f", ${call.usd:.4f}"
    tokens = f"{call.prompt_tokens:,} and {call.completion_tokens:,} tokens"
    return f"{name}: {call.seconds:.1f} s, {tokens}{usd}{requests}"
