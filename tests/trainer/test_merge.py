"""The merged folder stands alone and answers as the adapter does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.merge import main, merge
from trainer.model import load_model, load_tokenizer
from trainer.precision import pick_dtype
from trainer.predict import main as predict
from trainer.specs import StudentSpec

PROMPTS = ["The colour of snow is", "A spider has", "Bees make honey, and cows", "One, two,"]


@pytest.fixture(scope="module")
def adapter(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As training leaves it: bf16, on bf16 weights."""
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(2)
    model = load_model(StudentSpec(model=str(tiny_student)), trainable=True, dtype=torch.bfloat16)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(folder)
    return folder


def answers(tmp_path: Path, name: str, model: Path, **spec: Any) -> list[dict[str, Any]]:
    """What a student predicts in a run of its own."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(
            json.dumps({"id": str(number), "prompt": prompt, "completion": "x"}) + "\n"
            for number, prompt in enumerate(PROMPTS)
        )
    )
    output = tmp_path / name
    path = tmp_path / f"{name}.json"
    student = {"model": str(model), "template": "plain", "max_new_tokens": 12} | spec.pop("student", {})
    file = {"name": "rows", "rows": str(rows), "output": str(output / "rows.jsonl")}
    path.write_text(
        json.dumps(
            {"task": "exact_match", "student": student, "output": str(output), "predict": [file]} | spec
        )
    )
    assert predict([str(path)]) == 0
    return [json.loads(line) for line in (output / "rows.jsonl").read_text().splitlines()]


def test_merged_and_adapter_predict_alike(tmp_path: Path, tiny_student: Path, adapter: Path) -> None:
    spec = tmp_path / "merge.json"
    student = {"model": str(tiny_student)}
    spec.write_text(
        json.dumps({"student": student, "adapter": str(adapter), "output": str(tmp_path / "merged")})
    )
    assert main([str(spec)]) == 0
    apart = answers(tmp_path, "apart", tiny_student, adapter=str(adapter))
    merged = answers(tmp_path, "together", tmp_path / "merged", student={"method": "full"})
    assert merged == apart
    assert answers(tmp_path, "base", tiny_student) != apart, "the adapter must change something"


def test_transformers_alone_loads_the_folder(tmp_path: Path, tiny_student: Path, adapter: Path) -> None:
    """Its weights are the base's plus scale * B A (Hu et al. 2021, equation 3), taken in float32."""
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    student = StudentSpec(model=str(tiny_student))
    folder = merge(student, adapter, tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder)("snow")["input_ids"]
    # what `auto` means depends on the machine
    dtype = pick_dtype(student, torch.device("cpu"))
    base = AutoModelForCausalLM.from_pretrained(tiny_student, dtype=dtype).float()
    factors = load_file(adapter / "adapter_model.safetensors")
    name = "model.layers.1.mlp.up_proj"
    low, high = (factors[f"base_model.model.{name}.lora_{letter}.weight"].float() for letter in ("A", "B"))
    expected = base.get_submodule(name).weight + student.lora.alpha / student.lora.r * high @ low
    torch.testing.assert_close(model.get_submodule(name).weight, expected)
    assert not (folder / "adapter_config.json").exists()


def test_an_earlier_folder_is_replaced_whole(tmp_path: Path, tiny_student: Path, adapter: Path) -> None:
    output = tmp_path / "merged"
    output.mkdir()
    (output / "old.txt").write_text("old")
    merge(StudentSpec(model=str(tiny_student), dtype="bfloat16"), adapter, output)
    assert not (output / "old.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"merged"}, "nothing temporary is left"
    assert json.loads((output / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_missing_adapter_leaves_nothing(
    tmp_path: Path, tiny_student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "merge.json"
    missing, output = tmp_path / "missing", tmp_path / "merged"
    spec.write_text(
        json.dumps({"student": {"model": str(tiny_student)}, "adapter": str(missing), "output": str(output)})
    )
    assert main([str(spec)]) == 1
    assert str(missing) in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"merge.json"}


def test_the_merged_model_ends_where_the_template_does(
    tmp_path: Path, tiny_student: Path, adapter: Path
) -> None:
    """The embedded student's template ends a reply with `<|im_end|>`; here the model itself ends with another token."""
    student = shutil.copytree(tiny_student, tmp_path / "student")
    tokenizer = load_tokenizer(StudentSpec(model=str(student)))
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(student)
    own, template = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")
    (student / "generation_config.json").write_text(json.dumps({"eos_token_id": own}))
    for kind, ends in {"chat": [own, template], "plain": own}.items():
        merged = merge(StudentSpec(model=str(student), template=kind), adapter, tmp_path / kind)
        assert json.loads((merged / "generation_config.json").read_text())["eos_token_id"] == ends
