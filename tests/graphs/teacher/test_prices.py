"""Which price a call has: the user's, a file's or a listed one, also of dated names, aliases and other models that answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.teacher.price_file import PriceList
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.spec import BudgetSpec, Price, TeacherSpec

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
    book = PriceBook(own={"gpt-4o": OWN}, listed=PriceList({"gpt-4o": flat(7), "gpt-4.1": flat(8)}))
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
    found = price(model, PriceBook(listed=PriceList(listed)), HERE)
    assert found == (flat(dollars) if dollars else None)


def test_a_dated_name_that_the_table_of_openai_does_not_have_costs_what_the_plain_one_costs() -> None:
    assert price("gpt-5-mini-2026-01-01") == price("gpt-5-mini") is not None


def test_an_alias_has_the_price_of_the_other_name_at_any_address() -> None:
    book = PriceBook(own={"mine": OWN}, aliases={"a": "mine", "b": "azure/x", "c": "gpt-4o", "d": "unknown"})
    book = PriceBook(own=book.own, aliases=book.aliases, listed=PriceList({"azure/x": flat(4)}))
    assert price("a", book, HERE) == OWN
    assert price("b", book, HERE) == flat(4)
    assert price("c", book, HERE) == price("gpt-4o")
    assert price("d", book, HERE) is None


def test_the_model_that_answered_is_the_one_that_is_paid_for() -> None:
    book = PriceBook(listed=PriceList({"router": flat(1), "large": flat(9)}))
    assert price("router", book, HERE, answered="large-2026-01-01") == flat(9)
    assert price("router", book, HERE, answered="nobody-knows") == flat(1)
    own = PriceBook(own={"router": OWN}, listed=book.listed)
    assert price("router", own, HERE, answered="large") == OWN, "what the config says of a model is meant"


def test_a_file_may_have_a_price_of_its_own_for_a_service_tier() -> None:
    tiers = {"flex": {"gpt-x": flat(1)}, "priority": {"gpt-x": flat(8)}}
    book = PriceBook(listed=PriceList({"gpt-x": flat(4), "gpt-y": flat(5)}, tiers))
    asking = TeacherSpec(
        model="gpt-x-2026-01-01", base_url=HERE, extra_body={"service_tier": "flex"}, judge={"model": "gpt-y"}
    )
    assert book.price(asking.role("analyst")) == flat(1), "what is asked for is what is expected"
    assert book.price(asking.role("analyst"), tier="priority") == flat(8)
    assert book.price(asking.role("analyst"), tier="default") == flat(4)
    assert book.price(asking.role("judge")) == flat(5), "it has one price in all tiers"
    own = PriceBook(own={"gpt-x": OWN}, listed=book.listed)
    assert own.price(asking.role("analyst")) == OWN, "what the config says of a model is meant"


def test_the_advice_for_a_missing_price_names_what_the_file_has(tmp_path: Path) -> None:
    spec = TeacherSpec(model="gpt-4o", base_url=HERE)
    book = PriceBook(
        listed=PriceList({"azure/gpt-4o": OWN, "eu/azure/gpt-4o-mini": OWN}), file=Path("p.json")
    )
    advice = missing_price(spec, BudgetSpec(max_usd=1), book)
    assert "no price for gpt-4o" in advice
    assert (
        "p.json has azure/gpt-4o: if that is it, write `teacher.price_aliases: {gpt-4o: azure/gpt-4o}`"
        in advice
    )
    aliased = PriceBook(aliases={"gpt-4o": "azure/gpt-4o"}, listed=book.listed)
    assert missing_price(spec, BudgetSpec(max_usd=1), aliased) == ""
