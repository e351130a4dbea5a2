"""Prices of models: the user's own, else those of OpenAI's models from the table of langchain-community."""

from __future__ import annotations

import warnings

from graphs.teacher.spec import OPENAI, EndpointSpec, Price


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
