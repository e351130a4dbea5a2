"""What a service has for a browser to look at."""

from __future__ import annotations

import json
from typing import Any

from graphs.rounds import Round
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service, upload
from tests.app.api.pages.browsing import HOSTILE, RUN, add_files, add_run
from tests.fakes import train_report
from trainer.artifacts import write_json, write_jsonl
from trainer.progress import ProgressLog
from trainer.records import Example, Prediction, Score

LONG = "donaudampfschifffahrtsgesellschaft" * 4
"""A word that fits no narrow window."""


def add_everything(service: Service) -> None:
    """A run with scores, losses, spending, patterns, rows, answers and events, and a data set."""
    with service.client() as client:
        answer = upload(client, name=f"{HOSTILE.rstrip(chr(0x202E) + ' ')} {LONG[:100]}")
        assert answer.status_code == 201, answer.text
    add_run(service)
    add_files(service)
    add_answers(service)
    add_training(service)
    add_events(service)


def add_answers(service: Service) -> None:
    """The validation rows with the answers of two students, one row for each change."""
    paths = RunPaths(service.settings.runs / RUN)
    names = ["still right", "broken", "fixed", "still wrong"]
    texts = ["about parcels", f"about {LONG}", HOSTILE, "about money"]
    rows = [
        Example(id=name, prompt=text, completion="yes") for name, text in zip(names, texts, strict=True)
    ]
    write_jsonl(paths.data("validation"), rows)
    for number, correct in enumerate([(True, True, False, False), (True, False, True, False)]):
        here = Round(paths, number)
        answers = [
            Prediction(id=name, text="yes" if right else f"no {number} {HOSTILE}")
            for name, right in zip(names, correct, strict=True)
        ]
        write_jsonl(here.paths.predictions("validation"), answers)
        scores = [
            Score(id=name, value=float(right), correct=right, explanation="")
            for name, right in zip(names, correct, strict=True)
        ]
        here.write_scores("validation", scores)


def add_training(service: Service) -> None:
    """Two trained students with their losses."""
    paths = RunPaths(service.settings.runs / RUN)
    for number in (0, 1):
        folder = paths.round(number).student
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "report.json", train_report(folder, 100 + number))
        log = ProgressLog(paths.round(number).progress)
        for step in range(1, 9):
            log.write(stage="train", step=step, steps=8, loss=1 / step, learning_rate=0.001)


def add_events(service: Service) -> None:
    """What was spent, and a warning."""
    events = [("spent", {"calls": n, "usd": n / 10, "tokens": n * 100}) for n in (1, 2, 3)]
    events.append(("trainer", {"stage": "warning", "message": f"{HOSTILE} {LONG}"}))  # type: ignore[dict-item]
    for number, (kind, data) in enumerate(events, 1):
        service.sql(
            "insert into run_events (run, id, time, type, data) select ?, ?, created + ?, ?, ? from runs where id = ?",
            RUN, number, 60 * number, kind, json.dumps(data), RUN,
        )  # fmt: skip


def wait_for_review(service: Service, review: dict[str, Any]) -> None:
    """A run that waits for a person."""
    add_run(service, waiting_for="review")
    view = json.loads(service.sql("select view from runs")[0][0]) | {"review": review}
    service.sql("update runs set view = ?", json.dumps(view))
    add_files(service)
