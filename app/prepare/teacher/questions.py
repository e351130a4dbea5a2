"""One small question for each thing that a teacher does in a run, with the instructions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.config.run_config import RunConfig
from app.prepare.teacher.facts import Part
from graphs.checks.prompt_form import PromptForm
from graphs.nodes.generate import show_variable_parts
from graphs.ports import Role
from graphs.schemas import AugmentationStrategy, ErrorAnalysis, FailurePattern, QualityReport, SampleBatch
from graphs.task_brief import known_brief
from prompts import render
from trainer.data_files import DataError
from trainer.records import Example
from trainer.tasks import load_task

ROWS = 3
"""Train rows that a question shows: the shortest, because the calls are to cost little."""
NEW_ROWS = 2
"""Rows that the writer is asked for."""
PLACEHOLDERS = [
    Example(id=str(number), prompt=f"What is {number} plus {number}?", completion=str(2 * number))
    for number in range(1, ROWS + 1)
]
"""Rows to ask about where none of the user's can be used."""
ANALYSIS = {
    "root_cause": "The student does not read the question to its end.",
    "scenario": "Questions whose last words decide.",
}
PATTERN = {"name": "Last words are ignored", "description": "The answer fits the beginning of a prompt only."}
STRATEGY = {"title": "Last words that decide", "instructions": "Write prompts whose last words decide."}


@dataclass(frozen=True)
class Question:
    """What `graphs.ports.Teacher.ask` takes, for one part."""

    part: Part
    role: Role
    schema: type[BaseModel]
    instructions: str
    data: dict[str, Any]


def questions(config: RunConfig, train: Sequence[Example]) -> list[Question]:
    """The questions for the parts that the config's method has, in the order of a run.

    Args:
        train: rows that can be used; may be empty.
    """
    form = PromptForm.from_rows(train)
    shown = sorted(train, key=lambda row: len(row.prompt) + len(row.completion))[:ROWS] or PLACEHOLDERS
    rows = [{"prompt": row.prompt, "completion": row.completion} for row in shown]
    task = brief(config, train)
    writing: dict[str, Any] = {
        "task": task,
        "strategy": STRATEGY,
        "case": ANALYSIS,
        "error": None,
        "right": None,
    }
    writing |= {"original": None, "examples": rows}
    order = {"count": NEW_ROWS, "batch": "a trial", "feedback": None, "previous": None}
    to_write = render("write/pattern", count=NEW_ROWS, feedback=False, fixed=form.fixed)
    asked = [
        Question("writer", "generator", SampleBatch, to_write, show_variable_parts(writing | order, form))
    ]
    if "pattern" in config.loop.origins:
        asked = [*analysing(task, shown, rows), *asked]
    if config.loop.qc:
        data = writing | {"samples": rows[:1]}
        asked.append(Question("judge", "judge", QualityReport, render("judge/pattern"), data))
    return asked


def analysing(
    task: dict[str, Any], shown: Sequence[Example], rows: Sequence[dict[str, str]]
) -> list[Question]:
    """From a failure to a strategy. The wrong answer is that of another row."""
    failure = {
        "task": task,
        "prompt": shown[0].prompt,
        "expected": shown[0].completion,
        "predicted": shown[-1].completion,
        "score": {"value": 0.0, "explanation": "It is not the expected answer."},
    }
    patterns = {"task": task, "analyses": [ANALYSIS, ANALYSIS]}
    strategies = {"task": task, "pattern": PATTERN, "examples": rows}
    return [
        Question("analyst", "analyst", ErrorAnalysis, render("analyze_errors"), failure),
        Question("namer", "analyst", FailurePattern, render("find_patterns"), patterns),
        Question("strategist", "analyst", AugmentationStrategy, render("draft_strategies"), strategies),
    ]


def brief(config: RunConfig, train: Sequence[Example]) -> dict[str, Any]:
    """What the teacher is told of the task; its name alone where the rows say nothing of it."""
    try:
        return known_brief(config, load_task(config.task, train), train).for_teacher()
    except DataError:
        return {"name": config.task, "description": config.task_description, "answers": {}}
