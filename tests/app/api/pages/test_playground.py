"""The playground: an input of one's own or a validation row, answered by three students side by side."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import HOSTILE, RUN, add_run, open_page, signed_in, token_in
from tests.app.api.serving.served_run import RUN as SERVED
from tests.app.api.serving.served_run import add_served_run, prompts_and_answers
from tests.conftest import Run
from trainer.artifacts import read_jsonl

PAGE = f"/runs/{SERVED}/playground"


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory, whole_run: Run) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("playground") / "home")) as running:
        add_served_run(running, whole_run.folder)
        yield running


def fields_of(form: str) -> dict[str, str]:
    """The hidden fields of a form, as a browser sends them."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    text = re.search(r"<textarea name=\"text\"[^>]*>\n(.*?)</textarea>", form, re.DOTALL)
    assert text
    whole = {**fields, "text": text[1]}
    return {name: html.unescape(value) for name, value in whole.items()}


def places(page: str) -> list[dict[str, str]]:
    """What the page sends for each answer as soon as it is shown."""
    forms = re.findall(
        rf'<form class="row" data-answer method="post" action="{PAGE}/answer".*?</form>', page, re.DOTALL
    )
    return [fields_of(form) for form in forms]


def streamed(client: httpx.Client, place: dict[str, str]) -> tuple[list[str], str]:
    """What the reply goes on with, piece by piece, and at the end the part of the page."""
    with connect_sse(client, "POST", f"{PAGE}/answer", data=place) as source:
        assert source.response.headers["content-security-policy"].startswith("default-src 'none'")
        events = [(sent.event, json.loads(sent.data)) for sent in source.iter_sse()]
    assert [name for name, _ in events] == ["text"] * (len(events) - 1) + ["whole"]
    return [data for _, data in events[:-1]], events[-1][1]


@pytest.mark.student
def test_a_validation_row_is_answered_by_three_students(playing: Service, whole_run: Run) -> None:
    row = next(iter(read_jsonl(whole_run.folder / "data" / "validation.jsonl")))
    with playing.client() as client:
        asking = open_page(client, f"{PAGE}?row={row['id']}")
        assert html.escape(row["prompt"], quote=False) in asking
        assert places(asking) == []
        sent = {"token": token_in(asking), "row": row["id"], "text": row["prompt"].replace("\n", "\r\n")}
        asked = client.post(PAGE, data=sent).text
        asked_for = places(asked)
        assert [each["student"] for each in asked_for] == [f"{SERVED}:base", f"{SERVED}:baseline", SERVED]
        assert {each["text"] for each in asked_for} == {row["prompt"]}
        streams = [streamed(client, each) for each in asked_for]
        # one click on a row that the best student gets wrong, or on one of the page of answers
        assert len(places(open_page(client, f"{PAGE}?row={row['id']}&ask=1"))) == 3
        assert f'href="{PAGE}?row={row["id"]}&amp;ask=1"' in open_page(
            client, PAGE.replace("playground", "answers")
        )
    answers = [whole for _, whole in streams]
    assert "".join(streams[2][0]).strip() == prompts_and_answers(whole_run.folder, 2)[0][1].strip()
    for answer, title in zip(answers, ("Untrained", "Baseline", "Best student"), strict=True):
        assert title in answer
        assert re.findall(r"<dt[^>]*>(\w+)</dt>", answer), "labels with their probabilities"
        assert "Tokens" in answer
    for answer, number in ((answers[1], 0), (answers[2], 2)):
        predicted = prompts_and_answers(whole_run.folder, number)[0][1].strip()
        assert f'<p class="text answer">{predicted}</p>' in answer
        assert re.findall(r"<dt[^>]*>(\w+)</dt>", answer)[0] == predicted


@pytest.mark.student
def test_an_error_is_shown_in_the_place_of_an_answer(playing: Service) -> None:
    with playing.client() as client:
        page = open_page(client, PAGE)
        sent = {"token": token_in(page), "text": f"{HOSTILE} " * 100}
        (first, *_) = places(client.post(PAGE, data=sent).text)
        assert first["text"] == sent["text"]
        pieces, answer = streamed(client, first)
        assert pieces == []
        assert "`student.max_length`" in html.unescape(answer)
        assert client.post(f"{PAGE}/answer", data=first | {"student": "gpt-5"}).status_code == 404


def test_hostile_inputs_do_nothing(playing: Service) -> None:
    with playing.client() as client:
        text = client.post(PAGE, data={"token": token_in(open_page(client, PAGE)), "text": HOSTILE}).text
    assert "<script>alert" not in text
    assert html.escape(HOSTILE, quote=False) in text.replace("&#39;", "'")


def test_before_a_student_is_scored_there_is_nothing_to_ask(service: Service) -> None:
    add_run(service)
    service.sql("update runs set view = '{}'")
    with service.client() as client:
        assert "No student has been scored yet" in open_page(client, f"/runs/{RUN}/playground")
        assert "playground" not in open_page(client, f"/runs/{RUN}")


def test_a_form_needs_its_token_and_its_key(keyed: Service, whole_run: Run, tmp_path: Path) -> None:
    (owner, key), (_, other) = make_key(keyed, "read"), make_key(keyed, "read")
    add_served_run(keyed, whole_run.folder, owner=owner)
    sent = {"text": "Anything.", "student": SERVED}
    with signed_in(keyed, other) as stranger:
        assert stranger.get(PAGE).status_code == 404
        assert stranger.post(f"{PAGE}/answer", data=sent).status_code == 404
    with signed_in(keyed, key) as reader:
        page = open_page(reader, PAGE)
        assert reader.post(PAGE, data=sent).status_code == 403
        assert reader.post(f"{PAGE}/answer", data=sent).status_code == 403
        assert len(places(reader.post(PAGE, data=sent | {"token": token_in(page)}).text)) == 3
    answer = httpx.get(keyed.url + PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?to=")
