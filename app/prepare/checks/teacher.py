"""What a teacher lacks before its first question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding
from graphs.ports import Role
from graphs.teacher.prices import missing_price
from graphs.teacher.spec import missing_key


def check_teacher(config: RunConfig, environ: Mapping[str, str]) -> list[Finding]:
    """Keys that are not set, and caps in dollars without a price. A run would stop at both."""
    if config.teacher is None or not config.loop.last_round:
        return []
    roles: tuple[Role, ...] = get_args(Role)
    faults = {
        "key": next(filter(None, (missing_key(config.teacher.role(role), environ) for role in roles)), ""),
        "price": missing_price(config.teacher, config.budget),
    }
    return [
        Finding(level="fault", code=f"teacher_{name}", message=fault, count=1)
        for name, fault in faults.items()
        if fault
    ]
