"""What a service has for a browser to look at."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.db.api_keys import Scope
from graphs.run_paths import RunPaths
from tests.app.api.comparisons.folders import add_comparison, finish, say, scored, started
from tests.app.api.http_service import Service, upload
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import HOSTILE, LONG, RUN, add_answers, add_files, add_run
from tests.fakes import train_report
from trainer.artifacts import write_json
from trainer.progress import ProgressLog


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
    add_comparisons(service)


def add_comparisons(service: Service) -> None:
    """One at work and one that has ended, with hostile texts."""
    root = service.settings.home / "comparisons"
    at_work = add_comparison(root / f"at work {LONG[:60]}", task=HOSTILE, student=LONG)
    say(at_work, "pada", 0, started(), scored(0, 0.5), scored(1, 0.75))
    say(at_work, "random", 1, started(), {"type": "run", "status": "failed", "reason": f"{HOSTILE} {LONG}"})
    finish(add_comparison(root / "ended"))


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
    spent = ({"calls": n, "usd": n / 10, "tokens": n * 100} for n in (1, 2, 3))
    events: list[tuple[str, dict[str, Any]]] = [("spent", one) for one in spent]
    events.append(("trainer", {"stage": "warning", "message": f"{HOSTILE} {LONG}"}))
    for number, (kind, data) in enumerate(events, 1):
        service.sql(
            "insert into run_events (run, id, time, type, data) select ?, ?, created + ?, ?, ? from runs where id = ?",
            RUN, number, 60 * number, kind, json.dumps(data), RUN,
        )  # fmt: skip


def new_key(service: Service, scope: Scope) -> tuple[str, str]:
    """Id and text of a new key, made in another thread: playwright keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make_key, service, scope).result()
