"""The pages in a browser's place: what they show, who sees them, and what they refuse."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.keys.cookies import COOKIE
from graphs.artifacts import PatternAccount
from graphs.rounds import Round
from graphs.rows import NewRow, Pattern, Strategy
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service, parts, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from trainer.artifacts import write_jsonl
from trainer.records import Example, Prediction, Score

HOSTILE = "<script>alert(1)</script> </script> javascript:alert(1) \u202e"
RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", auth="on")) as running:
        yield running


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


def test_an_empty_service_says_how_to_begin(service: Service) -> None:
    with service.client() as client:
        assert "There is no run yet" in open_page(client, "/")


def test_runs_are_listed_with_scores_cost_and_age_and_filtered_by_status(service: Service) -> None:
    add_run(service)
    with service.client() as client:
        text = open_page(client, "/")
        for part in ("classification", "50.0", "75.0", "1,200 calls", "2 h", "paused"):
            assert part in text
        assert "No run is failed" in open_page(client, "/?status=failed")
        part = client.get("/?part=1").text
        assert part.startswith('<div id="runs"')
        open_page(client, "/?status=nonsense", 404)


def test_older_runs_are_a_page_away(service: Service) -> None:
    for number in range(3):
        add_run(service, run=f"{number}" * 32)
    with service.client() as client:
        text = open_page(client, "/?limit=2")
        older = re.search(r'href="(/\?cursor=[^"]+)">Older', text)
        assert older
        rest = open_page(client, older[1].replace("&amp;", "&"))
    seen = [set(re.findall(r'href="/runs/(\w{32})"', each)) for each in (text, rest)]
    assert seen[0] | seen[1] == {f"{number}" * 32 for number in range(3)}
    assert not seen[0] & seen[1]


@pytest.mark.parametrize("path", ["", "/patterns", "/rows"])
def test_what_rows_and_models_say_does_nothing(service: Service, path: str) -> None:
    add_run(service)
    add_files(service)
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}{path}")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_run_shows_its_state_and_polls_until_it_is_over(service: Service) -> None:
    add_run(service, "running")
    add_run(service, "finished", run="f" * 32)
    with service.client() as client:
        assert 'hx-trigger="every 2s"' in open_page(client, f"/runs/{RUN}")
        over = open_page(client, f"/runs/{'f' * 32}")
    assert "every 2s" not in over
    assert "Better." in over


def test_rows_are_filtered_and_paged(service: Service) -> None:
    add_run(service)
    add_files(service)
    with service.client() as client:
        leaks = open_page(client, f"/runs/{RUN}/rows?verdict=leak&round=1&pattern=r1-p0")
        assert "What it is too close to" in leaks
        assert "0: " not in re.findall(r'class="text">(.{3})', leaks)
        first = open_page(client, f"/runs/{RUN}/rows?limit=1")
        assert "Next rows" in first
        # a form sends its empty choices too
        assert open_page(client, f"/runs/{RUN}/rows?verdict=&round=").count("<article") == 2
        open_page(client, f"/runs/{RUN}/rows?verdict=nonsense", 404)


def test_patterns_have_strategies_and_what_became_of_their_failures(service: Service) -> None:
    add_run(service)
    add_files(service)
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/patterns")
    assert "3 failures: 1 fixed, 2 unmoved, 0 worse" in text


def test_answers_show_what_a_student_fixed_and_broke(service: Service) -> None:
    add_run(service)
    paths = RunPaths(service.settings.runs / RUN)
    right = {0: [True, True, False, False], 1: [True, False, True, False]}
    names = ["still right", "broken", "fixed", "still wrong"]
    write_jsonl(
        paths.data("validation"), [Example(id=name, prompt=HOSTILE, completion="yes") for name in names]
    )
    for number, correct in right.items():
        here = Round(paths, number)
        each = list(zip(names, correct, strict=True))
        write_jsonl(
            here.paths.predictions("validation"),
            [Prediction(id=n, text=f"{number}: {HOSTILE}") for n, _ in each],
        )
        here.write_scores(
            "validation", [Score(id=n, value=float(c), correct=c, explanation="") for n, c in each]
        )
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/answers")
        assert text.count("<article") == 4
        for name in names:
            found = open_page(client, f"/runs/{RUN}/answers?change={name}&round=1")
            (shown,) = re.findall(r"<article.*?</article>", found, re.DOTALL)
            assert f"<span>{name}</span>" in shown
        assert "Next rows" in open_page(client, f"/runs/{RUN}/answers?limit=2")


def test_buttons_act_only_with_the_token_of_their_page(service: Service) -> None:
    add_run(service)
    with service.client() as client:
        token = token_in(open_page(client, f"/runs/{RUN}"))
        for wrong in ("", "nonsense", token[:-1]):
            assert client.post(f"/runs/{RUN}/cancel", data={"token": wrong}).status_code == 403
        assert service.sql("select status from runs") == [("paused",)]
        answer = client.post(f"/runs/{RUN}/cancel", data={"token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{RUN}")
        assert service.sql("select status from runs") == [("cancelled",)]
        again = client.post(f"/runs/{RUN}/resume", data={"token": token})
        assert again.status_code == 409
        assert "cannot be resumed" in again.text


def test_other_sites_can_press_no_button(service: Service) -> None:
    add_run(service)
    with service.client() as client:
        token = token_in(open_page(client, f"/runs/{RUN}"))
        answer = client.post(
            f"/runs/{RUN}/cancel", data={"token": token}, headers={"Origin": "http://evil.example"}
        )
        assert answer.status_code == 403
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert service.sql("select status from runs") == [("paused",)]


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


def test_a_browser_without_a_key_is_led_to_the_sign_in(keyed: Service) -> None:
    with keyed.client(follow_redirects=False) as client:
        for path in ("/", f"/runs/{RUN}", f"/runs/{RUN}/rows"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert "API key" in open_page(client, "/sign-in")
        assert client.post("/sign-in", data={"key": "pada_wrong"}).status_code == 401
        for name in ("htmx.min.js", "page.css", "style.css"):
            assert client.get(f"/assets/{name}").status_code == 200
        open_page(client, "/assets/secret", 404)


def test_a_key_sees_its_own_runs_and_a_reader_has_no_buttons(keyed: Service) -> None:
    reader, reader_key = make_key(keyed, "read")
    writer, writer_key = make_key(keyed, "write")
    add_run(keyed, owner=reader, run="a" * 32)
    add_run(keyed, owner=writer, run="b" * 32)
    with signed_in(keyed, reader_key) as client:
        text = open_page(client, "/")
        assert "a" * 32 in text
        assert "b" * 32 not in text
        assert "<button>Cancel" not in open_page(client, f"/runs/{'a' * 32}")
        open_page(client, f"/runs/{'b' * 32}", 404)
        assert client.post(f"/runs/{'a' * 32}/cancel", data={"token": "x"}).status_code == 403
    with signed_in(keyed, writer_key) as client:
        token = token_in(open_page(client, f"/runs/{'b' * 32}"))
        assert client.post(f"/runs/{'b' * 32}/cancel", data={"token": token}).status_code == 303
        # the token of one key is of no use to another
        assert client.post(f"/runs/{'a' * 32}/cancel", data={"token": token}).status_code == 404


def test_a_cookie_reads_and_does_not_write_over_rest(keyed: Service) -> None:
    owner, key = make_key(keyed, "write")
    add_run(keyed, owner=owner)
    with signed_in(keyed, key) as client:
        assert client.get(f"/v1/runs/{RUN}").status_code == 200
        assert client.post(f"/v1/runs/{RUN}/cancel").status_code == 401


def test_forged_old_and_revoked_cookies_are_nobodys(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        good = client.cookies[COOKIE]
        keyed.sql("update api_keys set revoked = 1")
        assert client.get("/").status_code == 303
    with keyed.client(follow_redirects=False, cookies={COOKIE: good[:-2] + "xx"}) as client:
        assert client.get("/").status_code == 303


def test_signing_out_forgets_the_cookie(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        client.post("/sign-out")
        assert client.get("/").status_code == 303


def test_the_secret_is_the_users_own(keyed: Service) -> None:
    path = keyed.settings.home / "page.secret"
    assert path.stat().st_mode & 0o077 == 0
    assert len(path.read_text()) == 64


def config_of(text: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
    assert found
    return found[1]


def test_a_data_set_is_uploaded_and_a_run_started_from_it(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        uploaded = client.post(
            "/datasets", params={"token": token}, data={"name": "<script>mine"}, files=parts()
        )
        assert uploaded.status_code == 303
        text = open_page(client, uploaded.headers["location"])
        assert "selected>&lt;script&gt;mine" in text
        dataset = uploaded.headers["location"].rpartition("=")[2]
        filled = {"token": token, "dataset": dataset, "config": config_of(text)}
        started = client.post("/new", data=filled)
        assert started.status_code == 303
        assert "queued" in open_page(client, started.headers["location"])
    assert service.sql("select status, dataset from runs") == [("queued", dataset)]


LABELS = ("refund", "delivery", "login")
TABLE = "question;kind\n" + "".join(
    f"Where is number {n} of my {LABELS[n % 3]} things?;{LABELS[n % 3]}\n" for n in range(240)
)


def test_a_table_becomes_a_data_set_with_a_config_that_starts(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post(
            "/prepare", params={"token": token}, files={"file": ("../<b>tickets.csv", TABLE.encode("utf-16"))}
        )
        assert answer.status_code == 200, answer.text
        assert "classification" in answer.text
        assert "<b>tickets" not in answer.text
        dataset = re.search(r'value="(\w{32})" selected', answer.text)
        assert dataset
        config = html.unescape(config_of(answer.text))
        assert "output:" not in config
        assert "data:" not in config
        filled = {"token": token, "dataset": dataset[1], "config": config}
        assert client.post("/new", data=filled).status_code == 303
    (files,) = service.sql("select files from datasets")[0]
    assert sum(split["rows"] for split in json.loads(files).values()) == 240
    assert sorted(path.name for path in (service.settings.datasets / dataset[1]).iterdir()) == [
        "test.jsonl", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("tickets.exe", b"MZ", "whose name ends with"),
        ("tickets", b"a,b", "whose name ends with"),
        ("tickets.csv", b"", "tickets.csv"),
        ("tickets.xlsx", b"no workbook", "tickets.xlsx"),
        ("tickets.json", b"{", "tickets.json"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing(
    service: Service, name: str, content: bytes, fault: str
) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"file": (name, content)})
        assert answer.status_code == 422
        assert fault in answer.text
        assert str(service.settings.home) not in answer.text
    assert service.folders() == []


def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home", max_dataset_bytes=100_000)) as small, small.client() as client:
        token = token_in(open_page(client, "/new"))
        big = {"file": ("tickets.csv", b"a;b\n" * 50_000)}
        assert client.post("/prepare", params={"token": token}, files=big).status_code == 413
        assert client.post("/prepare", files={"file": ("tickets.csv", b"a;b")}).status_code == 403
    assert small.folders() == []


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("task: [", "not valid YAML"),
        ("task: classification\ntask: mbpp", "task"),
        ("just words", "a config is a mapping"),
        ("task: classification", "upload a data set"),
        ("task: classification\ncolour: </textarea><script>alert(1)</script>", "colour"),
    ],
)
def test_a_config_that_cannot_be_used_comes_back_with_the_reason(
    service: Service, config: str, fault: str
) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post("/new", data={"token": token, "config": config})
    assert answer.status_code == 422
    assert fault in answer.text
    assert config_of(answer.text).replace("&lt;", "<").replace("&gt;", ">") == config
    assert "<script>alert" not in answer.text
    assert service.sql("select count(*) from runs") == [(0,)]


def test_a_broken_upload_leaves_nothing_and_says_the_line(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post(
            "/datasets", params={"token": token}, data={"name": "mine"}, files=parts(train='{"id": 1}\n')
        )
        assert answer.status_code == 422
        assert "line 1" in answer.text
        assert client.post("/datasets", data={"name": "mine"}, files=parts()).status_code == 403
    assert service.folders() == []


def test_a_reader_can_start_nothing(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        text = open_page(client, "/new")
        assert "may read only" in text
        assert '<form method="post" action="/new"' not in text
        assert client.post("/new", data={"config": "task: mbpp"}).status_code == 403
        assert client.post("/datasets", data={"name": "mine"}, files=parts()).status_code == 403


def wait_for_review(service: Service, review: dict[str, Any]) -> None:
    add_run(service, waiting_for="review")
    view = json.loads(service.sql("select view from runs")[0][0]) | {"review": review}
    service.sql("update runs set view = ?", json.dumps(view))
    add_files(service)


def answered(service: Service) -> dict[str, Any]:
    ((status, answer),) = service.sql("select status, answer from runs")
    assert status == "queued"
    document: dict[str, Any] = json.loads(answer)
    return document


def test_patterns_are_reviewed_and_only_what_was_changed_is_an_edit(service: Service) -> None:
    wait_for_review(service, {"about": "patterns", "round": 1, "patterns": ["r1-p0"]})
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/review")
        assert "<script>alert" not in text
        filled = {"token": token_in(text), "r1-p0.name": HOSTILE, "r1-p0.instructions": "Two\r\nlines."}
        assert client.post(f"/runs/{RUN}/review", data=filled).status_code == 303
        assert "waits for no review" in open_page(client, f"/runs/{RUN}/review")
        assert client.post(f"/runs/{RUN}/review", data=filled).status_code == 409
    assert answered(service)["edit"] == {"r1-p0": {"instructions": "Two\nlines."}}


def test_a_pattern_is_vetoed_and_an_empty_text_refused(service: Service) -> None:
    wait_for_review(service, {"about": "patterns", "round": 1, "patterns": ["r1-p0"]})
    with service.client() as client:
        token = token_in(open_page(client, f"/runs/{RUN}/review"))
        empty = client.post(f"/runs/{RUN}/review", data={"token": token, "r1-p0.title": ""})
        assert empty.status_code == 422
        assert client.post(f"/runs/{RUN}/review", data={"veto": "r1-p0"}).status_code == 403
        assert client.post(f"/runs/{RUN}/review", data={"token": token, "veto": "r1-p0"}).status_code == 303
    assert answered(service)["veto"] == ["r1-p0"]


def test_rows_are_reviewed_but_not_those_that_nobody_can_accept(service: Service) -> None:
    wait_for_review(service, {"about": "rows", "round": 1, "accepted": 1, "rejected": 1})
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/review")
        assert 'name="reject" value="r1-b0-a1-0"' in text
        assert "r1-b1-a1-0" not in text, "it is a leak"
        token = token_in(text)
        leak = client.post(f"/runs/{RUN}/review", data={"token": token, "accept": "r1-b1-a1-0"})
        assert leak.status_code == 409
        assert "No reviewer can accept" in leak.text
        client.post(f"/runs/{RUN}/review", data={"token": token, "reject": "r1-b0-a1-0"})
    assert answered(service)["reject"] == ["r1-b0-a1-0"]
