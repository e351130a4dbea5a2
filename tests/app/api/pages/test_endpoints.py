"""Runs, patterns, answers and rows as pages: what they show, and what they refuse."""

from __future__ import annotations

import html
import re

import pytest

from tests.app.api.http_service import Service
from tests.app.api.pages.browsing import (
    RUN,
    add_answers,
    add_files,
    add_run,
    open_page,
    token_in,
)


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
        assert "What it is too close to: test row x" in leaks
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
    add_answers(service)
    names = ["still right", "broken", "fixed", "still wrong"]
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/answers")
        assert text.count("<article") == 4
        for name in names:
            found = open_page(client, f"/runs/{RUN}/answers?change={name}&round=1")
            (shown,) = re.findall(r"<article.*?</article>", found, re.DOTALL)
            assert f"<span>{name}</span>" in shown
        assert "Next rows" in open_page(client, f"/runs/{RUN}/answers?limit=2")


def shown_answers(text: str) -> list[str]:
    """The ids of the rows that a page of answers shows, in its order."""
    return re.findall(r'<span class="tag [^<]*</span> <span>([^<]+)</span>', text)


def test_answers_are_searched_sorted_and_paged(service: Service) -> None:
    add_run(service)
    add_answers(service)
    with service.client() as client:
        for query, ids in {
            "": ["still right", "broken", "fixed", "still wrong"],
            "sort=change": ["fixed", "broken", "still wrong", "still right"],
            "sort=length": ["broken", "fixed", "still right", "still wrong"],
            "search=ABOUT+parcels": ["still right"],
            "search=about+no": ["broken", "still wrong"],
            "search=about&change=broken": ["broken"],
            "search=nowhere": [],
        }.items():
            assert shown_answers(open_page(client, f"/runs/{RUN}/answers?{query}")) == ids
        first = open_page(client, f"/runs/{RUN}/answers?search=about+%26+%3C&sort=change&limit=1")
        assert 'value="about &amp; &lt;"' in first
        first = open_page(client, f"/runs/{RUN}/answers?search=about&sort=change&limit=1")
        following = re.search(r'href="([?][^"]+)">Next rows', first)
        assert following
        second = open_page(client, f"/runs/{RUN}/answers{html.unescape(following[1])}&limit=1")
        assert shown_answers(first) + shown_answers(second) == ["broken", "still wrong"]
        open_page(client, f"/runs/{RUN}/answers?sort=nonsense", 404)


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
