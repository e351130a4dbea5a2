"""What do failure patterns know that random rows, chosen in the same way, do not? Compares arms of the loop on a quick student.

    python benchmarks/quick_loop.py --teacher TEACHER.py --data FOLDER/banking77 [--arms random pada] [--draws 20]
    python benchmarks/quick_loop.py --teacher TEACHER.py --data FOLDER/restaurant8k_slots --train 150 --validation 200

Each draw has other train and validation rows, the same for every arm. Everything is the real loop and the real stand-in
teacher, over HTTP; only the student is quick (`quick_student.py`), so that an arm takes seconds. Scores are accuracy on pool
rows that nobody may choose, because the teacher does not have them. The gain is that of the student with all new rows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.config.data import DataSpec, prepare_data
from benchmarks.machine import free_port, machine
from benchmarks.quick_arms import ARMS, Arm
from benchmarks.quick_figures import describe, wrong_by_round
from benchmarks.quick_rows import draw_rows, split_pool
from benchmarks.quick_student import KeptEmbedder, QuickStudent
from graphs.context import Context, LoopSpec
from graphs.loop import build_loop
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from graphs.workspace import Workspace
from trainer.artifacts import read_json, read_jsonl, write_json
from trainer.records import Example
from trainer.specs import StudentSpec
from trainer.tasks import load_task

RESULTS = Path(__file__).parent / "results" / "quick_loop.json"
ROUNDS, ROWS = 3, 50


@contextmanager
def teacher(script: Path, pool: Path) -> Iterator[str]:
    """Start the stand-in teacher on a pool; yields its base URL."""
    port = free_port()
    child = subprocess.Popen([sys.executable, str(script), "--pool", str(pool), "--port", str(port)])
    try:
        url = f"http://127.0.0.1:{port}/v1"
        while not answers(f"{url}/models"):
            if child.poll() is not None:
                raise SystemExit(f"{script} ended with status {child.returncode}")
            time.sleep(0.2)
        yield url
    finally:
        child.terminate()
        child.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url):
            return True
    except OSError:
        return False


async def one_run(
    arm: Arm, seed: int, data: Path, url: str, embedder: KeptEmbedder, task_name: str
) -> dict[str, float]:
    """Run the loop once; returns its scores and what its rows are like."""
    loop = LoopSpec(**{"rounds": ROUNDS, "synthetic_per_round": ROWS, "patience": ROUNDS} | arm.loop)
    context = Context(
        task=task_name,
        task_description="As in the examples.",
        student=StudentSpec(tune="off"),
        evaluate_untrained=False,
        loop=loop,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as name:
        paths, student = RunPaths(Path(name)), QuickStudent(embedder)
        prepare_data(DataSpec(folder=data), task_name, seed, paths)
        ledger = Ledger(paths.ledger, f"quick-{seed}")
        spec = TeacherSpec(base_url=url, model="pool", max_concurrency=4)
        async with ChatTeacher(spec, BudgetSpec(), ledger, os.environ) as chat:
            task = load_task(task_name, [Example(**row) for row in read_jsonl(paths.data("train"))])
            workspace = Workspace(chat, student, embedder, task, loop, paths)
            graph = build_loop(workspace).compile()
            with arm.in_force():
                await graph.ainvoke({}, {"max_concurrency": 16, "recursion_limit": 100}, context=context)
            await workspace.aclose()
        held_out = list(read_jsonl(data / "held_out.jsonl"))
        wrong = wrong_by_round(paths, loop.rounds, student, held_out)
        best = read_json(paths.test_scores)["best_round"]
        return {
            "baseline": 100 * float(1 - wrong[0].mean()),
            "gain": 100 * float(wrong[0].mean() - wrong[-1].mean()),
            "gain of the gate's student": 100 * float(wrong[0].mean() - wrong[best].mean()),
            **describe(paths, loop.rounds, student, held_out, wrong),
        }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Arm -> its figures by draw."""
    embedder = KeptEmbedder(options.cache / f"{options.data.name}.npz")
    pool, held_out = split_pool(options.data, folder / "pool.jsonl")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in options.arms}
    with teacher(options.teacher, pool) as url:
        for seed in range(options.draws):
            data = folder / f"draw-{seed}"
            draw_rows(data, options, held_out, seed)
            for name in options.arms:
                results[name].append(
                    asyncio.run(one_run(ARMS[name], seed, data, url, embedder, options.task))
                )
                print(f"draw {seed}, {name}: gain {results[name][-1]['gain']:.1f}", flush=True)
            embedder.keep()
    return results


def show(results: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, tuple[float, float]]]:
    """The table: means with standard errors, and differences to the first arm, paired by draw."""
    first = next(iter(results.values()))
    rows = {key: [[one[key] for one in draws] for draws in results.values()] for key in first[0]}
    rows["gain over that of the first arm"] = [
        [one["gain"] - other["gain"] for one, other in zip(draws, first, strict=True)]
        for draws in results.values()
    ]
    table = Table("", *results, box=None, pad_edge=False)
    summary: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in results}
    for key, values in rows.items():
        means = np.mean(values, axis=1)
        errors = (
            np.std(values, axis=1, ddof=1) / len(first) ** 0.5 if len(first) > 1 else np.zeros_like(means)
        )
        pairs = [(round(float(m), 2), round(float(e), 2)) for m, e in zip(means, errors, strict=True)]
        table.add_row(key, *(f"{mean:.1f} ({error:.1f})" for mean, error in pairs))
        for name, pair in zip(results, pairs, strict=True):
            summary[name][key] = pair
    Console(width=60 + 20 * len(results)).print(table, highlight=False)
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", type=Path, required=True, help="script of the stand-in teacher")
    parser.add_argument("--data", type=Path, required=True, help="with train, validation and pool.jsonl")
    parser.add_argument("--task", help="default: the folder's name")
    parser.add_argument("--per-class", type=int, default=3, help="train and validation rows of each label")
    parser.add_argument("--train", type=int, help="train rows in all, in place of --per-class")
    parser.add_argument("--validation", type=int, default=200, help="validation rows, with --train")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["random-selected", "pada"], metavar="ARM")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "pada-embeddings")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.task = options.task or options.data.name
    os.environ.setdefault("OPENAI_API_KEY", "none")
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(options, Path(folder))
    summary = show(results)
    kept = read_json(options.output) if options.output.exists() else {}
    kept[options.data.name] = before | {"draws": options.draws, "arms": summary}
    write_json(options.output, kept)


if __name__ == "__main__":
    main()
