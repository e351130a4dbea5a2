"""What a call is counted with: each kind of token, the model and the tier that answered, and an upper bound until it is known."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import BudgetExhausted
from graphs.teacher.cost import Usage
from graphs.teacher.spec import BudgetSpec, Price
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher

PRICE = {
    "input_per_million": 2.0,
    "output_per_million": 8.0,
    "cached_input_per_million": 0.5,
    "cache_write_per_million": 2.5,
    "reasoning_per_million": 12.0,
}


@pytest.mark.parametrize(
    ("usage", "tokens", "dollars"),
    [
        ({"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}, (1000, 500), 2000 + 4000),
        # null details, as vLLM sends them
        (
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "total_tokens": 1500,
                "prompt_tokens_details": None,
            },
            (1000, 500),
            2000 + 4000,
        ),
        (
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            (1000, 500),
            300 * 2 + 600 * 0.5 + 100 * 2.5 + 200 * 8 + 300 * 12,
        ),
        # a service tier changes the names of the details
        (
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 600},
                "service_tier": "flex",
            },
            (1000, 500),
            400 * 2 + 600 * 0.5 + 500 * 8,
        ),
        # thoughts that only the total has
        (
            {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1900},
            (1000, 900),
            2000 + 4000 + 4800,
        ),
        (
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "total_tokens": 1900,
                "completion_tokens_details": {"reasoning_tokens": 400},
            },
            (1000, 900),
            2000 + 4000 + 4800,
        ),
        # more than there are, fewer than none
        (
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 5000, "cache_write_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": -3},
            },
            (1000, 500),
            500 + 4000,
        ),
    ],
)
async def test_the_ledger_counts_each_kind_of_token_at_its_price(
    tmp_path: Path, usage: dict[str, Any], tokens: tuple[int, int], dollars: float
) -> None:
    """`dollars` is for a million calls."""
    usage = dict(usage)
    tier = usage.pop("service_tier", None)
    with FlakyServer(usage=usage, extra={"service_tier": tier} if tier else {}) as server:
        async with make_teacher(server, tmp_path, prices={"large": PRICE}) as teacher:
            await analyse(teacher)
            cost = teacher.totals()
    assert (cost.prompt_tokens, cost.completion_tokens) == tokens
    assert cost.usd == pytest.approx(dollars / 1e6, rel=1e-12)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": -5, "completion_tokens": 20, "total_tokens": 15},
        {"prompt_tokens": 100, "completion_tokens": -20, "total_tokens": 80},
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
    ],
)
async def test_usage_that_cannot_be_true_costs_the_upper_bound(tmp_path: Path, usage: dict[str, Any]) -> None:
    with FlakyServer(usage=usage) as server:
        async with make_teacher(server, tmp_path, prices={"large": PRICE}) as teacher:
            await analyse(teacher)
            cost = teacher.totals()
    assert cost.completion_tokens == 512
    assert cost.usd > 512 * 12e-6


async def test_a_router_is_charged_at_the_price_of_the_model_that_answers(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"auto": {"input_per_million": 1, "output_per_million": 1}, "big": PRICE}))
    with FlakyServer(usage=(1000, 500), answers_as="big-2026-01-01") as server:
        async with make_teacher(server, tmp_path, model="auto", price_file=file) as teacher:
            await analyse(teacher)
            assert teacher.totals().usd == pytest.approx(0.006)
            assert teacher.describe()["judge"]["price"] == {"input_per_million": 1, "output_per_million": 1}


LITELLM = {
    "input_cost_per_token": 2e-6,
    "output_cost_per_token": 8e-6,
    "input_cost_per_token_flex": 1e-6,
    "output_cost_per_token_flex": 4e-6,
    "input_cost_per_token_priority": 4e-6,
    "output_cost_per_token_priority": 16e-6,
    "input_cost_per_token_batches": 0.5e-6,
    "output_cost_per_token_batches": 2e-6,
}


@pytest.mark.parametrize(
    ("asked", "said", "factor"),
    [
        ("flex", "flex", 0.5),
        ("flex", "default", 1),
        ("priority", "priority", 2),
        ("priority", "default", 1),
        ("auto", "batch", 0.25),
        ("auto", "scale", 1),
        (None, "flex", 0.5),
        # the server does not say it, so it may be either
        ("flex", None, 1),
        ("priority", None, 2),
        (None, None, 1),
    ],
)
async def test_a_call_costs_what_its_service_tier_costs(
    tmp_path: Path, asked: str | None, said: str | None, factor: float
) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"large": LITELLM}))
    body = {"service_tier": asked} if asked else {}
    with FlakyServer(usage=(1000, 500), extra={"service_tier": said} if said else {}) as server:
        async with make_teacher(server, tmp_path, price_file=file, extra_body=body) as teacher:
            await analyse(teacher)
            assert teacher.totals().usd == pytest.approx(0.006 * factor)


@pytest.mark.parametrize("asked", ["flex", "priority"])
async def test_a_cap_holds_whatever_tier_answers(tmp_path: Path, asked: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"large": LITELLM | {"output_cost_per_token": 1e-3}}))
    with FlakyServer(usage=(600, 500), extra={"service_tier": "default"}) as server:
        body = {"service_tier": asked}
        caps = BudgetSpec(max_usd=1.2)
        async with make_teacher(server, tmp_path, caps, price_file=file, extra_body=body) as teacher:
            asks = (analyse(teacher, number) for number in range(10))
            outcomes = await asyncio.gather(*asks, return_exceptions=True)
            cost = teacher.totals()
    assert BudgetExhausted in map(type, outcomes)
    assert 0 < cost.usd <= 1.2


async def test_a_cap_holds_where_thoughts_cost_more(tmp_path: Path) -> None:
    """The hold counts each token at the highest price that it can have."""
    usage: dict[str, Any] = {"prompt_tokens": 600, "completion_tokens": 500, "total_tokens": 1100}
    usage |= {"completion_tokens_details": {"reasoning_tokens": 500}}
    dear = PRICE | {"reasoning_per_million": 1000}
    with FlakyServer(usage=usage) as server:
        caps = BudgetSpec(max_usd=1.2)
        async with make_teacher(server, tmp_path, caps, prices={"large": dear}) as teacher:
            asks = (analyse(teacher, number) for number in range(10))
            outcomes = await asyncio.gather(*asks, return_exceptions=True)
            cost = teacher.totals()
    assert BudgetExhausted in map(type, outcomes)
    assert 0 < cost.usd <= 1.2


def test_a_thousand_calls_are_right_to_the_cent() -> None:
    one = Price(**PRICE).usd(Usage(1234, 567, 1000, 0, 89))
    exact = (234 * 2 + 1000 * 0.5 + 478 * 8 + 89 * 12) / 1e6
    assert round(one * 1000, 2) == round(exact * 1000, 2) == 5.86
