"""How much time and memory the loop itself takes, without the student's work.

The real loop runs on generated data in its own process. Only the student is scripted. The teacher is `loop_teacher.py` in
another process, or any OpenAI-compatible server whose URL you give.

*Latency.* The teacher takes 400 ms, with 16 calls in flight. The wall time of the run is compared with its critical path,
which is computed only from the teacher's log. The stages of a round run one after the other, so the path is the sum over
the stages. No schedule can finish a stage faster than the larger of these two bounds:

- its longest chain of dependent calls (a batch is written, judged, written again, judged again; in all other stages a
  chain is one call);
- the total time of its calls divided by the number of calls in flight.

The student's work does not count. Each training takes ten idle seconds, because a real one takes at least that long and
the loop uses the time (the embedder loads). Everything else counts: checks, embeddings, files, checkpoints, stages
without calls, the report.

*Growth.* The teacher answers immediately. One round runs at several sizes, and time and peak memory are reported per row.
The time includes the embedding process; its memory is reported separately.

*Resume.* A fan-out of thousands of branches is killed with SIGKILL in the middle and started again. Only requests that
were in flight may be sent twice.

    python benchmarks/loop.py                    all, into benchmarks/results/loop.json
    python benchmarks/loop.py latency growth     some of latency, growth, resume
    python benchmarks/loop.py latency --teacher http://127.0.0.1:8399/v1 --log CALLS.jsonl --latency-rows 500
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.config.run_config import parse_config
from app.engine.events import Event
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from benchmarks.loop_student import ScriptedStudent, make_data
from benchmarks.machine import machine
from trainer.artifacts import read_json, read_jsonl, write_json

HERE = Path(__file__).parent
IN_FLIGHT = 16
SPLIT_ROWS = 400
"""Rows of each split, where at least half as many are asked for. The rows of all three splits are embedded once."""
SIZES = (200, 1000, 5000, 20000)
BATCH = 10
RESUME_BATCH = 5
STAGE = {
    "TaskDescription": "analyze_errors",
    "ErrorAnalysis": "analyze_errors",
    "FailurePattern": "find_patterns",
    "AugmentationStrategy": "draft_strategies",
    "SampleBatch": "augment",
    "QualityReport": "augment",
}


def config(folder: Path, base_url: str, rows: int, rounds: int, batch: int) -> dict[str, Any]:
    """The run's config document."""
    return {
        "task": "classification",
        "data": {"folder": str(folder / "data")},
        "student": {"tune": "off"},
        "teacher": {"base_url": base_url, "model": "pool", "max_concurrency": IN_FLIGHT},
        "loop": {
            "rounds": rounds,
            "synthetic_per_round": rows,
            "samples_per_batch": batch,
            "max_analyses": 200,
            "max_train_failures": 300,
            "patience": rounds,
        },
        "output": str(folder / "run"),
    }


def work(document: Path, training: float) -> None:
    """The measured process: one run whose trainings take `training` seconds. Prints the figures as one JSON line."""
    settings = parse_config(read_json(document), document.name, document.parent)
    assert settings.output

    def silent(_: Event) -> None: ...

    student = ScriptedStudent(training)
    began = time.perf_counter()
    report = asyncio.run(Runner(settings, settings.output, silent, RunOptions(student=student)).run())
    # the student's work does not count; what the loop did at the same time cost nothing
    seconds = time.perf_counter() - began - report.seconds["fine_tune"]
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "seconds": seconds,
        "stages": report.seconds,
        "accepted": report.accepted,
        "calls": report.cost.calls,
        "cpu_seconds": own.ru_utime + own.ru_stime,
        "cpu_seconds_embedder": children.ru_utime + children.ru_stime,
        "peak_mb": own.ru_maxrss / 1024,
        "peak_mb_embedder": children.ru_maxrss / 1024,
        "folder_mb": sum(path.stat().st_size for path in settings.output.rglob("*") if path.is_file()) / 1e6,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


@contextmanager
def teacher(log: Path, latency: float) -> Iterator[str]:
    """Start `loop_teacher.py`; yields its base URL."""
    command = [sys.executable, str(HERE / "loop_teacher.py"), "--log", str(log), "--latency", str(latency)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    try:
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait()


def prepare(
    folder: Path, base_url: str, rows: int, rounds: int, batch: int = BATCH, training: float = 0.0
) -> list[str]:
    """Write data and config of a run; returns the command that runs it in a new process."""
    make_data(folder / "data", min(SPLIT_ROWS, 2 * rows))
    write_json(folder / "config.json", config(folder, base_url, rows, rounds, batch))
    return [sys.executable, __file__, "--work", str(folder / "config.json"), "--training", str(training)]


def measure(command: list[str], rows: int) -> dict[str, Any]:
    """One run in a new process. `wall` is the lifetime of the process, imports included."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wall = time.perf_counter() - began
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"rows": rows, "wall": wall, **figures}


def critical_path(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each stage in the order of the log: name, number of calls, and the two bounds in seconds."""
    stages = []
    for name, stage in groupby(sorted(calls, key=lambda call: call["began"]), lambda c: STAGE[c["stage"]]):
        chains: dict[Any, float] = defaultdict(float)
        times = []
        for number, call in enumerate(stage):
            seconds = call["ended"] - call["began"]
            times.append(seconds)
            chains[call["batch"] or number] += seconds
        chain, work = max(chains.values()), sum(times) / IN_FLIGHT
        stages.append({"stage": name, "calls": len(times), "chain": chain, "work": work})
    return stages


def latency(
    rows: int, rounds: int, training: float, given: str | None, given_log: Path | None
) -> dict[str, Any]:
    """The run against a slow teacher, and its critical path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = given_log or folder / "calls.jsonl"
        with nullcontext(given) if given else teacher(log, 0.4) as base_url:
            figures = measure(prepare(folder, base_url, rows, rounds, training=training), rows)
        calls = list(read_jsonl(log))
    stages: dict[str, dict[str, Any]] = {
        name: {"seconds": s, "critical": 0.0, "calls": 0} for name, s in figures["stages"].items()
    }
    for part in critical_path(calls):
        stages[part["stage"]]["critical"] += max(part["chain"], part["work"])
        stages[part["stage"]]["calls"] += part["calls"]
    critical = sum(stage["critical"] for stage in stages.values())
    repeated = len(calls) - len({call["body"] for call in calls})
    figures |= {
        "stages": stages,
        "critical": critical,
        "ratio": figures["seconds"] / critical,
        "cpu_ms_per_call": 1000 * figures["cpu_seconds"] / figures["calls"],
        "repeated_bodies": repeated,
    }
    return figures


def show_latency(figures: dict[str, Any]) -> None:
    """The table by stage."""
    print(f"\n{'stage':18}{'calls':>7}{'seconds':>9}{'critical':>10}{'ratio':>7}")
    for name, stage in sorted(figures["stages"].items(), key=lambda item: -item[1]["seconds"]):
        ratio = f"{stage['seconds'] / stage['critical']:7.2f}" if stage["critical"] else ""
        print(f"{name:18}{stage['calls']:7}{stage['seconds']:9.2f}{stage['critical']:10.2f}{ratio}")
    print(
        f"{'the run':18}{figures['calls']:7}{figures['seconds']:9.2f}{figures['critical']:10.2f}{figures['ratio']:7.2f}"
    )
    print(f"{figures['accepted']} rows accepted; {figures['cpu_ms_per_call']:.1f} ms of our CPU time a call")


def growth(sizes: list[int]) -> list[dict[str, Any]]:
    """One round at each size, with a teacher that answers immediately."""
    results = []
    print(
        f"\n{'rows':>7}{'accepted':>10}{'seconds':>9}{'ms/row':>8}{'CPU ms/row':>12}{'embedder':>10}{'peak MB':>9}"
    )
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name, teacher(Path(name) / "calls.jsonl", 0.0) as base_url:
            one = measure(prepare(Path(name), base_url, rows, 1), rows)
        one["ms_per_row"] = 1000 * one["seconds"] / one["accepted"]
        results.append(one)
        print(
            f"{rows:7}{one['accepted']:10}{one['seconds']:9.1f}{one['ms_per_row']:8.2f}"
            f"{1000 * one['cpu_seconds'] / one['accepted']:12.2f}{one['cpu_seconds_embedder']:10.1f}{one['peak_mb']:9.0f}",
            flush=True,
        )
    return results


def resume(branches: int) -> dict[str, Any]:
    """A fan-out of many branches. It is killed when half of its batches are answered, and started again."""
    rows = branches * RESUME_BATCH
    with tempfile.TemporaryDirectory() as name, teacher(Path(name) / "calls.jsonl", 0.0) as base_url:
        log, command = Path(name) / "calls.jsonl", prepare(Path(name), base_url, rows, 1, RESUME_BATCH)
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while log.read_bytes().count(b"SampleBatch") < branches / 2 and child.poll() is None:
            time.sleep(0.5)
        child.kill()
        child.wait()
        before = time.perf_counter() - began
        answered = log.read_bytes().count(b"\n")
        figures = measure(command, rows)
        bodies = [call["body"] for call in read_jsonl(log)]
    figures |= {
        "branches": branches,
        "calls_before_kill": answered,
        "seconds_before_kill": before,
        "calls_after_kill": len(bodies) - answered,
        "repeated_bodies": len(bodies) - len(set(bodies)),
    }
    print(
        f"\n{branches} branches, killed after {answered} calls and {before:.1f} s; the rest: "
        f"{figures['calls_after_kill']} calls in {figures['wall']:.1f} s, {figures['accepted']} rows accepted, "
        f"{figures['repeated_bodies']} requests sent twice (at most {IN_FLIGHT} were in flight)"
    )
    return figures


def main() -> None:
    """Measure, show, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", help="latency, growth, resume; default: all")
    parser.add_argument("--latency-rows", type=int, default=1000, help="rows asked for in each round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of `latency`")
    parser.add_argument("--training", type=float, default=10.0, help="seconds of each training of `latency`")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--branches", type=int, default=4000, help="branches of `resume`")
    parser.add_argument("--teacher", help="base URL of another teacher, for `latency`")
    parser.add_argument("--log", type=Path, help="the log of that teacher, in the format of loop_teacher.py")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "loop.json")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.training)
        return
    parts = options.parts or ["latency", "growth", "resume"]
    results = read_json(options.output) if options.output.exists() else {}
    before = machine()
    if "latency" in parts:
        results["latency"] = before | latency(
            options.latency_rows, options.rounds, options.training, options.teacher, options.log
        )
        show_latency(results["latency"])
    if "growth" in parts:
        results["growth"] = [before | one for one in growth(options.sizes)]
    if "resume" in parts:
        results["resume"] = before | resume(options.branches)
    write_json(options.output, results)


if __name__ == "__main__":
    main()
