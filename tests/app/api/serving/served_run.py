"""A finished run in a service's home, as its executor would have left it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from app.config.run_config import load_config
from graphs.rounds import Round, judged_rounds
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service
from trainer.artifacts import read_jsonl

RUN = "5e4d3c2b1a0f5e4d3c2b1a0f5e4d3c2b"


def add_served_run(service: Service, folder: Path, owner: str = "", run: str = RUN) -> str:
    """Put a run that `pada run` has made under the service's runs. Its files are linked."""
    paths = RunPaths(folder)
    config = load_config(paths.config).model_dump(mode="json")
    scores = [score_of(each) for each in judged_rounds(paths)]
    service.sql(
        "insert into runs (id, owner, config, dataset, status, reason, waiting_for, view, token, last_event, created) "
        "values (?, ?, ?, null, 'finished', '', null, ?, 0, 0, ?)",
        run, owner, json.dumps(config), json.dumps({"scores": scores, "round": scores[-1]["round"]}), time.time(),
    )  # fmt: skip
    (service.settings.runs / run).symlink_to(folder)
    return run


def score_of(here: Round) -> dict[str, object]:
    decision, evaluation = here.gate(), here.evaluation()
    value = evaluation.validation
    return {
        "round": here.number,
        "metric": "accuracy",
        "validation": value,
        "ci95": list(evaluation.ci95),
        "promoted": decision.promoted,
        "reason": decision.reason,
    }


def prompts_and_answers(folder: Path, round_number: int) -> list[tuple[str, str]]:
    """The validation prompts, each with the prediction that a round's student has made in the run."""
    rows = read_jsonl(RunPaths(folder).data("validation"))
    predictions = Round(RunPaths(folder), round_number).predictions("validation")
    return [(row["prompt"], prediction.text) for row, prediction in zip(rows, predictions, strict=True)]
