"""What a teacher lacks before its first question, and what it can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding
from app.prepare.teacher.facts import ModelFacts
from graphs.ports import Role
from graphs.teacher.credentials import credentials_fault
from graphs.teacher.price_file import PriceFileError
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from trainer.records import Example


def check_teacher(config: RunConfig, environ: Mapping[str, str], price_file: Path | None) -> list[Finding]:
    """Keys that are not set, and caps in dollars without a price. A run would stop at both."""
    if config.teacher is None or not config.loop.last_round:
        return []
    roles: tuple[Role, ...] = get_args(Role)
    faults = {
        "key": next(
            filter(None, (credentials_fault(config.teacher.role(role), environ) for role in roles)), ""
        ),
        "price": price_fault(config.teacher, config.budget, price_file),
    }
    return [
        Finding(level="fault", code=f"teacher_{name}", message=fault, count=1)
        for name, fault in faults.items()
        if fault
    ]


def price_fault(teacher: TeacherSpec, caps: BudgetSpec, price_file: Path | None) -> str:
    """What is wrong with the prices; empty if nothing is."""
    try:
        return missing_price(teacher, caps, PriceBook.of(teacher, price_file))
    except PriceFileError as error:
        return str(error)


def try_teacher(
    config: RunConfig,
    train: Sequence[Example],
    environ: Mapping[str, str],
    price_file: Path | None,
    say: Callable[[str], None],
) -> tuple[list[ModelFacts] | None, list[Finding]]:
    """Ask the teacher a few small questions; None for a config that asks none.

    Args:
        train: rows that can be used.
        price_file: prices of models, where the teacher names no file.
        say: is told what is asked.
    """
    from app.prepare.teacher.trial import try_teacher as send  # the client takes a second to load

    if config.teacher is None or not config.loop.last_round:
        missing = "The config has no teacher to try, or its method asks none."
        return None, [Finding(level="note", code="teacher_none", message=missing, count=1)]
    return asyncio.run(send(config, config.teacher, train, environ, price_file, say))
