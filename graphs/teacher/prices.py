"""Prices of models: the user's own, else those of OpenAI's models from the table of langchain-community."""

from __future__ import annotations

import warnings
from typing import get_args

from graphs.ports import Role
from graphs.teacher.spec import OPENAI, BudgetSpec, EndpointSpec, Price, TeacherSpec


def price_of(endpoint: EndpointSpec, own: dict[str, Price]) -> Price | None:
    """The user's price of a model, else the listed one, else None."""
    return own.get(endpoint.model) or listed_price(endpoint)


def listed_price(endpoint: EndpointSpec) -> Price | None:
    """The listed price of a model at OpenAI itself. None for other endpoints and for models not in the table."""
    if endpoint.base_url != OPENAI:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package warns about its other parts
        from langchain_community.callbacks.openai_info import MODEL_COST_PER_1K_TOKENS as TABLE
    name = endpoint.model
    if name not in TABLE or f"{name}-completion" not in TABLE:
        return None
    return Price(input_per_million=TABLE[name] * 1000, output_per_million=TABLE[f"{name}-completion"] * 1000)


def missing_price(spec: TeacherSpec, caps: BudgetSpec, *, listed: bool = True) -> str:
    """Why a cap in dollars cannot be kept, and what to do; empty if it can.

    Args:
        listed: also look into the table of OpenAI's prices, which takes a second and much memory; without it OpenAI's models
            count as priced.
    """
    roles: tuple[Role, ...] = get_args(Role)
    if caps.max_usd is None:
        return ""
    endpoints = [spec.role(role) for role in roles]
    if not listed:
        endpoints = [each for each in endpoints if each.base_url != OPENAI]
    unknown = sorted({each.model for each in endpoints if price_of(each, spec.prices) is None})
    if not unknown:
        return ""
    return (
        f"`budget.max_usd` is set, but there is no price for {', '.join(unknown)}. Add it in US dollars per million tokens: "
        f"`teacher.prices: {{{unknown[0]}: {{input_per_million: ..., output_per_million: ...}}}}`, or cap `budget.max_tokens` or "
        "`budget.max_calls` instead."
    )
