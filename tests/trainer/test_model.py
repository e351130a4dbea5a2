"""Students that are loaded, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.model import load_model, load_tokenizer
from trainer.specs import StudentSpec
from trainer.weights import ModelError

CPU = torch.device("cpu")


def test_broken_weights_are_one_clear_error(tmp_path: Path, tiny_student: Path) -> None:
    for file in tiny_student.iterdir():
        (tmp_path / file.name).write_bytes(
            file.read_bytes()[:1000] if "model" in file.name else file.read_bytes()
        )
    with pytest.raises(ModelError, match="Cannot load the weights") as caught:
        load_model(StudentSpec(model=str(tmp_path)), trainable=False)
    assert "\n" not in str(caught.value)


def test_hub_name_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"someone/some-student is not.*HF_HUB_OFFLINE is set.*hf download"):
        load_tokenizer(StudentSpec(model="someone/some-student"))


def test_qlora_is_refused_without_gpu(tiny_student: Path) -> None:
    with pytest.raises(ModelError, match=r"QLoRA needs a CUDA GPU.*method: lora"):
        load_model(StudentSpec(model=str(tiny_student), method="qlora"), trainable=True, device=CPU)


def test_missing_adapter_is_named(tiny_student: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors") as caught:
        load_model(StudentSpec(model=str(tiny_student)), tmp_path, trainable=False)
    assert str(tmp_path) in str(caught.value)


def test_adapter_of_another_student_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    student = StudentSpec(model=str(tiny_student), dtype="float32")
    load_model(student, trainable=True).save_pretrained(tmp_path)
    tensors = {"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": torch.zeros(3, 5)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="adapter"):
        load_model(student, tmp_path, trainable=False)


def test_unknown_target_module(tiny_student: Path) -> None:
    student = StudentSpec.model_validate(
        {"model": str(tiny_student), "lora": {"target_modules": ["nothing"]}}
    )
    with pytest.raises(ModelError, match="nothing"):
        load_model(student, trainable=True)


@pytest.mark.parametrize(("dtype", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_dtype_asked_for_is_given_to_weights_and_adapter(
    tiny_student: Path, dtype: str, expected: torch.dtype
) -> None:
    student = StudentSpec.model_validate({"model": str(tiny_student), "dtype": dtype})
    model = load_model(student, trainable=True)
    assert {parameter.dtype for parameter in model.parameters()} == {expected}
    assert all("lora_" in name for name, parameter in model.named_parameters() if parameter.requires_grad)
