"""Tiny random students of the families that people use: they are trained, and answer as plain peft and transformers do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.random_students import make_student
from trainer.data import Encoder, stop_tokens
from trainer.finetune import finetune
from trainer.model import load_model, load_tokenizer
from trainer.progress import ProgressLog
from trainer.records import Example
from trainer.specs import LoraSpec, PredictFile, StudentSpec, TrainSpec
from trainer.tasks import load_task
from trainer.weights import ModelError

FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {"tie_word_embeddings": False},
    "Qwen3": {"head_dim": 16, "tie_word_embeddings": True},
    "SmolLM3": {"no_rope_layers": [1, 0], "tie_word_embeddings": True},
    "Gemma3Text": {
        "head_dim": 16,
        "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "Phi3": {"tie_word_embeddings": True},
}
"""Name in the library -> what differs from a usual decoder."""


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path: Path, tokenizer: Any) -> Path:
    """A random student of a family, with the embedded student's tokenizer."""
    return make_student(request.param, tmp_path / "student", tokenizer, **FAMILIES[request.param])


@pytest.fixture
def few(tmp_path: Path, colour_rows: list[dict[str, str]]) -> Path:
    path = tmp_path / "few.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in colour_rows[::4]))
    return path


def test_it_learns_and_answers_as_the_library_does(family: Path, few: Path, tmp_path: Path) -> None:
    student = StudentSpec(
        model=str(family), steps=12, learning_rate=5e-3, max_length=128, max_new_tokens=6, dtype="float32"
    )
    answers = PredictFile(name="few", rows=few, output=tmp_path / "answers.jsonl")
    spec = TrainSpec(
        task="exact_match", student=student, train=[few], output=tmp_path / "out", predict=[answers]
    )
    finetune(spec, ProgressLog(tmp_path / "out" / "progress.jsonl"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["loss"][-1]["loss"] < report["loss"][0]["loss"]
    ours = [json.loads(line)["text"] for line in answers.output.read_text().splitlines()]
    assert ours == plain_answers(student, Path(report["artifact"]), few)


def plain_answers(student: StudentSpec, adapter: Path, rows: Path) -> list[str]:
    """Greedy answers of the unmerged adapter, one row at a time."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(student.model, dtype=torch.float32)
    model, tokenizer = PeftModel.from_pretrained(base, adapter).eval(), load_tokenizer(student)
    encoder, stops = Encoder(load_task("exact_match"), tokenizer, student), stop_tokens(tokenizer, student)
    texts = []
    for line in rows.read_text().splitlines():
        prompt = torch.tensor([encoder.row(Example(**json.loads(line))).prompt])
        with torch.no_grad():
            out = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False, eos_token_id=stops,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        texts.append(tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True))
    return texts


@pytest.mark.parametrize("layers", [["lm_head"], ["embed_tokens"], ["q_proj", "lm_head"]])
def test_an_adapter_on_shared_weights_is_refused(tmp_path: Path, tokenizer: Any, layers: list[str]) -> None:
    folder = make_student("Llama", tmp_path / "tied", tokenizer, tie_word_embeddings=True)
    student = StudentSpec(model=str(folder), dtype="float32", lora=LoraSpec(target_modules=layers))
    with pytest.raises(ModelError, match="would change both"):
        load_model(student, trainable=True)


def test_layers_may_be_named_in_one_text() -> None:
    assert LoraSpec(target_modules="q_proj, v_proj").target_modules == ["q_proj", "v_proj"]
    assert LoraSpec(target_modules="all-linear").target_modules == "all-linear"
    assert LoraSpec(target_modules=r".*\.(q|v)_proj").target_modules == r".*\.(q|v)_proj"
