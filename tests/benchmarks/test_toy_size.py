"""The benchmarks against peers run to their end at toy size, on what the `bench` extra installs. Their speeds say nothing."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_task import rows

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def result(script: str, output: Path, *options: str) -> Any:
    line = [sys.executable, f"benchmarks/{script}.py", "--output", str(output), *options]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text(encoding="utf-8"))


def test_training_compares_loss_curves_of_all_contenders(tmp_path: Path, tiny_student: Path) -> None:
    found = result("training", tmp_path / "out.json", "--student", str(tiny_student), "--rows", "40")
    assert {len(one["loss"]) for one in found["contenders"].values()} == {5}
    # rows, order and first adapter are the same, so the curves may differ by rounding alone
    assert all(apart["mean"] < 0.02 for apart in found["loss_difference"].values())
    assert found["times_trl_tuned"] > 0


def test_two_trainers_are_measured_at_once(tmp_path: Path, tiny_student: Path) -> None:
    found = result("neighbours", tmp_path / "out.json", "--student", str(tiny_student), "--rows", "40")
    for setting in ("as it comes", "brief spin"):
        assert len(found[setting]["two"]) == 2
        assert found[setting]["times"] > 0


def test_generation_gives_the_answers_of_the_plain_loop(tmp_path: Path, tiny_student: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    # the script loads bf16 weights, as those of the embedded student are
    student = shutil.copytree(tiny_student, tmp_path / "student")
    AutoModelForCausalLM.from_pretrained(tiny_student, dtype=torch.bfloat16).save_pretrained(student)
    options = ["--student", str(student), "--rows", "12", "--train", "16"]
    found = result("generation", tmp_path / "out.json", *options)
    assert found["same_answers_as_plain_float32"]["ours float32"] == 1
    assert len(found["rows_per_second"]) == 5


def test_choice_scoring_gives_the_choices_of_the_harness(tmp_path: Path, tiny_student: Path) -> None:
    found = result("choice", tmp_path / "out.json", "--student", str(tiny_student), "--rows", "6")
    exact = found["agreement_with_exact"]["ours float32"]
    assert exact["same_choices"] == 1
    assert exact["largest_difference"] < 1e-3


def test_clustering_finds_clusters_as_tight_as_scikit_learns(tmp_path: Path) -> None:
    found = result(
        "clustering", tmp_path / "out.json", "--rows", "300", "--dimensions", "16", "--max-k", "15"
    )
    assert len(found["cases"]) == 4
    assert all(case["inertia_ratio_mean"] < 1.05 for case in found["cases"])


def test_row_choice_measures_every_rule(tmp_path: Path) -> None:
    made = [row | {"text": row["prompt"]} for row in rows("pool", 2_400)]
    random.Random(0).shuffle(made)
    for name, part in (("train", made[:200]), ("validation", made[200:300]), ("pool", made[300:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    options = ["--data", str(tmp_path), "--rows", "20", "--draws", "2"]
    found = result("row_choice", tmp_path / "out.json", *options)
    (kept,) = found.values()
    assert {"baseline", "wrong"} <= kept["result"].keys()


def test_the_loop_is_measured_and_killed(tmp_path: Path) -> None:
    options = ["--latency-rows", "20", "--rounds", "1", "--sizes", "20", "--branches", "20"]
    found = result("loop", tmp_path / "out.json", *options)
    assert found["growth"][0]["accepted"] > 0
    assert found["resume"]["calls_before_kill"] > 0


def test_the_sandbox_runs_programs_of_humaneval(tmp_path: Path) -> None:
    assert result("sandbox", tmp_path / "out.json", "--repeats", "1")


def test_check_is_timed(tmp_path: Path) -> None:
    line = [sys.executable, "benchmarks/check.py", "--rows", "400"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 400
