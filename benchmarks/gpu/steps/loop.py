"""A whole `pada run`: the 135M shape, a scripted teacher on loopback, one round, and the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import labelled_rows

KEY = "GPU_CHECK_KEY"
SPLITS = ("train", "validation", "test")
KEPT = {"run_status": "status", "accepted": "accepted", "stage_seconds": "seconds", "cost": "cost"}
"""Name here -> name in the run's report."""
KEPT_OF_ROUNDS = ("round", "validation", "promoted", "accepted", "train_rows", "verdicts")


def run(check: Check) -> None:
    folder = check.folder("run")
    for split in SPLITS:
        check.file(f"{split}.jsonl", labelled_rows(split, check.scale.loop_rows))
    with check.timed("wall_seconds"), teacher(folder / "calls.jsonl") as base_url:
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(configured(check, folder.parent, base_url)), encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                command_line(),
                "run",
                str(config),
                "--output",
                str(folder / "out"),
            ],
            env=os.environ | {KEY: "none"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"pada run ended with {done.returncode}: {done.stderr[-2000:]}")
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    for name, key in KEPT.items():
        check.put(name, value=report.get(key))
    rounds = [{name: each.get(name) for name in KEPT_OF_ROUNDS} for each in report["rounds"]]
    check.put("rounds", value=rounds)
    check.put("calls", value=len((folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()))
    check.put("report_html", value=(folder / "out" / "report.html").exists())
    check.put("student", value=student_reports(folder / "out"))


def command_line() -> str:
    """Code that does what the installed command `pada` does: the entry point is named in pyproject.toml."""
    module, _, function = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"][
        "scripts"
    ]["pada"].partition(":")
    return f"import sys; sys.argv[0] = 'pada'; from {module} import {function}; sys.exit({function}())"


def configured(check: Check, data: Path, base_url: str) -> dict[str, Any]:
    """The run's config."""
    rows = check.scale.loop_rows
    return {
        "task": "classification",
        "seed": 0,
        "data": {split: str(data / f"{split}.jsonl") for split in SPLITS},
        "embedder": str(check.model("embedder")),
        "student": {"model": str(check.model("small")), "epochs": 2, "max_length": 256, "max_new_tokens": 4},
        "teacher": {"base_url": base_url, "model": "scripted", "api_key_env": KEY},
        "loop": {"rounds": 1, "synthetic_per_round": rows, "samples_per_batch": min(10, rows // 2)},
    }


@contextmanager
def teacher(log: Path) -> Iterator[str]:
    """The scripted teacher, which answers at once; its base URL."""
    command = [sys.executable, "-m", "benchmarks.loop_teacher", "--log", str(log), "--latency", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            yield child.stdout.readline().strip()
        finally:
            child.kill()


def student_reports(folder: Path) -> list[dict[str, Any]]:
    """What the trainer did in the run: device, precision, seconds."""
    found = []
    for path in sorted(folder.rglob("report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        if "artifact" in report:
            kept = ("device", "dtype", "steps", "rows", "samples_per_second", "seconds", "micro_batch_size")
            found.append({name: report[name] for name in kept})
    return found
