"""Adaptive concurrency and the breaker."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from graphs.errors import EndpointDown
from graphs.schemas import ErrorAnalysis
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.failures import retry_after
from graphs.teacher.ledger import Ledger
from graphs.teacher.rate_limit import AdaptiveConcurrency, CircuitBreaker
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from tests.flaky_server import FlakyServer


def make_throttle(most: int) -> AdaptiveConcurrency:
    return AdaptiveConcurrency(most, CircuitBreaker("model at host", failures=3, seconds=0.0))


async def test_rate_limit_cuts_by_a_quarter_once_a_burst() -> None:
    throttle, now = make_throttle(8), asyncio.get_running_loop().time
    sent = now()
    for _ in range(5):
        throttle.limited(sent, None)
    assert throttle.limit == 6
    limits = []
    for _ in range(6):
        await asyncio.sleep(0.002)
        throttle.limited(now(), None)
        limits.append(throttle.limit)
    assert limits == [4, 3, 2, 1, 1, 1]


async def test_successes_give_slots_back_up_to_the_most() -> None:
    throttle = make_throttle(4)
    throttle.limited(asyncio.get_running_loop().time(), None)
    assert throttle.limit == 3
    for _ in range(24):
        throttle.succeeded()
    assert throttle.limit == 3
    throttle.succeeded()
    assert throttle.limit == 4
    for _ in range(100):
        throttle.succeeded()
    assert throttle.limit == 4


async def test_slots_are_given_in_order_and_come_back_after_cancellation() -> None:
    throttle, order = make_throttle(1), []

    async def work(name: int) -> None:
        await throttle.acquire()
        order.append(name)
        await asyncio.sleep(0.001)
        throttle.release()

    tasks = [asyncio.create_task(work(n)) for n in range(6)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[4].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3, 5]
    await asyncio.wait_for(throttle.acquire(), 1)


async def test_pause_holds_everyone_and_ends() -> None:
    throttle, now = make_throttle(4), asyncio.get_running_loop().time
    began = now()
    throttle.limited(began, 0.2)
    throttle.limited(began, 0.1)
    await throttle.acquire()
    assert 0.19 <= now() - began < 1


async def test_breaker_needs_failures_in_a_row_and_time() -> None:
    breaker = CircuitBreaker("model at host", failures=3, seconds=0.1)
    for _ in range(10):
        breaker.failed("refused")
    breaker.check()
    breaker.succeeded()
    await asyncio.sleep(0.12)
    breaker.failed("refused")
    breaker.failed("refused")
    breaker.check()
    await asyncio.sleep(0.12)
    breaker.failed("refused")
    with pytest.raises(EndpointDown, match=r"model at host.*refused.*same output folder"):
        breaker.check()
    await asyncio.sleep(0.12)
    breaker.check()  # after a while it may be tried again


async def test_everyone_stops_promptly_when_the_endpoint_stays_down(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec = TeacherSpec(
        base_url=f"http://user:pass@127.0.0.1:{port}/v1",
        model="m",
        max_retries=1000,
        backoff_seconds=0.05,
        breaker_failures=5,
        breaker_seconds=0.3,
    )
    began = time.monotonic()
    async with ChatTeacher(spec, BudgetSpec(), Ledger(tmp_path / "l.sqlite", "r"), {}) as teacher:
        asks = (teacher.ask("analyst", ErrorAnalysis, "Why?", {"n": n}) for n in range(100))
        outcomes = await asyncio.gather(*asks, return_exceptions=True)
        cost = teacher.totals()
    assert {type(outcome) for outcome in outcomes} == {EndpointDown}
    assert time.monotonic() - began < 3
    assert (cost.calls, cost.usd) == (0, 0)
    message = str(outcomes[0])
    assert f"127.0.0.1:{port}" in message
    assert "failures in a row" in message
    assert "pass@" not in message


async def test_breaker_does_not_wait_for_calls_that_hang(tmp_path: Path) -> None:
    words = {0: "hang"}
    with FlakyServer(lambda n: words.get(n, "500")) as server:
        spec = TeacherSpec(
            base_url=server.url,
            model="m",
            max_retries=1000,
            backoff_seconds=0.02,
            breaker_failures=4,
            breaker_seconds=0.1,
        )
        teacher = ChatTeacher(spec, BudgetSpec(), Ledger(tmp_path / "l.sqlite", "r"), {})
        hanging = asyncio.create_task(teacher.ask("analyst", ErrorAnalysis, "Why?", {"n": 0}))
        await server.first_call()
        with pytest.raises(EndpointDown):
            await teacher.ask("analyst", ErrorAnalysis, "Why?", {"n": 1})
        with pytest.raises(EndpointDown):
            await asyncio.wait_for(hanging, 0.5)
        await teacher.aclose(grace_seconds=0)


async def test_no_more_calls_in_flight_than_allowed(tmp_path: Path) -> None:
    with FlakyServer(latency=0.2) as server:  # long enough for a busy machine to start them all
        spec = TeacherSpec(base_url=server.url, model="m", max_concurrency=5)
        async with ChatTeacher(spec, BudgetSpec(), Ledger(tmp_path / "l.sqlite", "r"), {}) as teacher:
            # the three roles share the endpoint, and so its slots
            await asyncio.gather(
                *(
                    teacher.ask(role, ErrorAnalysis, role, {"n": n})
                    for role in ("analyst", "judge")
                    for n in range(20)
                )
            )
        assert server.most_in_flight == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        (None, None),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after_header(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_a_date_to_wait_for_is_read_by_the_clock_of_the_server() -> None:
    date, later = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:49 GMT"
    assert retry_after(later, date) == 12
