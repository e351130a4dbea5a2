"""What every teacher is told of the task: its name, a description, and what is known of right answers."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphs.artifacts import TaskBrief
from graphs.checks.prompt_form import PromptForm
from graphs.context import Context
from graphs.errors import TeacherError
from graphs.ports import Teacher
from graphs.schemas import TaskDescription
from prompts import render
from trainer.records import Example
from trainer.tasks.base import AnswerFacts, Task

log = logging.getLogger(__name__)

DRAFT_ROWS = 12
"""Training rows from which a teacher drafts a description."""
MAX_LABEL_CHARACTERS = 6000
"""Characters of the labels, beyond meanings that the config gives, because every call carries them; the 77 of Banking77 take
2,500."""


async def write_brief(context: Context, task: Task, train: Sequence[Example], teacher: Teacher) -> TaskBrief:
    """The brief of a run. Without `task_description` a teacher drafts it; where it can't, the run goes on without.

    Raises:
        RunPaused: a budget or an endpoint stops the drafting.
    """
    brief = known_brief(context, task, train)
    if brief.description:
        return brief
    rows = random.Random(f"{context.seed}/task").sample(train, min(DRAFT_ROWS, len(train)))
    examples = [{"prompt": row.prompt, "completion": row.completion} for row in rows]
    data = drafting_data(brief, examples)
    try:
        drafted = await teacher.ask("analyst", TaskDescription, render("describe_task"), data)
    except TeacherError as error:
        log.warning("The teacher drafted no description of the task, and is told none: %s", error)
        return brief
    return brief.model_copy(update={"description": drafted.description, "drafted": True})


def known_brief(context: Context, task: Task, train: Sequence[Example]) -> TaskBrief:
    """What is known without asking a teacher; the description is the config's, if it has one."""
    return TaskBrief(
        name=context.task,
        description=context.task_description,
        drafted=False,
        answers=known_answers(task.answer_facts(), context.label_descriptions, train),
        prompt_form=PromptForm.from_rows(train).for_teacher(),
    )


def drafting_data(brief: TaskBrief, examples: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The data of the request for a description."""
    known = brief.for_teacher()
    del known["description"]
    return {"task": known.pop("name"), **known, "examples": examples}


def known_answers(
    facts: AnswerFacts, meanings: Mapping[str, str], train: Sequence[Example]
) -> dict[str, Any]:
    """What is known of right answers, as JSON data.

    `judged`, `form`, `fields` are the task's own (`AnswerFacts`). `labels` are its labels (see `bounded_labels`).
    `characters` says how long prompts and completions are.
    """
    known: dict[str, Any] = {"judged": facts.judged, "form": facts.form}
    if facts.labels:
        known["labels"] = bounded_labels(facts.labels, meanings)
    if facts.fields:
        known["fields"] = facts.fields
    known["characters"] = {
        "prompt": length_range([row.prompt for row in train]),
        "completion": length_range([row.completion for row in train]),
    }
    return known


def bounded_labels(labels: Mapping[str, int], meanings: Mapping[str, str]) -> dict[str, str]:
    """Label -> its meaning, if there is one, and its training rows.

    Where that is too long, the numbers of rows are left out, and at last labels without a meaning. Meanings are always
    told, because a person wrote them; the config bounds them.
    """
    described = {
        label: "; ".join(part for part in (meanings.get(label, ""), f"{count} rows") if part)
        for label, count in labels.items()
    }
    if len(json.dumps(described)) <= MAX_LABEL_CHARACTERS:
        return described
    told = {label: meanings[label] for label in labels if label in meanings}
    room = MAX_LABEL_CHARACTERS
    for label in (label for label in labels if label not in meanings):
        room -= len(json.dumps({label: ""}))
        if room < 0:
            return told | {"...": f"and {len(labels) - len(told)} more"}
        told[label] = ""
    return told


def length_range(texts: Sequence[str]) -> str:
    """Median and 95 % quantile of the lengths in characters, in words."""
    if not texts:
        return "not known"
    median, most = np.quantile([len(text) for text in texts], [0.5, 0.95], method="nearest")
    return f"half up to {median}, nearly all up to {most}"
