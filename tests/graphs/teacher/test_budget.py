"""Caps that hold under load, over real HTTP."""

import asyncio
from pathlib import Path

import pytest

from graphs.errors import BudgetExhausted
from graphs.schemas import ErrorAnalysis
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, Price, TeacherSpec
from tests.flaky_server import FlakyServer

USAGE = (600, 500)
PRICE = Price(input_per_million=1.0, output_per_million=4.0)
CALL_USD = 600 * 1e-6 + 500 * 4e-6


def make_teacher(server: FlakyServer, folder: Path, caps: BudgetSpec) -> ChatTeacher:
    spec = TeacherSpec(
        base_url=server.url,
        model="m",
        prices={"m": PRICE},
        max_concurrency=32,
        backoff_seconds=0.01,
        max_retries=20,
    )
    return ChatTeacher(spec, caps, Ledger(folder / "ledger.sqlite", "r"), {})


async def ask_hundred(teacher: ChatTeacher) -> list[ErrorAnalysis | BaseException]:
    asks = (
        teacher.ask("analyst", ErrorAnalysis, "Say why.", {"prompt": f"Question {n}"}) for n in range(100)
    )
    return await asyncio.gather(*asks, return_exceptions=True)


@pytest.mark.parametrize(
    "caps", [BudgetSpec(max_calls=37), BudgetSpec(max_tokens=50_000), BudgetSpec(max_usd=0.1)], ids=str
)
@pytest.mark.parametrize("trouble", [False, True])
async def test_hundred_at_once_never_pass_a_cap(tmp_path: Path, caps: BudgetSpec, trouble: bool) -> None:
    words = ["ok", "429:0", "half", "ok", "500", "length"]
    with FlakyServer(lambda n: words[n % 6] if trouble else "ok", latency=0.01, usage=USAGE) as server:
        async with make_teacher(server, tmp_path, caps) as teacher:
            outcomes = await ask_hundred(teacher)
            cost = teacher.totals()
        paid = sum(word in ("ok", "half", "length") for word in server.words)
    # the server's own count, and ours, and the cap
    assert cost.calls == paid
    assert cost.usd == pytest.approx(paid * CALL_USD)
    assert paid <= (caps.max_calls or paid)
    assert paid * sum(USAGE) <= (caps.max_tokens or paid * sum(USAGE))
    assert paid * CALL_USD <= (caps.max_usd or paid * CALL_USD)
    stopped = [o for o in outcomes if not isinstance(o, ErrorAnalysis)]
    assert {type(o) for o in stopped} == {BudgetExhausted}
    # holds are given back: nearly all of the cap is used, though each call holds about twice its cost at first
    if not trouble:
        assert (
            paid
            >= {"max_calls": 37, "max_tokens": 43, "max_usd": 36}[
                next(iter(caps.model_dump(exclude_none=True)))
            ]
        )


async def test_calls_wait_for_room_that_calls_in_flight_will_give_back(tmp_path: Path) -> None:
    # one call may cost up to about 1,900 tokens and costs 120: at 3,000 there is room for one at a time, for all in turn
    with FlakyServer(latency=0.01, usage=(100, 20)) as server:
        async with make_teacher(server, tmp_path, BudgetSpec(max_tokens=3000)) as teacher:
            asks = (teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": n}) for n in range(8))
            await asyncio.gather(*asks)
            assert teacher.totals().calls == 8
        assert server.most_in_flight == 1


async def test_message_names_cap_spent_next_and_key(tmp_path: Path) -> None:
    with FlakyServer(usage=USAGE) as server:
        async with make_teacher(server, tmp_path, BudgetSpec(max_calls=1)) as teacher:
            await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": 1})
            with pytest.raises(BudgetExhausted) as caught:
                await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": 2})
            # what is recorded costs nothing, cap or no cap
            await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": 1})
    message = str(caught.value)
    assert "`budget.max_calls` is 1, 1 is spent" in message
    assert "up to 1" in message
    assert "Raise `budget.max_calls`" in message
    assert "max_usd" not in message


async def test_raised_cap_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with FlakyServer(usage=USAGE) as server:
        for cap in (10, 25, 1000):
            async with make_teacher(server, tmp_path, BudgetSpec(max_calls=cap)) as teacher:
                await ask_hundred(teacher)
                assert teacher.totals().calls == min(cap, 100)
        assert len(server.calls) == 100


async def test_cap_too_small_for_one_call_sends_nothing(tmp_path: Path) -> None:
    with FlakyServer(usage=USAGE) as server:
        async with make_teacher(server, tmp_path, BudgetSpec(max_usd=0.001)) as teacher:
            assert {type(o) for o in await ask_hundred(teacher)} == {BudgetExhausted}
        assert server.calls == []


async def test_calls_that_may_have_been_billed_count_against_the_cap(tmp_path: Path) -> None:
    with FlakyServer(["empty", "drop"], usage=USAGE) as server:
        async with make_teacher(server, tmp_path, BudgetSpec(max_calls=2)) as teacher:
            with pytest.raises(BudgetExhausted):
                await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": 1})
            assert teacher.totals().calls == 0
        assert len(server.calls) == 2


async def test_server_without_usage_is_charged_the_upper_bound(tmp_path: Path) -> None:
    with FlakyServer(["no-usage"]) as server:
        async with make_teacher(server, tmp_path, BudgetSpec()) as teacher:
            await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"n": 1})
            cost = teacher.totals()
        request = len(server.calls[0].raw)
    assert cost.calls == 1
    assert cost.completion_tokens == 512
    assert cost.prompt_tokens > request // 2
