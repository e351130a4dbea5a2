"""What is known of a run before it starts: `python -m app.api.runs.plan REPORT < CONFIG.json`.

It runs in a separate process, as `app.api.datasets.check` does: it does what `pada check` does with a resolved config, and
prints the same JSON, with the time. REPORT is the report of an earlier training of such a student, or empty.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.compare.single import document, over_budget, plan_of, seconds_of
from app.config.run_config import RunConfig
from app.prepare.checks.check import check_config
from trainer.artifacts import read_model
from trainer.specs import TrainReport


def plan(config: RunConfig, before: TrainReport | None) -> dict[str, Any]:
    """The findings, the numbers, and `seconds`."""
    checked = check_config(config)
    planned = plan_of(config, checked)
    checked.report.findings += over_budget(config, planned)
    seconds = seconds_of(config, checked, planned, before)
    return document(checked.report, planned) | {"seconds": seconds.model_dump()}


if __name__ == "__main__":
    (report,) = sys.argv[1:]
    earlier = read_model(TrainReport, Path(report)) if report else None
    sys.stdout.write(json.dumps(plan(RunConfig.model_validate_json(sys.stdin.read()), earlier)))
