"""Calls that cannot be answered: what they cost, and when there are too many."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.errors import TooManyUnanswered, UnansweredError
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher


@pytest.mark.parametrize(
    ("word", "reason", "calls"),
    [
        ("refusal", "I can't help with that card", 2),
        ("filtered", "content filter", 2),
        ("400", "HTTP 400", 1),
        ("413", "HTTP 413", 1),
        ("misfit", "ErrorAnalysis, 6 times", 6),
    ],
)
async def test_a_call_that_cannot_be_answered_costs_few_attempts_and_not_the_teacher(
    tmp_path: Path, word: str, reason: str, calls: int
) -> None:
    with FlakyServer(lambda n: word if 0 < n <= calls else "ok") as server:
        async with make_teacher(server, tmp_path) as teacher:
            await analyse(teacher, 1)
            with pytest.raises(UnansweredError, match=reason):
                await analyse(teacher, 2)
            assert (await analyse(teacher, 3)).scenario == "Questions about cards."
        assert server.words == ["ok", *[word] * calls, "ok"]


async def test_a_filter_that_lets_the_second_attempt_through_costs_nothing_more(tmp_path: Path) -> None:
    with FlakyServer(["filtered", "ok"]) as server:
        async with make_teacher(server, tmp_path) as teacher:
            assert (await analyse(teacher)).root_cause
            assert teacher.totals().calls == 2


async def test_a_teacher_that_answers_none_of_ten_calls_pauses_the_run(tmp_path: Path) -> None:
    with FlakyServer(lambda n: "400") as server:
        async with make_teacher(server, tmp_path) as teacher:
            for number in range(9):
                with pytest.raises(UnansweredError):
                    await analyse(teacher, number)
            with pytest.raises(TooManyUnanswered, match=r"10 of the last 10.*HTTP 400.*same output folder"):
                await analyse(teacher, 9)


async def test_more_than_a_fifth_of_fifty_pauses_the_run_and_a_fifth_does_not(tmp_path: Path) -> None:
    """After 40 good answers, 10 of the last 50 are a fifth; the 11th is more."""
    with FlakyServer(lambda n: "ok" if n < 40 else "400") as server:
        async with make_teacher(server, tmp_path) as teacher:
            for number in range(40):
                await analyse(teacher, number)
            for number in range(40, 50):
                with pytest.raises(UnansweredError):
                    await analyse(teacher, number)
            with pytest.raises(TooManyUnanswered, match="11 of the last 50"):
                await analyse(teacher, 50)


async def test_what_a_server_says_of_a_failure_does_not_control_the_terminal(tmp_path: Path) -> None:
    with FlakyServer(refused=("messages",), hint=" \x1b]0;title\x07\u202eno") as server:
        async with make_teacher(server, tmp_path) as teacher:
            with pytest.raises(UnansweredError) as refused:
                await analyse(teacher)
    assert "is not supported with this model. ]0;title no" in str(refused.value)
    assert str(refused.value).isprintable()
