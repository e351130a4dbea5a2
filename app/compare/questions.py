"""The questions that a run asks its teachers in a round, filled with a typical row to estimate the cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.config.run_config import RunConfig
from graphs.artifacts import TaskBrief
from graphs.context import LoopSpec
from graphs.nodes.allocate import allocation, make_batches, unlabeled_batches
from graphs.nodes.answer_prompts import ROLE
from graphs.nodes.find_patterns import pattern_count
from graphs.nodes.generate import writing
from graphs.ports import Role
from graphs.rows import Batch
from graphs.schemas import (
    AugmentationStrategy,
    BlindAnswers,
    ErrorAnalysis,
    FailurePattern,
    QualityReport,
    SampleBatch,
    TaskDescription,
)
from graphs.task_brief import DRAFT_ROWS, drafting_data, known_brief
from graphs.teacher.cost import Usage
from graphs.teacher.prices import PriceBook
from graphs.teacher.request import build_call
from graphs.teacher.spec import TeacherSpec
from prompts import render
from trainer.records import Example
from trainer.tasks import load_task

CHARACTERS_PER_TOKEN = 4
"""For English text."""

ANALYSIS = {"root_cause": "w" * 200, "scenario": "w" * 150}
PATTERN = {"name": "w" * 50, "description": "w" * 250}
DESCRIPTION = "w" * 1000
STRATEGY = {"title": "w" * 60, "instructions": "w" * 700}
REPORT = {"adherence": 9, "utility": 9, "relevance": 9, "rejected": [], "feedback": "w" * 150}
"""Answers of usual length."""

Data = dict[str, Any]


@dataclass(frozen=True)
class Failures:
    """Number of rows that a student gets wrong."""

    validation: int
    train: int
    """Among the sampled training rows."""


@dataclass(frozen=True)
class Question:
    """One teacher call, with an answer of usual length."""

    role: Role
    schema: type[BaseModel]
    instructions: str
    data: Data
    answer: Data
    attempts: int = 1
    """Maximum number of times that it is asked."""

    def tokens(self, teacher: TeacherSpec) -> tuple[int, int]:
        """Tokens of the request with the answer's schema, and of the answer without any reasoning."""
        call = build_call(teacher.role(self.role), self.schema, self.instructions, self.data)
        request = len(call.system) + len(call.user) + len(json.dumps(call.function))
        return request // CHARACTERS_PER_TOKEN, len(json.dumps(self.answer)) // CHARACTERS_PER_TOKEN

    def usd(self, teacher: TeacherSpec, book: PriceBook) -> float | None:
        """The price in US dollars. None if the model's price is not known."""
        price = book.price(teacher.role(self.role))
        return price.usd(Usage(*self.tokens(teacher))) if price else None


def expected_brief(config: RunConfig, train: list[Example]) -> TaskBrief:
    """What teachers will be told of the task; a description of the usual length, where the config gives none."""
    brief = known_brief(config, load_task(config.task, train), train)
    return brief.model_copy(update={"description": brief.description or DESCRIPTION})


def drafting(config: RunConfig, brief: TaskBrief, row: Data) -> list[Question]:
    """The question for a description of the task, once in a run, where the config gives none."""
    if config.task_description or not config.loop.last_round:
        return []
    data, answer = drafting_data(brief, [row] * DRAFT_ROWS), {"description": DESCRIPTION}
    return [Question("analyst", TaskDescription, render("describe_task"), data, answer)]


def evaluating(config: RunConfig, brief: TaskBrief, row: Data, rows: int) -> list[Question]:
    """The questions of `evaluate_teacher`, about so many rows."""
    loop = config.loop
    sizes = [min(loop.samples_per_batch, rows - start) for start in range(0, rows, loop.samples_per_batch)]
    examples = [row] * loop.examples_per_prompt
    return [
        Question(
            ROLE,
            BlindAnswers,
            render("blind"),
            {
                "task": brief.for_teacher(),
                "examples": examples,
                "prompts": [row["prompt"]] * size,
                "vote": f"validation {number}",
            },
            {"answers": [row["completion"]] * size},
        )
        for number, size in enumerate(sizes)
    ]


def questions(
    config: RunConfig, brief: TaskBrief, row: Data, train: int, failures: Failures
) -> Iterator[Question]:
    """All questions of one round.

    Args:
        brief: what teachers are told of the task.
        row: `prompt` and `completion` of a typical training row.
        train: number of training rows.
        failures: failures of the student before.
    """
    loop, task = config.loop, Data(task=brief.for_teacher())
    fixed = bool({"before", "after"} & brief.prompt_form.keys())
    examples = [row] * loop.examples_per_prompt
    failure = {"prompt": row["prompt"], "expected": row["completion"], "predicted": row["completion"]}
    analyses = min(loop.max_analyses, failures.validation) if "pattern" in loop.origins else 0
    max_patterns = min(pattern_count(analyses, loop) or loop.max_patterns, loop.max_patterns)
    patterns = min(max_patterns if analyses >= loop.min_cluster_errors else 1, analyses)
    members = [ANALYSIS] * (loop.members_near + loop.members_far)
    for _ in range(analyses):
        yield Question("analyst", ErrorAnalysis, render("analyze_errors"), task | failure, ANALYSIS)
    for _ in range(patterns):
        yield Question(
            "analyst", FailurePattern, render("find_patterns"), task | {"analyses": members}, PATTERN
        )
        data = task | {"pattern": PATTERN, "examples": examples}
        yield Question("analyst", AugmentationStrategy, render("draft_strategies"), data, STRATEGY)
    scorable = load_task(config.task).self_contained
    for batch in batches(loop, scorable, train, patterns, failures.train):
        purpose: Data = {}
        if batch.pattern:
            purpose = {"strategy": STRATEGY, "case": ANALYSIS if loop.cases else None}
        elif batch.source:
            purpose = {"error": failure}
        yield from batch_questions(batch, loop, task | {"examples": examples} | purpose, row, fixed=fixed)


def batch_questions(
    batch: Batch, loop: LoopSpec, data: Data, row: Data, *, fixed: bool
) -> Iterator[Question]:
    """The questions of one batch: its rows are written or answered, then judged.

    Args:
        data: the task, the examples, and what the rows are for.
        row: `prompt` and `completion` of a typical training row.
        fixed: whether the task's prompts have fixed parts.
    """
    kind, attempts = writing(batch, loop), loop.max_attempts
    samples: Data = {"samples": [row] * batch.count}
    answers: Data = {"answers": [row["completion"]] * batch.count}
    blind = {"task": data["task"], "examples": data["examples"], "prompts": [row["prompt"]] * batch.count}
    if batch.origin == "unlabeled":
        yield Question(ROLE, BlindAnswers, render("blind"), blind | {"vote": batch.id}, answers, attempts)
        attempts = 1
    else:
        write = render(f"write/{kind}", count=batch.count, feedback=False, fixed=fixed)
        yield Question("generator", SampleBatch, write, data, samples, attempts)
    if loop.qc:
        yield Question("judge", QualityReport, render(f"judge/{kind}"), data | samples, REPORT, attempts)
    for vote in range(loop.qc_blind):
        yield Question("judge", BlindAnswers, render("blind"), blind | {"vote": vote}, answers, attempts)


def batches(loop: LoopSpec, scorable: bool, train: int, patterns: int, train_failures: int) -> list[Batch]:
    """The batches that the loop plans for a round whose patterns have equal size, with as many unlabelled rows as it wants.

    Args:
        scorable: whether the task can score the student's answer to a new row.
    """
    unlabeled = loop.unlabeled_per_round
    kept = loop.synthetic_per_round - unlabeled
    plan = allocation(
        loop,
        loop.generated_for(kept, scorable),
        rows=[str(n) for n in range(train)],
        patterns={str(n): 1.0 for n in range(patterns)},
        train_failures=[str(n) for n in range(train_failures)] if "train_error" in loop.origins else [],
        kept=kept,
    )
    written = make_batches(plan, 1, loop.samples_per_batch, {})
    real = {"": [str(n) for n in range(unlabeled)]}
    return written + unlabeled_batches(real, 1, loop.samples_per_batch, len(written))
