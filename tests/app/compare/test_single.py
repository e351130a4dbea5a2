"""How long a single run takes, from an earlier training of such a student."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.compare.single import over_budget, plan_of, seconds_of
from app.config.run_config import RunConfig, parse_config
from app.prepare.checks.check import Checked
from app.prepare.checks.findings import CheckReport, Finding, SplitFacts
from graphs.teacher.spec import BudgetSpec
from tests.fakes import train_report
from trainer.records import Example
from trainer.specs import PredictReport

ROWS = {"train": 80, "validation": 40, "test": 20}


def checked(*faults: str) -> Checked:
    splits = {split: SplitFacts(file="", rows=rows) for split, rows in ROWS.items()}
    findings = [Finding(level="fault", code=code, message="", count=1) for code in faults]
    rows = [Example(id=str(n), prompt="what", completion="that") for n in range(ROWS["train"])]
    return Checked(CheckReport(task="exact_match", splits=dict(splits), findings=findings), rows)


def config(**student: object) -> RunConfig:
    document = {
        "task": "exact_match", "data": {"folder": "."}, "student": {"model": "x", "batch_size": 8, **student},
        "teacher": {"base_url": "http://localhost:1/v1", "model": "m"},
        "loop": {"method": "random", "rounds": 2, "synthetic_per_round": 20},
    }  # fmt: skip
    return parse_config(document, "config", Path("/"))


def test_without_an_earlier_training_only_the_teacher_is_known() -> None:
    planned = plan_of(config(), checked())
    assert planned
    seconds = seconds_of(config(), checked(), planned, None)
    assert (seconds.teacher, seconds.shortest, seconds.longest) == (planned.seconds, None, None)
    assert plan_of(config(), checked("row")) is None
    assert plan_of(config(), checked("student", "teacher_key")) == planned, "the rows are sound"


def test_a_cap_below_the_plan_is_a_note() -> None:
    given = config()
    planned = plan_of(given, checked())
    assert planned
    enough = BudgetSpec(max_calls=planned.calls, max_tokens=planned.tokens, max_usd=0)
    assert over_budget(given.model_copy(update={"budget": enough}), planned) == [], "its price is not known"
    (note,) = over_budget(given.model_copy(update={"budget": BudgetSpec(max_calls=1)}), planned)
    assert (note.level, note.code) == ("note", "budget")
    assert note.message.startswith(
        f"`budget.max_calls` is 1 and the plan has {planned.calls}. At a cap the run pauses"
    )
    assert over_budget(given, None) == []


def test_a_training_tells_how_long_a_run_takes() -> None:
    # 2 s to load, 0.5 s a step, 0.25 s for 5 replies
    before = train_report(Path("a"), 10, PredictReport(predictions={}, rows=5))
    fixed = config(steps=10)
    planned = plan_of(fixed, checked())
    seconds = seconds_of(fixed, checked(), planned, before)
    # baseline and two rounds: load, ten steps, 40 replies; best, baseline and untrained student: load, 20 replies
    trained = 3 * (2 + 10 * 0.5 + 40 * 0.05) + 3 * (2 + 20 * 0.05)
    assert seconds.shortest == seconds.longest == pytest.approx(seconds.teacher + trained)


def test_finding_the_settings_takes_trainings_and_may_end_with_longer_ones() -> None:
    before = train_report(Path("a"), 10, PredictReport(predictions={}, rows=5))
    tuned = config()
    seconds = seconds_of(tuned, checked(), None, before)
    steps = 3 * 80 // 8  # three epochs
    one = 2 + steps * 0.5 + 40 * 0.05
    tested = 3 * (2 + 20 * 0.05)
    assert seconds.shortest == pytest.approx(11 * one + 3 * one + tested)
    assert seconds.longest == pytest.approx(11 * one + 3 * (one + 3 * steps * 0.5) + tested)
    capped = seconds_of(config(tune_minutes=1), checked(), None, before)
    assert capped.shortest == pytest.approx(60 + 3 * one + tested)
