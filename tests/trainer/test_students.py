"""Several students on one base: each answers as if it were alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.model import load_model
from trainer.specs import LoraSpec, StudentSpec
from trainer.students import MOST_ADAPTERS, Students
from trainer.weights import ModelError

TOKENS = torch.tensor([[3, 4, 5, 6]])


def make_adapter(student: StudentSpec, folder: Path, seed: int) -> Path:
    """An adapter with random weights, as training would leave it."""
    torch.manual_seed(seed)
    model = load_model(student, trainable=True)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    return folder


def logits_of(students: Students, student: StudentSpec, adapter: Path | None) -> Any:
    with students.student(student, adapter) as (model, _), torch.inference_mode():
        assert not model.training
        return model(TOKENS).logits


def alone(student: StudentSpec, adapter: Path | None) -> Any:
    model = load_model(student, adapter, trainable=False)
    with torch.inference_mode():
        return model(TOKENS).logits


def test_each_adapter_answers_alone_whatever_was_asked_before(tiny_student: Path, tmp_path: Path) -> None:
    student = StudentSpec(model=str(tiny_student), dtype="float32")
    wide = student.model_copy(update={"lora": LoraSpec(r=4, target_modules=["q_proj", "down_proj"])})
    first = make_adapter(student, tmp_path / "first", 1)
    second = make_adapter(wide, tmp_path / "second", 2)
    students = Students()
    for adapter in (None, first, second, None, first, None):
        torch.testing.assert_close(logits_of(students, student, adapter), alone(student, adapter))
    assert not torch.allclose(alone(student, first), alone(student, second))


def test_the_adapter_that_was_not_asked_for_longest_goes(tiny_student: Path, tmp_path: Path) -> None:
    student = StudentSpec(model=str(tiny_student), dtype="float32")
    adapters = [make_adapter(student, tmp_path / str(seed), seed) for seed in range(MOST_ADAPTERS + 1)]
    students = Students()
    for adapter in [*adapters[:-1], adapters[0], adapters[-1]]:
        logits_of(students, student, adapter)
    with students.student(student, adapters[0]) as (model, _):
        assert len(model.peft_config) == MOST_ADAPTERS
    torch.testing.assert_close(logits_of(students, student, adapters[1]), alone(student, adapters[1]))


def test_another_base_takes_the_place_of_the_first(tiny_student: Path, tmp_path: Path) -> None:
    lora = StudentSpec(model=str(tiny_student), dtype="float32")
    full = lora.model_copy(update={"method": "full"})
    whole = tmp_path / "whole"
    model = load_model(lora, trainable=False)
    with torch.no_grad():
        model.model.embed_tokens.weight *= 0.5
    model.save_pretrained(whole)
    students = Students()
    for student, adapter in ((lora, None), (full, whole), (full, None), (full, whole)):
        torch.testing.assert_close(logits_of(students, student, adapter), alone(student, adapter))


def test_a_student_that_is_not_there_leaves_room_for_the_next(tiny_student: Path, tmp_path: Path) -> None:
    student = StudentSpec(model=str(tiny_student), dtype="float32")
    students = Students()
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors"):
        logits_of(students, student, tmp_path)
    with pytest.raises(ModelError, match="no model folder"):
        logits_of(students, student.model_copy(update={"model": str(tmp_path / "none")}), None)
    torch.testing.assert_close(logits_of(students, student, None), alone(student, None))
