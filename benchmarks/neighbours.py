"""How much two trainers on one machine slow each other, with threads that spin while they wait and with threads that soon sleep.

    python benchmarks/neighbours.py [--rows N]

The threads of one operation wait for each other at its end. OpenMP lets them spin for a while, which is fastest as long as
each has a core. Where two processes share the cores, spinning threads keep away those that they wait for. Each setting
trains alone, then two at once, on the rows of `training.py`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.launchers.processes import BRIEF_SPIN
from benchmarks.peers import arguments, conditions, publish, run_alone, write_rows
from benchmarks.training import BATCH, synthetic, work

SETTINGS = {"as it comes": {}, "brief spin": BRIEF_SPIN}


def step_seconds(variables: dict[str, str], trainers: int, rows: Path, student: str) -> list[float]:
    """Median time of a step of each of `trainers` that work at once."""
    os.environ.update(variables)
    try:
        folders = [rows.parent / f"{len(variables)}-{trainers}-{number}" for number in range(trainers)]
        for folder in folders:
            folder.mkdir()
            (folder / rows.name).symlink_to(rows)
        with ThreadPoolExecutor(trainers) as pool:
            seen = pool.map(lambda folder: run_alone(__file__, "ours", folder / rows.name, student), folders)
            return [one["median_step_seconds"] for one in seen]
    finally:
        for name in variables:
            del os.environ[name]


def measure(rows: Path, student: str) -> dict[str, Any]:
    """By setting: a step alone, the steps of two at once, and how many times as long they take."""
    report = {}
    for name, variables in SETTINGS.items():
        (alone,) = step_seconds(variables, 1, rows, student)
        both = step_seconds(variables, 2, rows, student)
        report[name] = {"alone": alone, "two": both, "times": max(both) / alone}
    return report


def main() -> None:
    parser = arguments(__doc__, "neighbours.json")
    parser.add_argument("--rows", type=int, default=112, help="rows, rounded down to whole batches")
    options = parser.parse_args()
    if options.work:
        work(options.work, options.student, options.rows_file, options.output)
        return
    rows = synthetic(options.rows // BATCH * BATCH)
    report = conditions(None, len(rows))
    with tempfile.TemporaryDirectory() as name:
        path = write_rows(Path(name) / "rows.jsonl", rows)
        publish(report | measure(path, options.student), options.output)


if __name__ == "__main__":
    main()
