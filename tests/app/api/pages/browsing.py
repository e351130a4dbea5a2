"""What a browser does with the pages, and runs for it to look at."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from graphs.artifacts import PatternAccount
from graphs.rounds import Round
from graphs.rows import NewRow, Pattern, Strategy
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service
from trainer.artifacts import write_jsonl
from trainer.records import Example, Prediction, Score

HOSTILE = "<script>alert(1)</script> </script> javascript:alert(1) \u202e"
LONG = "donaudampfschifffahrtsgesellschaft" * 4
"""A word that fits no narrow window."""
RUN = "0123456789abcdef0123456789abcdef"
LABELS = ("refund", "delivery", "login")
TABLE = "number;question;kind\n" + "".join(
    f"{n};Where is number {n} of my {LABELS[n % 3]} things?;{LABELS[n % 3]}\n" for n in range(240)
)
"""A file of rows to start from."""


def add_run(service: Service, status: str = "paused", owner: str = "", run: str = RUN, **more: Any) -> str:
    """A run as the executor would have left it, in the database."""
    values = {"waiting_for": None, "reason": f"Because of {HOSTILE}.", **more}
    config = '{"task": "classification", "loop": {"method": "pada"}}'
    view = (
        '{"scores": [{"round": 0, "metric": "accuracy", "validation": 0.5, "ci95": [0.4, 0.6], "promoted": true, '
        '"reason": "It is the baseline."}, {"round": 1, "metric": "accuracy", "validation": 0.75, "ci95": [0.6, 0.8], '
        '"promoted": true, "reason": "Better."}], "cost": {"calls": 1200, "usd": 0.5, "tokens": 34567, "retries": 2}}'
    )
    service.sql(
        "insert into runs (id, owner, config, dataset, status, reason, waiting_for, view, token, last_event, created) "
        "values (?, ?, ?, null, ?, ?, ?, ?, 0, 0, strftime('%s','now') - 7300)",
        run, owner, config, status, values["reason"], values["waiting_for"], view,
    )  # fmt: skip
    return run


def add_files(service: Service, run: str = RUN) -> None:
    """A round with one pattern and two rows, all of whose texts are hostile."""
    paths = RunPaths(service.settings.runs / run)
    here = Round(paths, 1)
    pattern = Pattern(
        id="r1-p0", round=1, name=HOSTILE, description=HOSTILE, failures=["a", "b", "c"], centroid=[0.0]
    )
    write_jsonl(here.paths.patterns, [pattern])
    here.write_strategy(Strategy(pattern="r1-p0", title=HOSTILE, instructions=HOSTILE))
    here.write_accounts({"r1-p0": PatternAccount(fixed=1, unmoved=2, regressed=0, matched=None)})
    rows = [
        NewRow(
            id=f"r1-b{n}-a1-0", prompt=f"{n}: {HOSTILE}", completion=HOSTILE, round=1, batch=f"r1-b{n}", origin="pattern",
            pattern="r1-p0", attempt=1, verdict=verdict, reason="Because.", evidence=evidence,
        )
        for n, (verdict, evidence) in enumerate([("accepted", None), ("leak", {"id": "x", "split": "test", "text": HOSTILE})])
    ]  # fmt: skip
    write_jsonl(here.paths.rows, rows)


def add_answers(service: Service) -> None:
    """The validation rows with the answers of two students, one row for each change."""
    paths = RunPaths(service.settings.runs / RUN)
    names = ["still right", "broken", "fixed", "still wrong"]
    texts = ["about parcels", f"about {LONG}", HOSTILE, "about money"]
    rows = [Example(id=name, prompt=text, completion="yes") for name, text in zip(names, texts, strict=True)]
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


def wait_for_review(service: Service, review: dict[str, Any]) -> None:
    """A run that waits for a person, with files as `add_files` makes them."""
    add_run(service, waiting_for="review")
    view = json.loads(service.sql("select view from runs")[0][0]) | {"review": review}
    service.sql("update runs set view = ?", json.dumps(view))
    add_files(service)


def open_page(client: httpx.Client, path: str, status: int = 200) -> str:
    """The text of a page, which has the headers that keep it from doing anything."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! src=)|\son\w+=|style=", answer.text), "inline code or style"
    return answer.text


def token_in(text: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found
    return found[1]


def config_of(text: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
    assert found
    return found[1]


@contextmanager
def signed_in(service: Service, key: str) -> Iterator[httpx.Client]:
    with service.client(follow_redirects=False) as client:
        answer = client.post("/sign-in", data={"key": key})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert key not in cookie
        yield client


def hidden_fields(text: str) -> dict[str, str]:
    """The fields of the form of settings, as a browser would send them."""
    form = re.search(r'<form [^>]*id="settings".*?</form>', text, re.DOTALL)
    assert form
    fields = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form[0]))
    for select in re.finditer(r'<select id="[^"]+" name="([^"]+)">(.*?)</select>', form[0], re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', select[2])
        assert chosen
        fields[select[1]] = chosen[1] if chosen[1] is not None else chosen[2]
    return {name: html.unescape(value) for name, value in fields.items()}


def chosen(text: str, name: str) -> str:
    """What stands in a choice of the page."""
    select = re.search(rf'<select id="{name}" [^>]*>(.*?)</select>', text, re.DOTALL)
    assert select, name
    options = re.findall(r"<option value=\"[^\"]*\"( selected)?>([^<]*)", select[1])
    return html.unescape(next((text for marked, text in options if marked), options[0][1]))


def token_in_address(text: str) -> str:
    found = re.search(r'action="/prepare\?token=([^"]+)"', text)
    assert found
    return unquote(found[1])


def token_of_start(text: str) -> str:
    """The token of the button that starts a run."""
    found = re.search(r'formmethod="post" name="token" value="([^"]+)"', text)
    assert found
    return found[1]


def send_table(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    token = token_in_address(open_page(client, "/new"))
    return client.post("/prepare", params={"token": token}, files={"file": (name, content)})


def take(client: httpx.Client, page: httpx.Response, **changes: Any) -> httpx.Response:
    """Press the button of a page of a table, with what was changed in its fields."""
    button = re.search(r'formaction="([^"]+)" name="token" value="([^"]+)"', page.text)
    assert button, page.text
    said = dict(parse_qsl(urlsplit(html.unescape(button[1])).query))
    return client.post(html.unescape(button[1]), data=said | changes | {"token": button[2]})
