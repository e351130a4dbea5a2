"""The plan of a comparison counts all that a run will ask."""

from __future__ import annotations

from pathlib import Path

from app.compare.plan import baseline_seconds, plan_run
from app.compare.probe import Throughput
from app.compare.questions import Failures
from app.config.run_config import parse_config
from tests.tiny_task import config_for
from tests.tiny_task import rows as tiny_rows
from trainer.records import Example


def test_the_plan_counts_the_answers_of_the_untrained_student(data: Path, tmp_path: Path) -> None:
    config = parse_config(
        config_for(data, "student", None, loop={"method": "vanilla"}), "config.yaml", tmp_path
    )
    rows, throughput = {"train": 8, "validation": 10, "test": 30}, Throughput(load=5.0, step=0.0, answer=1.0)
    without = baseline_seconds(config, rows, throughput)
    asked = config.model_copy(update={"evaluate_untrained": True})
    assert baseline_seconds(asked, rows, throughput) - without == 5 + 30


def test_the_plan_counts_the_answers_by_which_the_teacher_is_scored(data: Path) -> None:
    """Eleven rows in calls of four."""
    config = parse_config(config_for(data, "any", "http://localhost:9/v1"), "config", data)
    train = [Example(**row) for row in tiny_rows("train")]
    plain = plan_run("pada", config, train, Failures(40, 10))
    asked = plan_run("pada", config, train, Failures(40, 10), evaluated=11)
    assert asked.calls - plain.calls == 3
    assert asked.tokens > plain.tokens
