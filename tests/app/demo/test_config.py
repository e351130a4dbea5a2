"""The demo's config is whole, and sized for a few minutes on two cores."""

from __future__ import annotations

import math
from pathlib import Path

from app.demo.dataset import demo_rows
from app.demo.run import demo_config
from trainer.tasks import load_task


def test_the_demo_config_is_complete(tmp_path: Path) -> None:
    config = demo_config(tmp_path / "demo", "http://127.0.0.1:9/v1")
    assert config.teacher is not None
    assert config.teacher.base_url == "http://127.0.0.1:9/v1"
    assert config.student.model.startswith("builtin:")
    assert config.loop.method == "pada"
    assert config.loop.patterns
    assert config.loop.train_errors
    assert config.loop.qc


def test_the_demo_reads_its_own_rows(tmp_path: Path) -> None:
    config = demo_config(tmp_path / "demo", "http://127.0.0.1:9/v1")
    task = load_task(config.task)
    for split in ("train", "validation", "test"):
        assert len(task.load(config.data.file(split, tmp_path))) >= 90


def test_the_demo_stays_small(tmp_path: Path) -> None:
    """All rows that are trained on or answered, in passes: about 10 a second on two cores."""
    config = demo_config(tmp_path / "demo", "http://127.0.0.1:9/v1")
    steps = config.student.steps
    assert steps
    assert steps * config.student.batch_size * (config.loop.rounds + 1) <= 2000


def test_the_demo_trains_all_students_alike(tmp_path: Path) -> None:
    config = demo_config(tmp_path / "demo", "http://127.0.0.1:9/v1")
    largest = len(demo_rows("train")) + config.loop.rounds * config.loop.synthetic_per_round
    assert config.student.steps == math.ceil(largest / config.student.batch_size) * 3
