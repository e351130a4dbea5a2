"""What a teacher has answered is recorded and asked once, whoever waits for it."""

import asyncio
import time
from pathlib import Path

import pytest

from graphs.errors import EndpointDown
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher


async def test_same_request_at_the_same_time_is_asked_once(tmp_path: Path) -> None:
    with FlakyServer(latency=0.1) as server:
        async with make_teacher(server, tmp_path) as teacher:
            answers = await asyncio.gather(*(analyse(teacher) for _ in range(16)))
            cost = teacher.totals()
        assert len(server.calls) == 1
    assert len({id(answer) for answer in answers}) == 16
    assert (cost.calls, cost.repeated, cost.prompt_tokens) == (1, 15, 100)


async def test_second_start_pays_for_nothing_again(tmp_path: Path) -> None:
    with FlakyServer() as server:
        for _ in range(2):
            async with make_teacher(server, tmp_path) as teacher:
                answers = await asyncio.gather(*(analyse(teacher, n) for n in range(5)))
                cost = teacher.totals()
        assert len(server.calls) == 5
    assert {a.scenario for a in answers} == {"Questions about cards."}
    assert (cost.calls, cost.repeated) == (5, 5)


async def test_other_settings_are_another_request(tmp_path: Path) -> None:
    with FlakyServer() as server:
        for settings in (
            {},
            {"temperature": 0.5},
            {"model": "other"},
            {"max_tokens": 100},
            {"max_concurrency": 2},
        ):
            async with make_teacher(server, tmp_path, **settings) as teacher:
                await analyse(teacher)
        # how fast it is asked is not part of what is asked
        assert len(server.calls) == 4


async def test_answer_of_a_cancelled_caller_is_recorded(tmp_path: Path) -> None:
    with FlakyServer(latency=0.3) as server:
        async with make_teacher(server, tmp_path) as teacher:
            caller = asyncio.create_task(analyse(teacher))
            await server.first_call()
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        async with make_teacher(server, tmp_path) as teacher:
            await analyse(teacher)
            assert (teacher.totals().calls, teacher.totals().repeated) == (1, 1)
        assert len(server.calls) == 1


async def test_nothing_is_repeated_for_a_caller_who_has_left(tmp_path: Path) -> None:
    with FlakyServer(lambda n: "500", latency=0.05) as server:
        async with make_teacher(server, tmp_path, backoff_seconds=0.2) as teacher:
            caller = asyncio.create_task(analyse(teacher))
            await server.first_call()
            caller.cancel()
            await asyncio.sleep(0.5)
        assert len(server.calls) == 1


async def test_one_of_two_callers_may_leave(tmp_path: Path) -> None:
    with FlakyServer(["500", "500"], latency=0.1) as server:
        async with make_teacher(server, tmp_path) as teacher:
            stays, leaves = (asyncio.create_task(analyse(teacher)) for _ in range(2))
            await server.first_call()
            leaves.cancel()
            assert (await stays).root_cause
        assert len(server.calls) == 3


async def test_hanging_server_times_out_and_pauses_the_run(tmp_path: Path) -> None:
    with FlakyServer(lambda n: "hang") as server:
        began = time.monotonic()
        async with make_teacher(server, tmp_path, timeout_seconds=0.3, max_retries=2) as teacher:
            with pytest.raises(EndpointDown, match="3 attempts failed, the last: the call timed out"):
                await analyse(teacher)
        assert time.monotonic() - began < 2
        assert len(server.calls) == 3
