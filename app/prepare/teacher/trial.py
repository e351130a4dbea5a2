"""Asks a config's teacher a few small questions, and says what its server can and cannot do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding
from app.prepare.teacher.address import address_advice
from app.prepare.teacher.facts import CallFacts, Format, ModelFacts
from app.prepare.teacher.findings import NOT_ASKED, failed_call, remarks
from app.prepare.teacher.questions import Question, questions
from graphs.errors import RunPaused, TeacherError, UnansweredError
from graphs.ports import Role
from graphs.teacher.chat import ROLES, ChatTeacher
from graphs.teacher.hooks import RequestRecord, watcher
from graphs.teacher.ledger import Ledger
from graphs.teacher.prices import PriceBook
from graphs.teacher.spec import BudgetSpec, EndpointSpec, TeacherSpec
from trainer.records import Example

RETRIES = 1
"""After a time-out or a server error: a run is more patient."""
LIST_SECONDS = 10.0
"""For the list of a server's models."""
FORMATS: dict[str, Format] = {
    "json_schema": "json_schema",
    "json_mode": "json_object",
    "function_calling": "tools",
}
CONTEXTS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Where servers say how long prompt and answer may be: vLLM, OpenRouter, Groq, LM Studio."""


@dataclass
class Tried:
    """The calls to one model at one address."""

    roles: list[Role]
    spec: EndpointSpec
    records: list[RequestRecord] = field(default_factory=list)
    calls: list[CallFacts] = field(default_factory=list)
    over: bool = False
    """Whether a further call could not be answered either."""


async def try_teacher(
    config: RunConfig,
    spec: TeacherSpec,
    train: Sequence[Example],
    environ: Mapping[str, str],
    price_file: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[ModelFacts], list[Finding]]:
    """One call for each part that the config's method has, through the client of a run. Nothing is recorded.

    Args:
        train: rows that can be used; the shortest are shown to the teacher.
        price_file: prices of models, where the teacher names no file.
        say: is told what is asked.

    Returns:
        The models that were asked, and what is wrong with them.

    Raises:
        TeacherError: a key is missing.
        PriceFileError: the file of prices cannot be used.
    """
    book = PriceBook.of(spec, price_file)
    impatient = spec.model_copy(update={"max_retries": RETRIES})
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite", "check")
        async with ChatTeacher(impatient, BudgetSpec(), ledger, environ, price_file=price_file) as teacher:
            tried = by_client(spec, teacher)
            found: list[Finding] = []
            for question in questions(config, train):
                one = tried[teacher.client(question.role).name]
                if one.over:
                    one.calls.append(call_facts(question, one.spec, [], book, NOT_ASKED))
                    continue
                say(f"Asking the {question.part} ({one.spec.model}) ...")
                found += await ask(question, one, teacher, spec, book, environ)
            facts = [await model_facts(one, teacher, book) for one in tried.values() if one.calls]
    return facts, [*found, *(remark for each in facts for remark in remarks(each))]


def by_client(spec: TeacherSpec, teacher: ChatTeacher) -> dict[str, Tried]:
    """The models by the names of their clients."""
    tried: dict[str, Tried] = {}
    for role in ROLES:
        tried.setdefault(teacher.client(role).name, Tried([], spec.role(role))).roles.append(role)
    return tried


async def ask(
    question: Question,
    one: Tried,
    teacher: ChatTeacher,
    spec: TeacherSpec,
    book: PriceBook,
    environ: Mapping[str, str],
) -> list[Finding]:
    """Ask a question; a finding if it is not answered."""
    records: list[RequestRecord] = []
    watcher.set(records.append)
    found: list[Finding] = []
    error = None
    try:
        await teacher.ask(question.role, question.schema, question.instructions, question.data)
    except (TeacherError, RunPaused) as failure:
        never = not any(record.outcome == "answered" for record in [*one.records, *records])
        one.over = never or not isinstance(failure, UnansweredError)
        advice = await address_advice(spec, question.role, teacher, environ) if never else ""
        found = [failed_call(question.part, failure, advice)]
        error = found[0].message
    one.records += records
    one.calls.append(call_facts(question, one.spec, records, book, error))
    return found


def call_facts(
    question: Question,
    endpoint: EndpointSpec,
    records: Sequence[RequestRecord],
    book: PriceBook,
    error: str | None,
) -> CallFacts:
    """What one call took."""
    charges = [record.charge for record in records if record.charge]
    priced = book.price(endpoint) is not None
    return CallFacts(
        part=question.part,
        schema_name=question.schema.__name__,
        answered=error is None,
        error=error,
        requests=len(records),
        seconds=round(records[-1].seconds, 3) if records else 0.0,
        prompt_tokens=sum(charge.prompt_tokens for charge in charges),
        completion_tokens=sum(charge.completion_tokens for charge in charges),
        usd=sum(charge.usd for charge in charges) if priced else None,
    )


async def model_facts(one: Tried, teacher: ChatTeacher, book: PriceBook) -> ModelFacts:
    """What the calls have shown of their model."""
    client = teacher.client(one.roles[0])
    listed = await client.models(LIST_SECONDS) or {}
    said = listed.get(one.spec.model, {})
    answered = [record for record in one.records if record.outcome == "answered"]
    ends = {record.mode: record.outcome for record in one.records}
    return ModelFacts(
        model=one.spec.model,
        address=client.address,
        roles=list(one.roles),
        format=FORMATS[answered[-1].mode] if answered else None,
        refused=[FORMATS[mode] for mode, last in ends.items() if last == "unsupported" and answered],
        instructed=client.traits.explained and bool(answered) and answered[-1].mode != "json_mode",
        limit=client.traits.limit,
        max_tokens=one.spec.max_tokens,
        context=next((said[name] for name in CONTEXTS if isinstance(said.get(name), int)), None),
        takes_temperature=client.traits.temperature,
        reports_usage=all(record.usage_reported for record in answered) if answered else None,
        thinks=any(record.thought for record in answered) if answered else None,
        price=book.price(one.spec),
        calls=one.calls,
    )
