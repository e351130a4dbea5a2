"""`pada export` of a real run: the files are loaded again and answer as the student did."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import pada
from tests.conftest import Run

pytestmark = pytest.mark.student

LLAMA_CPP = pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the gguf extra")

LOAD = """
import sys
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
model = AutoPeftModelForCausalLM.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(model.peft_config["default"].base_model_name_or_path)
rows = tokenizer(sys.argv[2], return_tensors="pt")
reply = model.generate(**rows, max_new_tokens=6, do_sample=False)
print(tokenizer.decode(reply[0, rows["input_ids"].shape[1]:], skip_special_tokens=True))
"""


def test_plain_peft_loads_the_adapter(whole_run: Run, tmp_path: Path) -> None:
    target = tmp_path / "peft"
    done = pada("export", whole_run.folder, "--output", target, "--check", "10")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10 of 10 validation answers")
    best = whole_run.report["best"]["round"]
    scored = whole_run.rows(f"rounds/{best}/predictions/validation.jsonl")[0]["text"]
    prompt = json.loads((whole_run.folder / "data" / "validation.jsonl").read_text().splitlines()[0])[
        "prompt"
    ]
    command = [sys.executable, "-c", LOAD, str(target), prompt]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert loaded.returncode == 0, loaded.stderr
    assert scored.strip() in loaded.stdout


@LLAMA_CPP
@pytest.mark.parametrize("quantization", ["f16", pytest.param("q8_0", marks=pytest.mark.slow)])
def test_llama_cpp_answers_as_the_student_did(whole_run: Run, tmp_path: Path, quantization: str) -> None:
    target = tmp_path / "gguf"
    done = pada(
        "export", whole_run.folder, "--output", target, "--to", "gguf", "--quantization", quantization
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((target / "export.json").read_text())
    assert record["compared"] == 40
    assert record["same"] >= 38
    assert {path.name for path in target.iterdir()} == {
        f"model-{quantization}.gguf", "README.md", "export.json",
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["gguf"], "nothing half written stays"


@LLAMA_CPP
def test_ollama_and_a_target_that_is_there(whole_run: Run, tmp_path: Path) -> None:
    target = tmp_path / "ollama"
    command = ["export", whole_run.folder, "--output", target, "--to", "ollama", "--check", "2"]
    assert "ollama create" in pada(*command).stdout
    text = (target / "Modelfile").read_text()
    assert text.startswith('FROM ./model-f16.gguf\nTEMPLATE """{{ .Prompt }}"""\n'), "the student is plain"
    assert 'PARAMETER stop "<|im_end|>"' in text
    again = pada(*command)
    assert again.returncode != 0
    assert "--force" in again.stderr
    assert pada(*command, "--force", "--check", "0").stdout.startswith("Answers were not compared")


def test_a_merged_model_for_vllm_and_the_hub(whole_run: Run, tmp_path: Path) -> None:
    served = pada(
        "export", whole_run.folder, "--output", tmp_path / "v", "--to", "vllm", "--merged", "--check", "5"
    )
    assert served.stdout.startswith("5 of 5"), served.stderr
    assert f"vllm serve {tmp_path / 'v'}" in (tmp_path / "v" / "serve.sh").read_text()
    hub = pada(
        "export", whole_run.folder, "--output", tmp_path / "h", "--to", "hub", "--merged", "--repo", "me/student",
        "--check", "5",
    )  # fmt: skip
    assert "Nothing was uploaded" in hub.stdout, hub.stderr
    assert "model.safetensors" in hub.stdout
