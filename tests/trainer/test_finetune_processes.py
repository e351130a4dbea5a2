"""Training in processes of its own: killed and started again, and several at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.specs import TrainReport

ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def write_spec(folder: Path, student: Path, train: Path, **more: Any) -> Path:
    folder.mkdir(parents=True)
    spec = {
        "task": "exact_match",
        "student": {
            "model": str(student),
            "template": "plain",
            "learning_rate": 5e-3,
            "max_length": 64,
            "dtype": "bfloat16",
        }
        | more,
        "train": [str(train)],
        "output": str(folder / "out"),
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def start(spec: Path, *launcher: str) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, "-m", "trainer.finetune", str(spec)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str], spec: Path) -> TrainReport:
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    return TrainReport.model_validate_json((spec.parent / "out" / "report.json").read_text())


def trained_steps(spec: Path) -> int:
    progress = spec.parent / "out" / "progress.jsonl"
    return progress.read_text().count('"stage":"train"') if progress.exists() else 0


def kill_after(child: subprocess.Popen[str], spec: Path, steps: int) -> None:
    """SIGKILL once that many more steps are done."""
    goal = trained_steps(spec) + steps
    deadline = time.monotonic() + 90
    while trained_steps(spec) < goal and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert child.poll() is None, "it ended before the kill"
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_killed_at_random_it_ends_at_the_same_weights(
    tmp_path: Path, tiny_student: Path, colours: Path
) -> None:
    more = {"epochs": 10, "batch_size": 4, "checkpoint_every": 7, "lora": {"dropout": 0.1}}
    calm = write_spec(tmp_path / "calm", tiny_student, colours, **more)
    killed = write_spec(tmp_path / "killed", tiny_student, colours, **more)
    undisturbed = finish(start(calm), calm)
    draw = random.Random(int.from_bytes(os.urandom(4)))
    for _ in range(2):
        kill_after(start(killed), killed, draw.randint(8, 30))
    found = finish(start(killed), killed)
    assert len(found.resumed_from) == 2
    assert [point.loss for point in found.loss] == [point.loss for point in undisturbed.loss]
    weights = (report.artifact / "adapter_model.safetensors" for report in (found, undisturbed))
    assert len({path.read_bytes() for path in weights}) == 1
    assert sorted(path.name for path in (killed.parent / "out").iterdir()) == [
        "adapter",
        "progress.jsonl",
        "report.json",
    ]


def test_two_processes_give_the_losses_of_one(tmp_path: Path, tiny_student: Path, colours: Path) -> None:
    """Also when the last batch has one row, so that a process has none."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(colours.read_text().splitlines(keepends=True)[:29]))
    more = {"epochs": 2, "batch_size": 4, "dtype": "float32"}
    one = write_spec(tmp_path / "one", tiny_student, few, **more)
    two = write_spec(tmp_path / "two", tiny_student, few, num_processes=2, **more)
    launcher = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    single, double = finish(start(one), one), finish(start(two, *launcher), two)
    assert (double.num_processes, double.micro_batch_size) == (2, 2)
    assert [p.loss for p in double.loss] == pytest.approx([p.loss for p in single.loss], rel=1e-4)
    assert double.completion_tokens == single.completion_tokens
