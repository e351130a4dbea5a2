"""`/new` and `/tables`: from a file to a run that waits."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import socket
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import openpyxl
import pytest
import yaml

from app.api.datasets import tables
from tests.app.api.http_service import Service, parts, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    config_of,
    open_page,
    signed_in,
    token_in,
)


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


def test_a_data_set_is_uploaded_and_a_run_started_from_it(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        token = token_in_address(open_page(client, "/new"))
        settings = client.post(
            "/datasets", params={"token": token}, data={"name": "<script>mine"}, files=parts()
        )
        assert settings.status_code == 200, settings.text
        assert "&lt;script&gt;mine" in settings.text
        assert "<script>mine" not in settings.text
        filled = hidden_fields(settings.text) | {"task": "exact_match", "method": "vanilla"}
        started = client.post("/new", data=filled | {"token": token})
        assert started.status_code == 200, started.text
        assert "queued" in started.text
    (status, dataset, config) = service.sql("select status, dataset, config from runs")[0]
    assert (status, dataset) == ("queued", filled["dataset"])
    assert json.loads(config)["loop"]["method"] == "vanilla"
    assert json.loads(config)["teacher"] is None


def test_settings_that_cannot_be_come_back_with_the_reason(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        token = token_in_address(open_page(client, "/new"))
        settings = client.post("/datasets", params={"token": token}, data={"name": "mine"}, files=parts())
        filled = hidden_fields(settings.text) | {"token": token}
        for changes, fault in [
            ({"rounds": "many"}, "Rounds: Input should be a valid integer"),
            ({"base_url": "ftp://x"}, "an address such as https://host/v1"),
            ({"other_student": "/etc/model"}, "lies in no folder of PADA_ALLOWED_PATHS"),
            ({"api_key_env": "HOME"}, "may not go to https://api.openai.com/v1"),
            ({"model": "x: y # {loop: [vanilla]}", "max_usd": ""}, ""),
        ]:
            answer = client.post("/new", data=filled | changes)
            if fault:
                assert answer.status_code == 422, changes
                assert fault in html.unescape(answer.text), changes
                plan = client.get("/new/plan", params=filled | changes)
                assert fault in html.unescape(plan.text), changes
    runs = [json.loads(config) for (config,) in service.sql("select config from runs")]
    assert [(run["teacher"]["model"], run["loop"]["method"]) for run in runs] == [
        ("x: y # {loop: [vanilla]}", "pada")
    ], "a text of a field is a text of the config"


LABELS = ("refund", "delivery", "login")
TABLE = "number;question;kind\n" + "".join(
    f"{n};Where is number {n} of my {LABELS[n % 3]} things?;{LABELS[n % 3]}\n" for n in range(240)
)
PRIVATE = TABLE + "240;Write to eva.muster@example.com about my login;login\n"


def send_table(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    token = token_in_address(open_page(client, "/new"))
    return client.post("/prepare", params={"token": token}, files={"file": (name, content)})


def chosen(text: str, name: str) -> str:
    """What stands in a choice of the page."""
    select = re.search(rf'<select id="{name}" [^>]*>(.*?)</select>', text, re.DOTALL)
    assert select, name
    options = re.findall(r"<option value=\"[^\"]*\"( selected)?>([^<]*)", select[1])
    return html.unescape(next((text for marked, text in options if marked), options[0][1]))


def take(client: httpx.Client, page: httpx.Response, **changes: Any) -> httpx.Response:
    """Press the button of a page of a table, with what was changed in its fields."""
    button = re.search(r'formaction="([^"]+)" name="token" value="([^"]+)"', page.text)
    assert button, page.text
    said = dict(parse_qsl(urlsplit(html.unescape(button[1])).query))
    return client.post(html.unescape(button[1]), data=said | changes | {"token": button[2]})


def test_a_table_is_looked_at_corrected_and_becomes_a_run(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        seen = send_table(client, "../<b>tickets.csv", TABLE.encode("utf-16"))
        assert seen.status_code == 200, seen.text
        assert "<b>tickets" not in seen.text
        assert "Where is number 0 of my refund things?" in seen.text
        assert {
            name: chosen(seen.text, name) for name in ("prompt-0", "answer", "task", "separator", "encoding")
        } == {
            "prompt-0": "question (as guessed)",
            "answer": "kind (as guessed)",
            "task": "classification (as guessed)",
            "separator": "; (as guessed)",
            "encoding": "utf-16 (as guessed)",
        }
        assert "by name" in seen.text
        assert re.search(r"show \d+\.\d points or more", seen.text)
        assert service.sql("select count(*) from datasets where purpose is null") == [(0,)], "only looked at"

        changed = take(client, seen, answer="number", task="exact_match")
        assert "You had changed something" in changed.text
        assert chosen(changed.text, "answer") == "number"
        assert "you said so" in changed.text
        assert service.sql("select count(*) from datasets where purpose is null") == [(0,)]

        settings = take(client, seen, test="50")
        settings = take(client, settings)
        assert "What should be trained?" in settings.text
        fields = hidden_fields(settings.text)
        assert (fields["task"], fields["student"]) == ("classification", "smollm2-135m")
        started = client.post("/new", data=fields | {"token": token_of_start(settings.text)})
        assert "queued" in started.text
    (files,) = service.sql("select files from datasets where purpose is null")[0]
    rows = {split: each["rows"] for split, each in json.loads(files).items()}
    assert (sum(rows.values()), rows["test"]) == (240, 50)
    assert sorted(path.name for path in (service.settings.datasets / fields["dataset"]).iterdir()) == [
        "test.jsonl", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip


def token_of_start(text: str) -> str:
    found = re.search(r'formmethod="post" name="token" value="([^"]+)"', text)
    assert found
    return found[1]


def token_in_address(text: str) -> str:
    found = re.search(r'action="/prepare\?token=([^"]+)"', text)
    assert found
    return unquote(found[1])


def test_a_workbook_with_a_cover_sheet(service: Service) -> None:
    book = openpyxl.Workbook()
    book.active.title = "About"
    for line in (["Tickets of 2025"], ["Exported by", "Jo"], ["Version", 3]):
        book.active.append(line)
    sheet = book.create_sheet("Tickets")
    for row in TABLE.splitlines():
        sheet.append(row.split(";"))
    content = io.BytesIO()
    book.save(content)
    with service.client(follow_redirects=True) as client:
        seen = send_table(client, "tickets.xlsx", content.getvalue())
        assert chosen(seen.text, "sheet") == "Tickets (as guessed)"
        assert "it is the first with a table" in seen.text
        cover = client.get(str(seen.url), params={"sheet": "About"})
        assert "To read another, set “Sheet”: `Tickets`" in cover.text
        assert "Take these rows" not in cover.text
        again = client.get(str(seen.url), params={"sheet": "Tickets"})
        assert chosen(again.text, "sheet") == "Tickets"
        assert "Take these rows" in again.text


def test_a_separator_that_is_not_found_out_can_be_named(service: Service) -> None:
    odd = TABLE.replace(";", "!")
    with service.client(follow_redirects=True) as client:
        seen = send_table(client, "tickets.csv", odd.encode())
        assert "only one column" in seen.text
        named = client.get(str(seen.url), params={"separator": "!"})
        assert "Where is number 0 of my refund things?" in named.text
        wrong = client.get(str(seen.url), params={"validation": "some"})
        assert (wrong.status_code, "Validation rows: Input should be" in wrong.text) == (422, True)


@pytest.mark.student
def test_the_plan_says_what_a_check_finds_and_what_a_run_takes(tmp_path: Path, student: Path) -> None:
    settings = settings_for(tmp_path / "home", allowed_paths=[student])
    with serve(settings) as service, service.client(follow_redirects=True) as client:
        page = take(client, send_table(client, "tickets.csv", PRIVATE.encode()))
        fields = hidden_fields(page.text) | {
            "other_student": str(student),
            "base_url": "http://127.0.0.1:9/v1",
        }
        fields |= {"api_key_env": "", "max_usd": "", "max_calls": "100"}
        text = html.unescape(client.get("/new/plan", params=fields, timeout=300).text)
    assert "A run can start." in text
    assert re.search(r"\d+ test rows show a true difference of \d+\.\d points or more", text)
    assert "Rows seem to hold personal data." in text
    assert re.search(r"\w+\.jsonl, line \d+: an e-mail address", text)
    assert "unknown price" in text
    assert "Teacher calls" in text
    assert str(service.settings.home) not in text
    config = yaml.safe_load(re.search(r"<code>(.*?)</code>", text, re.DOTALL)[1])  # type: ignore[index]
    assert config["teacher"] == {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "gpt-5-mini",
        "api_key_env": "",
    }
    assert config["budget"] == {"max_calls": 100}
    assert not {"output", "data"} & set(config)


def test_files_that_were_only_looked_at_are_deleted_after_a_day_or_where_there_are_many(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.client(follow_redirects=True) as client:
        seen = send_table(client, "tickets.csv", TABLE.encode())
        assert len(service.folders()) == 1
        service.sql("update datasets set created = created - 90000")
        send_table(client, "tickets.csv", TABLE.encode())
        assert len(service.folders()) == 1
        gone = client.get(str(seen.url))
        assert (gone.status_code, "It is kept for a day" in gone.text) == (404, True)
        monkeypatch.setattr(tables, "MOST_KEPT", 0)
        send_table(client, "tickets.csv", TABLE.encode())
        assert len(service.folders()) == 1


def test_another_key_does_not_see_the_file(keyed: Service) -> None:
    _, first = make_key(keyed, "write")
    _, second = make_key(keyed, "write")
    with signed_in(keyed, first) as client:
        address = send_table(client, "tickets.csv", TABLE.encode()).headers["location"]
        assert "number 0" in open_page(client, address)
    with signed_in(keyed, second) as client:
        assert "There is no file" in open_page(client, address, 404)
        assert client.post(address, data={}).status_code == 403


def packed_workbook(size: int) -> bytes:
    """A workbook by its names, with a sheet that unpacks to `size` bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * size)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("tickets.exe", b"MZ", "whose name ends with"),
        ("tickets", b"a,b", "whose name ends with"),
        ("tickets.csv", b"", "tickets.csv"),
        ("tickets.xlsx", b"no workbook", "tickets.xlsx"),
        ("tickets.json", b"{", "tickets.json"),
        pytest.param(
            "tickets.csv.gz",
            gzip.compress(b"text,label\n" + b"a" * (65 << 20)),
            "unpacks to more than 64 MB",
            id="gzip bomb",
        ),
        pytest.param(
            "tickets.xlsx", packed_workbook(65 << 20), "unpacks to more than 64 MB", id="workbook bomb"
        ),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing(
    service: Service, name: str, content: bytes, fault: str
) -> None:
    with service.client() as client:
        token = token_in_address(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"file": (name, content)})
        assert answer.status_code == 422
        assert fault in answer.text
        assert str(service.settings.home) not in answer.text
    assert service.folders() == []


def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home", max_dataset_bytes=100_000)) as small, small.client() as client:
        token = token_in_address(open_page(client, "/new"))
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
        token = token_in(open_page(client, "/new/yaml"))
        answer = client.post("/new/yaml", data={"token": token, "config": config})
    assert answer.status_code == 422
    assert fault in answer.text
    assert html.unescape(config_of(answer.text)).removeprefix("\n") == config
    assert "<script>alert" not in answer.text
    assert service.sql("select count(*) from runs") == [(0,)]


def test_a_broken_upload_leaves_nothing_and_says_the_line(service: Service) -> None:
    with service.client() as client:
        token = token_in_address(open_page(client, "/new"))
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
        assert '<form method="post" action="/prepare' not in text
        assert client.post("/new", data={"dataset": "x"}).status_code == 403
        assert client.post("/new/yaml", data={"config": "task: mbpp"}).status_code == 403
        assert client.get("/new/plan").status_code == 403
        assert client.post("/datasets", data={"name": "mine"}, files=parts()).status_code == 403


def test_a_strangers_file_is_not_even_read(keyed: Service) -> None:
    """Refused by the headers: the rest of the body never comes."""
    address = httpx.URL(keyed.url)
    request = (
        f"POST /prepare?token=x HTTP/1.1\r\nHost: {address.netloc.decode()}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\n"
    )
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 303")


def test_a_form_without_a_file_says_so(service: Service) -> None:
    with service.client() as client:
        token = token_in_address(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"other": ("a.csv", b"a,b")})
    assert answer.status_code == 422
    assert "A file is needed" in answer.text
