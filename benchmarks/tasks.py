"""Runs every benchmark task through one small round, from its files to the scored test rows.

    python benchmarks/tasks.py --data FOLDER --teacher 'python TEACHER.py --pool {pool} --port {port}' [--task squad ...]

FOLDER has one folder per task with train, validation and test rows, and for some tasks `pool.jsonl` with rows that the
teacher may return. Without a pool, the teacher returns train rows, most of which the run does not use. The command starts
an OpenAI-compatible teacher. The result shows that each task works; so few rows say nothing about gains. It is written to
`results/tasks.json`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import free_port, machine

HERE = Path(__file__).resolve().parent
PADA = Path(sys.executable).with_name("pada")
TASKS = {
    "squad": "squad",
    "arc_challenge": "arc_challenge",
    "hellaswag": "hellaswag",
    "hellaswag_loglikelihood_norm": "hellaswag",
    "gsm8k": "gsm8k",
    "humaneval": "humaneval",
    "mbpp": "mbpp",
    "banking77": "banking77",
    "restaurant8k_slots": "restaurant8k_slots",
}
"""Task -> its folder."""
FEW = {"train": 48, "validation": 24, "test": 24}
LIMITS = {"banking77": {"per_class": 1, "validation": 24, "test": 24}}
"""Task -> its limits, where `FEW` does not fit: train must have every label."""
NEW = 12


def run(task: str, source: Path, command: str, student: str, work: Path) -> dict[str, Any]:
    """Run one task; returns a summary of its report."""
    pool, port = source / "pool.jsonl", free_port()
    config = {
        "task": task,
        "data": {"folder": str(source), "limit": LIMITS.get(task, FEW)},
        "student": {"model": student, "epochs": 1, "learning_rate": 5e-4, "max_length": 768},
        "teacher": {"base_url": f"http://127.0.0.1:{port}/v1", "model": "pool"},
        "loop": {"rounds": 1, "synthetic_per_round": NEW, "max_train_failures": 12, "max_patterns": 4},
        "output": str(work / "run"),
    }
    (work / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    teacher = subprocess.Popen(
        shlex.split(command.format(pool=pool if pool.exists() else source / "train.jsonl", port=port))
    )
    began = time.monotonic()
    try:
        wait_for(port)
        subprocess.run([PADA, "run", work / "run.yaml"], check=True, stdout=subprocess.DEVNULL)
    finally:
        teacher.terminate()
        teacher.wait()
    report = json.loads((work / "run" / "report.json").read_text(encoding="utf-8"))
    return {
        "status": report["status"],
        "metric": report["test"]["metric"],
        "validation": [item["validation"] for item in report["rounds"]],
        "test": [report["test"]["baseline"], report["test"]["best"]],
        "patterns": sum(len(item["patterns"]) for item in report["rounds"]),
        "accepted": report["accepted"],
        "calls": report["cost"]["calls"],
        "seconds": round(time.monotonic() - began),
    }


def wait_for(port: int) -> None:
    """Wait until the teacher listens."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("The teacher does not listen.")


def main() -> None:
    """Run the tasks, write the results, and print them as a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--student", default="builtin:smollm2-135m")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "tasks.json")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    kept = options.output
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for task in options.task:
        with tempfile.TemporaryDirectory() as work:
            results[task] = machine() | run(
                task, options.data.resolve() / TASKS[task], options.teacher, options.student, Path(work)
            )
        kept.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table = Table("task", "status", "validation", "test", "patterns", "new rows", "calls", "s", box=None)
    for task, one in results.items():
        scores = (" -> ".join(f"{100 * value:.0f}" for value in one[name]) for name in ("validation", "test"))
        counts = (str(one[name]) for name in ("patterns", "accepted", "calls", "seconds"))
        table.add_row(task, one["status"], *scores, *counts)
    Console(width=120).print(table, highlight=False)


if __name__ == "__main__":
    main()
