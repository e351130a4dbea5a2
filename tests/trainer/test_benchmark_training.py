"""The parts of `benchmarks/training.py` that need no TRL: it must give every contender the same batches."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with settings for a student of two layers."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("training")
    tiny = {"dtype": "float32", "learning_rate": 1e-2}
    monkeypatch.setattr(module, "STUDENT", module.STUDENT | tiny)
    return module


@pytest.fixture
def rows(training: Any, tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) + "\n" for row in training.synthetic(32)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_ours_is_timed_step_by_step(training: Any, rows: Path, tiny_student: Path, tmp_path: Path) -> None:
    found = training.train_ours(str(tiny_student), rows, tmp_path / "ours")
    assert len(found["times"]) == len(found["loss"]) == 32 // training.BATCH
    assert found["loss"][-1] < found["loss"][0]
    assert set(training.rates(found["times"])) == {"samples_per_second", "median_step_seconds"}


def test_trl_gets_our_rows_in_our_order_and_our_adapter(
    training: Any, rows: Path, tiny_student: Path
) -> None:
    pytest.importorskip("datasets")
    found = training.tuned_arguments(str(tiny_student), rows, {"adapter": "float32", "autocast": False})
    data = found["train_dataset"]
    assert len(data) == 32
    prompts = {row["prompt"] for row in training.synthetic(32)}
    texts = [found["processing_class"].decode(row["input_ids"]) for row in data]
    assert all(any(prompt in text for prompt in prompts) for text in texts)
    assert all(0 < sum(row["completion_mask"]) < len(row["input_ids"]) for row in data)
    # batches of like lengths: sorted within a batch, unlike the rows as they come
    lengths = [len(row["input_ids"]) for row in data]
    batches = [lengths[start : start + training.BATCH] for start in range(0, 32, training.BATCH)]
    assert all(batch == sorted(batch) for batch in batches)
    trained = [each.dtype for each in found["model"].parameters() if each.requires_grad]
    assert set(trained) == {torch.float32}
