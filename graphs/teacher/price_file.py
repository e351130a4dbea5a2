"""Reads a price file: JSON from model names to prices, as `teacher.prices` or as LiteLLM's
`model_prices_and_context_window.json` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from graphs.errors import TeacherError
from graphs.teacher.spec import Price

LARGEST = 64 << 20
"""Bytes of a file. LiteLLM's has two million."""

LITELLM = {
    "input_per_million": "input_cost_per_token",
    "output_per_million": "output_cost_per_token",
    "cached_input_per_million": "cache_read_input_token_cost",
    "cache_write_per_million": "cache_creation_input_token_cost",
    "reasoning_per_million": "output_cost_per_reasoning_token",
}
"""Our keys, and LiteLLM's, whose prices are for one token."""
SAMPLE = "sample_spec"
"""LiteLLM's description of its keys, which stands among the models."""
TIERS = {"flex": "_flex", "priority": "_priority", "batch": "_batches"}
"""Service tiers by the name that a request or an answer has for them, and what LiteLLM adds to its keys for each."""


class PriceFileError(TeacherError):
    """A price file that cannot be used."""


@dataclass(frozen=True)
class PriceList:
    """What a price file holds."""

    standard: Mapping[str, Price] = field(default_factory=dict)
    """By model."""
    tiers: Mapping[str, Mapping[str, Price]] = field(default_factory=dict)
    """Service tier -> model, for the models that have another price there."""


def read_price_file(path: Path) -> PriceList:
    """The prices in a file. Entries of LiteLLM that have no flat price by tokens, such as images, are left out.

    Raises:
        PriceFileError: the file cannot be read, or a price in it is wrong; the message names file, model and key.
    """
    try:
        status = path.stat()
        if status.st_size > LARGEST:
            raise PriceFileError(f"The price file {path} is larger than {LARGEST >> 20} MiB.")
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise PriceFileError(f"The price file {path} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=4)
def _read(path: Path, *_: int) -> PriceList:
    """The prices of one version of a file."""
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise PriceFileError(f"The price file {path} is not valid JSON.") from None
    if not isinstance(entries, dict):
        raise PriceFileError(f"The price file {path} must hold one JSON object, from model names to prices.")
    entries.pop(SAMPLE, None)
    standard = {
        name: price for name, entry in entries.items() if (price := _price(path, name, entry, LITELLM))
    }
    tiers = {
        tier: {
            name: price
            for name in standard
            if (keys := _tier_keys(entries[name], suffix)) != LITELLM
            and (price := _price(path, name, entries[name], keys))
        }
        for tier, suffix in TIERS.items()
    }
    return PriceList(standard, tiers)


def _tier_keys(entry: Mapping[str, Any], suffix: str) -> dict[str, str]:
    """LiteLLM's keys for a tier: its own where the entry has them, else the standard ones."""
    return {
        ours: f"{theirs}{suffix}" if entry.get(f"{theirs}{suffix}") is not None else theirs
        for ours, theirs in LITELLM.items()
    }


def _price(path: Path, name: str, entry: Any, keys: Mapping[str, str]) -> Price | None:
    fault = f"The price file {path}: {name}"
    if not isinstance(entry, dict):
        raise PriceFileError(
            f"{fault}: an object with `input_per_million` and `output_per_million` belongs here."
        )
    own = bool(entry.keys() & LITELLM.keys())
    if not own:
        entry = {ours: entry[theirs] for ours, theirs in keys.items() if entry.get(theirs) is not None}
        if not {"input_per_million", "output_per_million"} <= entry.keys():
            return None
        for key, value in entry.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise PriceFileError(f"{fault}: {keys[key]} must be a number.")
        # from "3e-06" to 3 and not to 2.9999999999999996
        entry = {key: float(f"{value * 1e6:.12g}") for key, value in entry.items()}
    try:
        return Price.model_validate(entry)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[0]
        key = str(details["loc"][0]) if details["loc"] else "prices"
        message = details["msg"].removeprefix("Value error, ")
        raise PriceFileError(f"{fault}: {key if own else keys.get(key, key)}: {message}.") from None
