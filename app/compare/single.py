"""What is known of a single run before it starts: what is wrong with its rows and settings, its calls, cost and time."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.compare.plan import Planned, baseline_seconds, plan_run, round_seconds, student_seconds
from app.compare.probe import Throughput
from app.compare.questions import Failures
from app.config.run_config import RunConfig
from app.config.splits import SPLITS
from app.prepare.checks.check import Checked
from app.prepare.checks.findings import CheckReport, Finding
from graphs.nodes.tune import RUNGS
from trainer.specs import TrainReport

TRIALS = sum(count * times for count, times in RUNGS)
"""Trainings of the usual length that finding the student's settings takes."""
LONGEST = max(times for _, times in RUNGS)
"""How many times the usual length a training may have after that."""


class Seconds(BaseModel):
    """How long a run takes, if its calls go as fast as assumed."""

    teacher: float
    shortest: float | None
    """With the trainings; None where it is not known how fast the student trains."""
    longest: float | None
    """If the student turns out to need the longest trainings that are tried."""


def plan_of(config: RunConfig, checked: Checked) -> Planned | None:
    """What a run would ask of its teacher, if its students got every validation row wrong; None without a teacher, or where
    the rows have a fault."""
    if faulty_rows(checked) or config.teacher is None or not config.loop.last_round:
        return None
    splits = checked.report.splits
    failures = Failures(splits["validation"].rows, len(checked.train))
    evaluated = splits["validation"].rows if config.evaluate_teacher else 0
    evaluated += splits["test"].rows if config.evaluate_teacher == "test" else 0
    return plan_run(config.loop.method, config, checked.train, failures, evaluated=evaluated)


def over_budget(config: RunConfig, planned: Planned | None) -> list[Finding]:
    """A note on the caps at which the run may pause. The plan is for a student that gets every validation row wrong."""
    if planned is None:
        return []
    spent = {"max_usd": planned.usd, "max_calls": planned.calls, "max_tokens": planned.tokens}
    caps = {key: getattr(config.budget, key) for key in spent}
    over = [
        f"`budget.{key}` is {caps[key]:,} and the plan has {spent[key]:,}"
        for key in spent
        if caps[key] is not None and (spent[key] or 0) > caps[key]
    ]
    message = f"{'; '.join(over)}. At a cap the run pauses, and goes on when it is raised."
    return [Finding(level="note", code="budget", message=message, count=1)] if over else []


def faulty_rows(checked: Checked) -> bool:
    """Whether there is a fault in the rows, and not only in the student or the teacher."""
    return any(
        each.code != "student" and not each.code.startswith("teacher") for each in checked.report.faults
    )


def seconds_of(
    config: RunConfig, checked: Checked, planned: Planned | None, before: TrainReport | None
) -> Seconds:
    """How long the run takes.

    Args:
        planned: from `plan_of`.
        before: an earlier training of such a student on this machine.
    """
    teacher = planned.seconds if planned else 0.0
    if before is None or faulty_rows(checked):
        return Seconds(teacher=teacher, shortest=None, longest=None)
    speed = Throughput.of(before)
    rows: dict[str, int] = {split: checked.report.splits[split].rows for split in SPLITS}
    steps = config.student.steps_for(rows["train"])
    tunes = config.student.tune == "auto"
    tuning = TRIALS * round_seconds(_trained_for(config, steps), 0, rows, speed) if tunes else 0.0
    tuning = min(tuning, 60 * config.student.tune_minutes)

    def trained(times: int) -> float:
        as_found = _trained_for(config, times * steps)
        return baseline_seconds(as_found, rows, speed) + student_seconds(as_found, rows, speed)

    shortest = teacher + tuning + trained(1)
    return Seconds(
        teacher=teacher,
        shortest=shortest,
        longest=teacher + tuning + trained(LONGEST) if tunes else shortest,
    )


def _trained_for(config: RunConfig, steps: int) -> RunConfig:
    return config.model_copy(update={"student": config.student.model_copy(update={"steps": steps})})


def document(report: CheckReport, planned: Planned | None) -> dict[str, Any]:
    """Everything as JSON."""
    plan = planned.model_dump(include={"rows", "calls", "most_calls", "tokens", "usd"}) if planned else None
    return report.model_dump(mode="json", by_alias=True) | {"plan": plan, "ok": not report.faults}
