"""The check on a GPU host, as far as it can be checked without one: its parts, and a rehearsal of its steps."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import memory_table
from benchmarks.gpu.catalog import STEPS, Step
from benchmarks.gpu.flops import Work, adapter_weights, body_weights, training_flops
from benchmarks.gpu.pack import trim, wanted
from benchmarks.gpu.results import ResultFile
from benchmarks.gpu.runner import Runner
from benchmarks.gpu.scale import LLAMA_1B, SMOLLM2_135M

ROOT = Path(__file__).resolve().parents[2]

LLAMA_1B_WEIGHTS, LLAMA_1B_NORMS = 1_235_814_400, 33 * 2048
"""Of the published model, tied embeddings counted once; two norms a layer and the last one."""
SMOLLM2_WEIGHTS, SMOLLM2_NORMS = 134_515_008, 61 * 576


@pytest.mark.parametrize(
    ("shape", "weights", "norms"),
    [(LLAMA_1B, LLAMA_1B_WEIGHTS, LLAMA_1B_NORMS), (SMOLLM2_135M, SMOLLM2_WEIGHTS, SMOLLM2_NORMS)],
)
def test_the_shapes_have_the_weights_of_the_published_models(
    shape: dict[str, Any], weights: int, norms: int
) -> None:
    assert body_weights(shape) + shape["vocab_size"] * shape["hidden_size"] + norms == weights


def test_an_adapter_of_rank_16_has_as_many_weights_as_peft_counts() -> None:
    assert adapter_weights(LLAMA_1B, 16) == 11_272_192


def test_operations_of_a_token() -> None:
    """Counted by hand for a layer of 2 x 2 matrices, inner size 2, one head of 2, three words."""
    shape = {
        "hidden_size": 2,
        "intermediate_size": 2,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 2,
        "vocab_size": 3,
    }
    one = Work(tokens=1, labels=1, squares=1)
    # seven matrices of 4 weights, a head of 6, and 12 for attention
    assert training_flops(shape, one, "full", 1) == 6 * 28 + 6 * 6 + 12
    # rank 1: seven pairs of vectors of 2
    assert training_flops(shape, one, "lora", 1) == 4 * 28 + 6 * 28 + 4 * 6 + 12


def test_packed_versions_are_the_locked_ones() -> None:
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    requirements = wanted()
    assert next(line for line in locked if line.startswith("pydantic_core==")) in requirements
    assert all("==" in requirement for requirement in requirements)


def test_a_trimmed_wheel_lacks_what_the_host_never_loads(tmp_path: Path) -> None:
    wheel = tmp_path / "bitsandbytes-1.0-py3-none-any.whl"
    kept = ["bitsandbytes/__init__.py", "bitsandbytes/libbitsandbytes_cuda130.so"]
    dropped = ["bitsandbytes/libbitsandbytes_cuda118.so", "bitsandbytes/libbitsandbytes_rocm70.so"]
    record = "bitsandbytes-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*kept, *dropped]:
            archive.writestr(name, "content")
        archive.writestr(record, "".join(f"{name},sha256=x,7\n" for name in [*kept, *dropped]))
    trim(wheel)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.namelist() == [*kept, record]
        assert archive.read(record).decode() == "".join(f"{name},sha256=x,7\n" for name in kept)


def test_a_second_try_adds_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    ResultFile(path).put("steps", "lora", "tokens_per_second", value=1234.5678901)
    ResultFile(path).put("steps", "trl", "status", value="failed")
    assert json.loads(path.read_text()) == {
        "steps": {"lora": {"tokens_per_second": 1234.57}, "trl": {"status": "failed"}}
    }
    assert os.listdir(tmp_path) == ["gpu.json"]


def runner(folder: Path, deadline: float = 60) -> Runner:
    return Runner(ResultFile(folder / "gpu.json"), folder, [], True, deadline, lambda line: None)


def test_what_cannot_be_run_is_written_and_the_rest_goes_on(tmp_path: Path) -> None:
    steps = (
        Step("no_such_step", "fails at once", 20),
        Step("cluster", "needs what is not there", 20, needs=("no_such_module",)),
        Step("qlora", "needs a GPU", 20, gpu_only=True),
        Step("students", "has no time", 0.01),
    )
    assert not runner(tmp_path).run(steps)
    document = json.loads((tmp_path / "gpu.json").read_text())
    assert document["kind"] == "rehearsal"
    failed, missing, gpu, late = (document["steps"][step.name] for step in steps)
    assert failed["status"] == "failed"
    assert "No module named 'benchmarks.gpu.steps.no_such_step'" in failed["error"][-1]
    assert (missing["status"], missing["reason"]) == ("skipped", "Not installed here: no_such_module.")
    assert (gpu["status"], gpu["reason"]) == ("skipped", "It needs a GPU.")
    assert late["status"] == "out of time"


def test_nothing_is_begun_after_the_deadline(tmp_path: Path) -> None:
    assert runner(tmp_path, deadline=1).run([Step("no_such_step", "would fail", 20)])
    step = json.loads((tmp_path / "gpu.json").read_text())["steps"]["no_such_step"]
    assert (step["status"], step["reason"]) == ("skipped", "1 s were left before the deadline.")


def test_an_unknown_step_is_named() -> None:
    done = check("--rehearse", "--only", "lora,tlr")
    assert done.returncode == 2
    assert "no such step: tlr; there is machine, students, lora" in done.stderr


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts/gpu-check", *arguments], capture_output=True, text=True)


def rehearse(folder: Path, *arguments: str) -> dict[str, Any]:
    """The steps of a rehearsal's result."""
    output = folder / "gpu.json"
    done = check("--rehearse", "--output", str(output), "--work", str(folder / "work"), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(output.read_text())
    assert "say nothing about a GPU" in document["note"]
    steps: dict[str, Any] = document["steps"]
    return steps


@pytest.mark.student
def test_a_short_rehearsal(tmp_path: Path) -> None:
    steps = rehearse(tmp_path, "--only", "students,small,choices")
    assert {step["status"] for step in steps.values()} == {"done"}
    assert steps["small"]["loss"]["difference"]["mean"] < 0.01
    assert steps["small"]["lora"]["tokens_per_second"] > 0
    assert steps["choices"]["agreement"]["float32"]["same_choice"] == 1.0


@pytest.mark.slow
@pytest.mark.student
def test_the_whole_rehearsal(tmp_path: Path) -> None:
    steps = rehearse(tmp_path)
    assert list(steps) == [step.name for step in STEPS]
    skipped = {name for name, step in steps.items() if step["status"] == "skipped"}
    assert skipped <= {"trl", "compile", "qlora"}, "TRL is an extra, and 4-bit weights need a GPU"
    durability = steps["durability"]
    assert durability["equal_runs"]["same_loss"]
    assert durability["equal_runs"]["same_adapter"]
    assert durability["kill"]["same_loss"]
    assert durability["kill"]["resumed_from"]
    assert len(durability["out_of_memory"]["halvings"]) == 1
    assert durability["out_of_memory"]["loss_difference"]["largest"] < 0.01
    assert steps["generate"]["agreement"]["float32, plain"]["equal"] == 1.0
    assert steps["loop"]["status"] == "done"
    assert steps["loop"]["accepted"] > 0
    assert steps["loop"]["report_html"]
    assert steps["embed"]["lowest_cosine"] > 0.99


def test_the_table_of_the_docs_is_what_the_memory_estimate_says() -> None:
    (page,) = (ROOT / "docs").rglob("gpu.md")
    assert memory_table.table() in page.read_text(encoding="utf-8")
