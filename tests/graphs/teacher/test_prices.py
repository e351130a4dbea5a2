"""Which price a call has: the user's, a file's or a listed one, also of dated names, aliases and other models that answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import BudgetExhausted
from graphs.teacher.cost import Usage
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.spec import BudgetSpec, Price, TeacherSpec
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher

OWN = Price(input_per_million=1, output_per_million=2)
NONE = PriceBook()
HERE = "http://127.0.0.1:1/v1"


def price(
    model: str, book: PriceBook = NONE, base_url: str | None = None, answered: str = ""
) -> Price | None:
    return book.price(TeacherSpec(model=model, base_url=base_url).role("judge"), answered)


def flat(dollars: float) -> Price:
    return Price(input_per_million=dollars, output_per_million=dollars)


def test_openai_models_have_a_listed_price_per_million_tokens() -> None:
    # gpt-4o: 2.50, 1.25 and 10.00 US dollars per million tokens on OpenAI's price page
    assert price("gpt-4o") == Price(
        input_per_million=2.5, output_per_million=10.0, cached_input_per_million=1.25
    )


def test_the_same_name_elsewhere_has_no_price() -> None:
    assert price("gpt-4o", base_url=HERE) is None


def test_the_users_price_comes_first_then_the_files() -> None:
    book = PriceBook(own={"gpt-4o": OWN}, listed={"gpt-4o": flat(7), "gpt-4.1": flat(8)})
    assert price("gpt-4o", book) == OWN
    assert price("gpt-4.1", book) == flat(8)
    assert price("gpt-4o-mini", book) == price("gpt-4o-mini")


def test_an_unknown_model_has_no_price() -> None:
    assert price("no-such-model") is None


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-x", 3),
        ("gpt-x-2026-01-01", 1),
        ("gpt-x-2027-12-31", 2),
        ("only-dated", 5),
        ("only-dated-20250101", 4),
        ("plain-2026-01-01", 6),
        ("plain-20260101", 6),
        ("plain@20260101", 6),
        ("plain-0613", None),
        ("plain-2026-13-01", None),
        ("plain-mini", None),
        ("pla", None),
        ("only", None),
    ],
)
def test_dated_names(model: str, dollars: float | None) -> None:
    listed = {"gpt-x-2026-01-01": flat(1), "gpt-x-2027-12-31": flat(2), "gpt-x": flat(3), "plain": flat(6)}
    listed |= {
        "only-dated-20250101": flat(4),
        "only-dated-20260301": flat(5),
        "only-dated-mini-20270101": flat(9),
    }
    found = price(model, PriceBook(listed=listed), HERE)
    assert found == (flat(dollars) if dollars else None)


def test_a_dated_name_that_the_table_of_openai_does_not_have_costs_what_the_plain_one_costs() -> None:
    assert price("gpt-5-mini-2026-01-01") == price("gpt-5-mini") is not None


def test_an_alias_has_the_price_of_the_other_name_at_any_address() -> None:
    book = PriceBook(own={"mine": OWN}, aliases={"a": "mine", "b": "azure/x", "c": "gpt-4o", "d": "unknown"})
    book = PriceBook(own=book.own, aliases=book.aliases, listed={"azure/x": flat(4)})
    assert price("a", book, HERE) == OWN
    assert price("b", book, HERE) == flat(4)
    assert price("c", book, HERE) == price("gpt-4o")
    assert price("d", book, HERE) is None


def test_the_model_that_answered_is_the_one_that_is_paid_for() -> None:
    book = PriceBook(listed={"router": flat(1), "large": flat(9)})
    assert price("router", book, HERE, answered="large-2026-01-01") == flat(9)
    assert price("router", book, HERE, answered="nobody-knows") == flat(1)
    own = PriceBook(own={"router": OWN}, listed=book.listed)
    assert price("router", own, HERE, answered="large") == OWN, "what the config says of a model is meant"


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


def test_the_advice_for_a_missing_price_names_what_the_file_has(tmp_path: Path) -> None:
    spec = TeacherSpec(model="gpt-4o", base_url=HERE)
    book = PriceBook(listed={"azure/gpt-4o": OWN, "eu/azure/gpt-4o-mini": OWN}, file=Path("p.json"))
    advice = missing_price(spec, BudgetSpec(max_usd=1), book)
    assert "no price for gpt-4o" in advice
    assert (
        "p.json has azure/gpt-4o: if that is it, write `teacher.price_aliases: {gpt-4o: azure/gpt-4o}`"
        in advice
    )
    aliased = PriceBook(aliases={"gpt-4o": "azure/gpt-4o"}, listed=book.listed)
    assert missing_price(spec, BudgetSpec(max_usd=1), aliased) == ""
