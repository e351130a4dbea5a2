"""The names of trained students, and the questions to them.

A run's students are `RUN` (the best one), `RUN:baseline`, `RUN:round-2` and `RUN:base` (untrained), where `RUN` is the
id of the run. They exist as soon as the run has scored its baseline.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from app.api.keys.auth import Caller
from app.api.openai_errors import NoSuchObjectError
from app.api.pagination import decode
from app.api.runs.dependencies import runs_of
from app.config.run_config import RunConfig
from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.models import Run
from app.db.pages import PageRequest
from app.db.run_summary import RunSummary
from app.errors import NotFound
from app.settings import Settings
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.records import Example
from trainer.serving import Question

NAME = re.compile(r"(?P<run>[0-9a-f]{32})(?::(?P<which>base|baseline|round-[1-9][0-9]{0,4}))?")
PAGE, MOST_RUNS = 200, 1000
"""Runs of one query, and of the list of models: the newest."""


@dataclass(frozen=True)
class Student:
    """One student of a run."""

    name: str
    run: Run
    round: int | None
    """The round that it was trained in; None is the untrained student."""


def students_of(run: Run) -> dict[str, Student]:
    """Name -> each student of a run, the best one first; empty before the run has scored one."""
    scores = RunSummary.read(run.view).scores
    rounds = sorted(score.round for score in scores)
    if not rounds:
        return {}
    best = max((score.round for score in scores if score.promoted), default=rounds[0])
    named = {
        run.id: best,
        **{student_name(run.id, number): number for number in rounds},
        f"{run.id}:base": None,
    }
    return {name: Student(name, run, number) for name, number in named.items()}


def student_name(run: str, round_number: int) -> str:
    """The name of a round's student."""
    return f"{run}:round-{round_number}" if round_number else f"{run}:baseline"


async def find_student(request: Request, caller: Caller, name: str) -> Student:
    """The student with this name.

    Raises:
        NoSuchObjectError: there is none, or it belongs to another key.
    """
    found = NAME.fullmatch(name)
    if found:
        try:
            async with request.app.state.reads() as session:
                run = await runs_of(request, session, caller).get(found["run"])
        except NotFound:
            pass
        else:
            if student := students_of(run).get(name):
                return student
    raise NoSuchObjectError(
        f"There is no model {name!r}. Names are RUN, RUN:baseline, RUN:round-2 and RUN:base with the id of a run that has "
        "scored its baseline; GET /v1/models lists them.",
        "model",
        "model_not_found",
    )


async def all_students(reads: Sessions, owner: str | None) -> AsyncIterator[Student]:
    """The students of the newest runs.

    Args:
        owner: the required owner of the runs; None accepts any.
    """
    request, seen = PageRequest(None, PAGE), 0
    while seen < MOST_RUNS:
        async with reads() as session:
            runs, following = await run_repository.get_page(session, owner, None, request)
        for run in runs:
            for student in students_of(run).values():
                yield student
        seen += len(runs)
        if following is None:
            return
        request = PageRequest(decode(following), PAGE)


async def question_to(student: Student, settings: Settings, example: Example, **how: Any) -> Question:
    """A question to a student.

    Args:
        example: the input.
        how: further fields of the question.
    """
    run = student.run
    config, paths = RunConfig.model_validate(run.config), RunPaths(settings.runs / run.id)
    adapter = None
    if student.round is not None:
        adapter = await run_in_threadpool(Round(paths, student.round).artifact)
    return Question(
        id=0,
        task=config.task,
        train=[paths.data("train")],
        student=config.student,
        adapter=adapter,
        example=example,
        **how,
    )
