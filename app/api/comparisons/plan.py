"""What is known of a comparison before it starts: `python -m app.api.comparisons.plan REPORT < COMPARISON.json`.

It runs in a separate process, as `app.api.runs.plan` does: what `pada check` says of the rows and the teacher, and the
plan of `pada compare --plan`. REPORT is the report of an earlier training of such a student, or empty: nothing is trained.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.compare.plan import Plan, estimate_plan, total
from app.compare.probe import Throughput
from app.compare.runs import Runs
from app.compare.single import faulty_rows
from app.compare.spec import Comparison
from app.prepare.checks.check import check_config
from trainer.artifacts import read_model
from trainer.specs import TrainReport


def plan(comparison: Comparison, before: TrainReport | None) -> dict[str, Any]:
    """The findings, and the plan where the rows have no fault."""
    # the methods differ in what they ask the teacher, not in their rows: one of them stands for all
    checked = check_config(next(reversed(comparison.configs.values())))
    planned = None if faulty_rows(checked) else plan_of(comparison, before)
    whole = total("all", planned.methods) if planned else None
    return checked.report.model_dump(mode="json", by_alias=True) | {
        "ok": not checked.report.faults,
        "plan": planned.model_dump(mode="json") if planned else None,
        "total": whole.model_dump(mode="json") if whole else None,
    }


def plan_of(comparison: Comparison, before: TrainReport | None) -> Plan:
    """The plan, made in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(comparison, Path(folder), lambda job, event: None)
        return estimate_plan(runs, runs.prepare(), Throughput.of(before) if before else None)


if __name__ == "__main__":
    (report,) = sys.argv[1:]
    earlier = read_model(TrainReport, Path(report)) if report else None
    sys.stdout.write(json.dumps(plan(Comparison.read(json.load(sys.stdin)), earlier)))
