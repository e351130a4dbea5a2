"""The memory estimate against what autograd, the optimizer and the process really take, and what it decides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer.test_finetune_processes import ENVIRONMENT
from tests.trainer.trainings import WriteSpec, losses, progress, run
from trainer import fitting, memory
from trainer.data import Row
from trainer.finetune import main
from trainer.loss import choose_layout
from trainer.memory import count_parameters, estimate
from trainer.model import load_model
from trainer.optimizer import MasterAdamW
from trainer.shape import Shape
from trainer.specs import StudentSpec, TrainReport

LLAMA_1B = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "tie_word_embeddings": True,
}


@pytest.mark.parametrize(
    ("sizes", "published"),
    [
        # from the model cards
        (LLAMA_1B, 1_235_814_400),
        (
            {
                "vocab_size": 49_152,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "tie_word_embeddings": True,
            },
            134_515_008,
        ),
        ({"vocab_size": 50_257, "n_embd": 768, "n_layer": 12, "n_head": 12}, 124_439_808),
    ],
    ids=["Llama 3.2 1B", "SmolLM2-135M", "GPT-2"],
)
def test_parameters_are_the_published_ones(sizes: dict[str, Any], published: int) -> None:
    # GPT-2's biases and learned positions are not counted
    assert Shape.of(sizes).parameters == pytest.approx(published, rel=0.01)


def test_parameters_in_a_folder_are_counted_by_their_headers(tiny_student: Path) -> None:
    config = json.loads((tiny_student / "config.json").read_text())
    assert count_parameters(tiny_student) == Shape.of(config).parameters


def test_a_config_without_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_size"):
        Shape.of({"model_type": "something"})


def saved_bytes(model: Any, compute: Any) -> int:
    """What autograd keeps of a forward pass, parameters left out; each storage once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = compute()
    assert loss.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["packed", "padded"])
def test_the_parts_are_what_training_holds(
    tiny_student: Path, method: str, dtype: str, dropout: float
) -> None:
    """Activations and logits within 25 %: their gradients, which are part of the estimate, come later."""
    student = StudentSpec.model_validate(
        {"model": str(tiny_student), "method": method, "dtype": dtype, "lora": {"dropout": dropout}}
    )
    model = load_model(student, trainable=True)
    rows = [Row(str(n), list(range(5, 60 + 7 * n)), list(range(9))) for n in range(8)]
    layout = choose_layout(model, rows, 0, dropout=dropout)
    assert layout.packed == (dropout == 0)
    batch = layout.batch(rows)
    config = json.loads((tiny_student / "config.json").read_text())
    found = estimate(
        config,
        student,
        batch.input_ids.numel(),
        labels=batch.targets.numel(),
        width=batch.input_ids.shape[1],
        device="cpu",
    )
    weights = {name: each.nbytes for name, each in model.named_parameters()}
    assert found.weights + found.adapter == sum(weights.values())
    assert found.adapter == sum(size for name, size in weights.items() if "lora_" in name)
    # log-softmax is kept, its gradient and the float32 copy of the logits are not
    vocabulary = len(batch.targets) * config["vocab_size"]
    kept = found.activations + vocabulary * 4
    measured = saved_bytes(model, lambda: layout.loss(model, rows))
    assert kept == pytest.approx(measured, rel=0.25)
    optimizer = MasterAdamW([p for p in model.parameters() if p.requires_grad], weight_decay=0.0)
    moments = sum(tensor.nbytes for name, tensor in optimizer.state().items() if name.startswith("exp"))
    masters = 0 if dtype == "float32" else optimizer.master.nbytes
    assert found.optimizer == moments + masters
    low = 0 if dtype == "float32" else optimizer.gradient.nbytes // 2
    assert found.gradients == optimizer.gradient.nbytes + low


def test_a_large_vocabulary_costs_what_its_logits_take() -> None:
    """16 rows of 512 tokens with labels everywhere: bf16, float32, log-softmax and gradient of 128,256 logits."""
    found = estimate(LLAMA_1B, StudentSpec(), 16 * 512, labels=16 * 512)
    assert found.logits == 16 * 512 * 128_256 * (2 + 4 + 4 + 4)
    assert found.weights == pytest.approx(2 * 1.236e9, rel=0.01)


def test_quantised_weights_are_a_quarter() -> None:
    plain, quantised = (
        estimate(LLAMA_1B, StudentSpec.model_validate({"method": method}), 1024)
        for method in ("lora", "qlora")
    )
    # 973 million weights in linear layers; embeddings stay as they are
    assert plain.weights - quantised.weights == pytest.approx(0.973e9 * (2 - 0.516), rel=0.01)
    assert quantised.merged == 0


@pytest.mark.parametrize(
    ("gigabytes", "rows"),
    # a row of 1,280 tokens takes 32 KiB of cache and about 0.07 MB on its way for each: about 0.14 GB
    [(80, 256), (24, 64), (8, 64), (141, 256), (180, 512)],
)
def test_rows_at_once_follow_the_gpu(gigabytes: int, rows: int) -> None:
    assert memory.rows_at_once(LLAMA_1B, StudentSpec(), gigabytes * 10**9, 2) == rows
    assert memory.rows_at_once(LLAMA_1B, StudentSpec(max_length=64, max_new_tokens=8), 10**11, 2) == 512


def test_micro_batch_is_lowered_where_memory_is_short(
    write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, tiny_student: Path
) -> None:
    calm = run(write_spec("calm"))
    assert calm.memory["available"] > calm.memory["training"]
    assert not calm.warnings
    free = calm.memory["training"] - calm.memory["context"] - 1
    monkeypatch.setattr(fitting, "free_bytes", lambda device: free)
    written = write_spec("tight")
    found = run(written)
    assert (found.micro_batch_size, found.accumulation) == (4, 2)
    (warning,) = found.warnings
    assert warning.startswith("8 rows at once would take ")
    assert "4 rows at once, and more accumulation" in warning
    assert warning in [line.get("message") for line in progress(written[1])]
    assert losses(found) == pytest.approx(losses(calm), rel=1e-4)
    assert found.memory["training"] < calm.memory["training"]


def test_what_cannot_fit_is_refused_with_its_numbers(
    write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "free_bytes", lambda device: 1_000_000)
    assert main([str(write_spec(method="full")[0])]) == 1
    message = capsys.readouterr().err
    for words in (
        "with one row at a time, and 0.00 GB are free",
        "of weights",
        "student.method: lora",
        "student.dtype: bfloat16",
        "student.max_length",
    ):
        assert words in message
    assert message.count("\n") == 1


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 250\n")
    assert memory._container_bytes(tmp_path) == [350]
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._container_bytes(tmp_path) == [sys.maxsize]


def test_the_command_prints_the_parts(tiny_student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert memory.main([str(tiny_student)]) == 0
    printed = capsys.readouterr().out
    assert "8,192 tokens in a micro-batch" in printed
    assert "training" in printed
    assert memory.main(["/nowhere"]) == 1
    assert "config.json" in capsys.readouterr().err


def test_no_torch_is_loaded() -> None:
    code = "import sys, trainer.memory; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.student
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_the_embedded_students_peak(tmp_path: Path, colours: Path, dtype: str) -> None:
    """A process's peak is between 0.8 and 1.25 times the estimate."""
    spec = tmp_path / "spec.json"
    student = {"steps": 2, "dtype": dtype, "batch_size": 32, "max_length": 128}
    spec.write_text(
        json.dumps(
            {
                "task": "exact_match",
                "student": student,
                "train": [str(colours)],
                "output": str(tmp_path / "out"),
            }
        )
    )
    subprocess.run([sys.executable, "-m", "trainer.finetune", str(spec)], check=True, env=ENVIRONMENT)
    found = TrainReport.model_validate_json((tmp_path / "out" / "report.json").read_text()).memory
    ratio = found["peak"] / found["training"]
    print(f"{dtype}: peak {found['peak'] / 1e6:.0f} MB, {ratio:.2f} times the estimate")
    assert 0.8 < ratio < 1.25
