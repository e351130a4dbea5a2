"""What is said of a server that cannot be reached, redirects, or answers what is not HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs.errors import BudgetExhausted, EndpointDown, TeacherError
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from tests.graphs.teacher.asking import analyse
from tests.http_server import QuietHandler, answering

DEAD = "http://127.0.0.1:9"


class Odd(QuietHandler):
    """Does what the first part of its path says."""

    def do_POST(self) -> None:
        self.read_body()
        what = self.path.split("/")[1]
        places = {
            "circle": self.path,
            "dead": f"{DEAD}/secret",
            "other": "ftp://127.0.0.1/v1",
            "bad": "http://[::no",
        }
        self.close_connection = True
        if what in places:
            self.reply(307, headers={"Location": places[what]})
        elif what == "moved":
            self.reply(301, headers={"Location": "https://user:word@new.example/v1/chat/completions?key=1"})
        elif what.isdigit():
            self.reply(int(what))
        elif what == "garbage":
            self.wfile.write(b"hello\r\n\r\n")
        elif what == "half":
            self.reply(200, b'{"choices', {"Content-Length": "1000"})
        elif what == "packed":
            self.reply(200, b"not packed", {"Content-Encoding": "gzip"})


@pytest.fixture(scope="module")
def odd() -> Iterator[str]:
    with answering(Odd) as url:
        yield url


def teacher_at(url: str, folder: Path, max_calls: int | None = None) -> ChatTeacher:
    spec = TeacherSpec.model_validate({"base_url": url, "model": "large", "backoff_seconds": 0.01})
    return ChatTeacher(spec, BudgetSpec(max_calls=max_calls), Ledger(folder / "ledger.sqlite", "run"), {})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("circle", "it redirects each request again and again"),
        ("dead", r"no connection \(.*\), after a redirect to http://127\.0\.0\.1:9\."),
        ("other", r"it redirects to what is no address of HTTP .*after a redirect to ftp://127\.0\.0\.1\."),
        ("bad", "Invalid URL in location header"),
        ("garbage", "its answer breaks off or is not HTTP"),
        ("half", "its answer breaks off or is not HTTP"),
        ("closed", "its answer breaks off or is not HTTP"),
        ("packed", "its answer cannot be unpacked"),
    ],
)
async def test_what_went_wrong_is_said(tmp_path: Path, odd: str, what: str, words: str) -> None:
    async with teacher_at(f"{odd}/{what}/v1", tmp_path) as teacher:
        with pytest.raises(EndpointDown, match=words) as caught:
            await analyse(teacher)
    assert ("no connection" in str(caught.value)) == (what == "dead")
    assert "secret" not in str(caught.value)


async def test_a_redirect_that_turns_a_post_into_a_get_is_not_followed(tmp_path: Path, odd: str) -> None:
    async with teacher_at(f"{odd}/moved/v1", tmp_path) as teacher:
        with pytest.raises(TeacherError) as caught:
            await analyse(teacher)
    assert "HTTP 301: it redirects to https://new.example/v1/chat/completions, and" in str(caught.value)
    assert "Set `teacher.base_url` to the new address." in str(caught.value)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307])
async def test_a_redirect_to_nowhere_is_said_to_be_one(tmp_path: Path, odd: str, status: int) -> None:
    async with teacher_at(f"{odd}/{status}/v1", tmp_path) as teacher:
        with pytest.raises(TeacherError) as caught:
            await analyse(teacher)
    assert f"HTTP {status}: it redirects, and does not say where to. Check" in str(caught.value)
    assert "`teacher.base_url`, which usually ends in /v1" in str(caught.value)


@pytest.mark.parametrize(
    ("what", "counts"), [("circle", False), ("dead", False), ("", False), ("closed", True)]
)
async def test_a_call_that_never_left_counts_against_no_cap(
    tmp_path: Path, odd: str, what: str, counts: bool
) -> None:
    url = f"{odd}/{what}/v1" if what else f"{DEAD}/v1"
    async with teacher_at(url, tmp_path, max_calls=1) as teacher:
        with pytest.raises(BudgetExhausted if counts else EndpointDown):
            await analyse(teacher)
