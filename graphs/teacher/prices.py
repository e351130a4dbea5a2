"""What a call costs: the user's own prices, else those of a price file, else OpenAI's from a table of langchain-community."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, get_args

from graphs.ports import Role
from graphs.teacher.price_file import PriceList, read_price_file
from graphs.teacher.spec import OPENAI, BudgetSpec, EndpointSpec, Price, TeacherSpec

_DATE = re.compile(r"[-@]20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])$")
"""The end of a dated model name: `gpt-5-2025-08-07`, `claude-sonnet-4-20250514`, `claude-sonnet-4@20250514`."""
SUGGESTED = 3
T = TypeVar("T")


@dataclass(frozen=True)
class PriceBook:
    """The prices that a teacher's calls are counted with.

    A dated name has the price of the name without the date, unless it has one of its own. A name without a date has the
    price of its newest dated one.
    """

    own: Mapping[str, Price] = field(default_factory=dict)
    """`teacher.prices`."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """`teacher.price_aliases`."""
    listed: PriceList = field(default_factory=PriceList)
    """The price file's."""
    file: Path | None = None

    @classmethod
    def of(cls, spec: TeacherSpec, default: Path | None = None) -> PriceBook:
        """The prices of a teacher.

        Args:
            default: the price file where the teacher names none.

        Raises:
            PriceFileError: the file cannot be used.
        """
        path = spec.price_file or default
        return cls(spec.prices, spec.price_aliases, read_price_file(path) if path else PriceList(), path)

    def price(self, endpoint: EndpointSpec, answered: str = "", tier: str | None = None) -> Price | None:
        """The price of a call; None if it is not known.

        Args:
            answered: the model that the answer names, which may be another one than was asked for.
            tier: the service tier; None is the one that is asked for. Only a price file tells tiers apart.
        """
        names = list(filter(None, (answered, endpoint.model)))
        tier = endpoint.service_tier if tier is None else tier
        for table in (self._own, self._listed):
            for name in names:
                if found := table(name, tier):
                    return found
        if endpoint.base_url != OPENAI:
            return None
        return next(filter(None, map(openai_price, names)), None)

    def similar(self, model: str) -> list[str]:
        """Names in the file that are this model's with a vendor before them, such as `azure/gpt-4o`."""
        return [name for name in self.listed.standard if name.rpartition("/")[2] == model][:SUGGESTED]

    def _own(self, name: str, tier: str) -> Price | None:
        alias = self.aliases.get(name)
        if alias is None:
            return dated(self.own, name)
        return dated(self.own, alias) or self._listed(alias, tier) or openai_price(alias)

    def _listed(self, name: str, tier: str) -> Price | None:
        return dated(self.listed.tiers.get(tier, {}), name) or dated(self.listed.standard, name)


def dated(table: Mapping[str, T], name: str) -> T | None:
    """The entry of a model in a table whose names may have other dates than its own."""
    if name in table:
        return table[name]
    plain = _DATE.sub("", name)
    if plain != name:
        return table.get(plain)
    newest = max(
        (each for each in table if each.startswith(name) and _DATE.sub("", each) == name), default=""
    )
    return table.get(newest)


def openai_price(name: str) -> Price | None:
    """The price of a model at OpenAI, by the table of langchain-community; None if that does not have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package warns about its other parts
        from langchain_community.callbacks.openai_info import MODEL_COST_PER_1K_TOKENS as TABLE
    name = name if name in TABLE else _DATE.sub("", name)
    if name not in TABLE or f"{name}-completion" not in TABLE:
        return None
    cached = TABLE.get(f"{name}-cached")
    return Price(
        input_per_million=TABLE[name] * 1000,
        output_per_million=TABLE[f"{name}-completion"] * 1000,
        cached_input_per_million=None if cached is None else cached * 1000,
    )


def missing_price(spec: TeacherSpec, caps: BudgetSpec, book: PriceBook, *, listed: bool = True) -> str:
    """Why a cap in dollars cannot be kept, and what to do; empty if it can.

    Args:
        listed: also look into the table of OpenAI's prices, which takes a second and much memory; without it OpenAI's models
            count as priced.
    """
    if caps.max_usd is None:
        return ""
    roles: tuple[Role, ...] = get_args(Role)
    endpoints = [spec.role(role) for role in roles]
    if not listed:
        endpoints = [each for each in endpoints if each.base_url != OPENAI]
    unknown = sorted({each.model for each in endpoints if book.price(each) is None})
    return _advice(unknown, book) if unknown else ""


def _advice(unknown: Collection[str], book: PriceBook) -> str:
    first = min(unknown)
    similar = book.similar(first)
    hint = (
        f" {book.file} has {', '.join(similar)}: if that is it, write `teacher.price_aliases: {{{first}: {similar[0]}}}`."
        if similar
        else ""
    )
    return (
        f"`budget.max_usd` is set, but there is no price for {', '.join(unknown)}. Add it in US dollars per million tokens: "
        f"`teacher.prices: {{{first}: {{input_per_million: ..., output_per_million: ...}}}}`, or name a file of prices in "
        f"`teacher.price_file`, or cap `budget.max_tokens` or `budget.max_calls` instead.{hint}"
    )
