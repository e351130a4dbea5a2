"""What a teacher lacks before its first question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding
from graphs.ports import Role
from graphs.teacher.credentials import credentials_fault
from graphs.teacher.price_file import PriceFileError
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.spec import BudgetSpec, TeacherSpec


def check_teacher(
    config: RunConfig, environ: Mapping[str, str], price_file: Path | None = None
) -> list[Finding]:
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
