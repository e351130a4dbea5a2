"""Specs refuse unknown keys and wrong values, and count steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trainer.specs import PredictSpec, StudentSpec, TrainSpec

TRAIN: dict[str, Any] = {"task": "t", "student": {}, "train": ["a.jsonl"], "output": "out"}


def test_steps_of_a_training() -> None:
    assert StudentSpec(batch_size=8, epochs=3).steps_for(45) == 18  # 6 batches an epoch
    assert StudentSpec(batch_size=4, epochs=1.45).steps_for(40) == 15  # 14.5 batches
    assert StudentSpec(batch_size=4, epochs=0.2).steps_for(40) == 2
    assert StudentSpec(batch_size=4, epochs=9, steps=7).steps_for(1000) == 7


def test_a_spec_survives_its_json() -> None:
    spec = TrainSpec.model_validate(TRAIN)
    assert TrainSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.train == [Path("a.jsonl")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, "sead\n.*Extra inputs"),
        ({"student": {"epoch": 1}}, "student.epoch\n.*Extra inputs"),
        ({"student": {"epochs": 0}}, "student.epochs\n.*greater than 0"),
        ({"student": {"method": "dora"}}, "student.method\n.*'lora', 'qlora' or 'full'"),
        ({"student": {"lora": {"dropout": 1}}}, "student.lora.dropout\n.*less than 1"),
        ({"fence": {"folder": "owners"}}, "fence.token\n.*required"),
    ],
)
def test_a_wrong_key_or_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSpec.model_validate(TRAIN | change)


def test_a_prediction_needs_a_file() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        PredictSpec.model_validate({"task": "t", "student": {}, "output": "out", "predict": []})
