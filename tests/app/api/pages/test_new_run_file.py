"""A new run from a file: it is looked at, corrected, becomes a data set, and is forgotten."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openpyxl
import pytest
import yaml

from app.api.datasets import tables
from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    TABLE,
    chosen,
    hidden_fields,
    open_page,
    send_table,
    signed_in,
    take,
    token_in_address,
    token_of_start,
)

PRIVATE = TABLE + "240;Write to eva.muster@example.com about my login;login\n"


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
            "separator": "semicolon (as guessed)",
            "encoding": "utf-16 (as guessed)",
        }
        assert "by name" in seen.text
        assert re.search(r"show differences of \d+\.\d points or more", seen.text)
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


def test_the_same_rows_taken_twice_are_one_data_set(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        seen = send_table(client, "tickets.csv", TABLE.encode())
        with ThreadPoolExecutor(2) as tabs:
            first, second = tabs.map(lambda _: take(client, seen), range(2))
        assert first.url == second.url
        other = take(client, take(client, seen, test="50"))
        assert other.url != first.url
    assert service.sql("select count(*) from datasets where purpose is null") == [(2,)]
    assert len(service.folders()) == 3, "the file and two data sets"


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
    found = re.search(r"<code>(.*?)</code>", text, re.DOTALL)
    assert found
    config = yaml.safe_load(found[1])
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
