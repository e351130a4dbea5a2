"""The demo's config is whole, and sized for a few minutes on two cores."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from app.demo.dataset import demo_rows
from app.demo.run import demo_config
from app.engine.events import Event
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl


def test_the_demo_config_is_complete(tmp_path: Path) -> None:
    config = demo_config(tmp_path / "demo", "http://127.0.0.1:9/v1")
    assert config.teacher is not None
    assert config.teacher.base_url == "http://127.0.0.1:9/v1"
    assert config.student.model.startswith("builtin:")
    assert config.loop.method == "pada"
    assert config.loop.patterns
    assert config.loop.train_errors
    assert config.loop.qc


def stop(_: Event) -> None:
    """A whole demo takes minutes."""
    raise KeyboardInterrupt


def test_all_that_the_demo_writes_is_in_its_folder(tmp_path: Path) -> None:
    folder, options = tmp_path / "demo", RunOptions(stand_in=True)
    config = demo_config(folder, "http://127.0.0.1:9/v1")
    for _ in range(2):  # the second start finds what the first has left
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(Runner(config, folder, stop, options).run())
        assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    for split in ("train", "validation", "test"):
        assert len(list(read_jsonl(RunPaths(folder).data(split)))) >= 90


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
