"""Price files: our form and LiteLLM's, what is left out, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from graphs.teacher.price_file import PriceFileError, read_price_file
from graphs.teacher.spec import Price

LITELLM: dict[str, Any] = {
    "sample_spec": {
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
        "max_tokens": "LEGACY parameter",
    },
    "gpt-5-mini": {
        "cache_read_input_token_cost": 2.5e-08,
        "input_cost_per_token": 2.5e-07,
        "litellm_provider": "openai",
        "mode": "chat",
        "output_cost_per_token": 2e-06,
        "cache_read_input_token_cost_flex": 1.25e-08,
        "input_cost_per_token_flex": 1.25e-07,
        "output_cost_per_token_flex": 1e-06,
        "input_cost_per_token_priority": 4.5e-07,
        "output_cost_per_token_priority": 3.6e-06,
        "input_cost_per_token_batches": 1.25e-07,
        "cache_read_input_token_cost_batches": None,
        "supports_reasoning": True,
        "supported_endpoints": ["/v1/chat/completions"],
    },
    "perplexity/deep": {
        "input_cost_per_token": 2e-06,
        "output_cost_per_token": 8e-06,
        "output_cost_per_reasoning_token": 3e-06,
        "cache_creation_input_token_cost": None,
    },
    "claude-sonnet": {
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_read_input_token_cost": 3e-07,
        "input_cost_per_token_above_200k_tokens": 6e-06,
    },
    "dall-e-2": {"input_cost_per_pixel": 1.9e-08, "mode": "image_generation", "output_cost_per_pixel": 0.0},
    "tiered": {"mode": "chat", "tiered_pricing": [{"input_cost_per_token": 1e-06, "range": [0, 32000]}]},
}


def write(folder: Path, content: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_litellms_list_is_read_as_it_is(tmp_path: Path) -> None:
    prices = read_price_file(write(tmp_path, LITELLM))
    assert prices.standard == {
        "gpt-5-mini": Price(input_per_million=0.25, output_per_million=2, cached_input_per_million=0.025),
        "perplexity/deep": Price(input_per_million=2, output_per_million=8, reasoning_per_million=3),
        "claude-sonnet": Price(
            input_per_million=3,
            output_per_million=15,
            cached_input_per_million=0.3,
            cache_write_per_million=3.75,
        ),
    }


def test_litellms_prices_for_service_tiers_stand_in_for_the_standard_ones(tmp_path: Path) -> None:
    mini = {"input_per_million": 0.25, "output_per_million": 2, "cached_input_per_million": 0.025}
    flex = {"input_per_million": 0.125, "output_per_million": 1, "cached_input_per_million": 0.0125}
    assert read_price_file(write(tmp_path, LITELLM)).tiers == {
        "flex": {"gpt-5-mini": Price(**flex)},
        "priority": {
            "gpt-5-mini": Price(**mini | {"input_per_million": 0.45, "output_per_million": 3.6}),
        },
        "batch": {"gpt-5-mini": Price(**mini | {"input_per_million": 0.125})},
    }


def test_our_form_may_stand_beside_it_and_a_change_is_seen(tmp_path: Path) -> None:
    ours = {"input_per_million": 0.5, "output_per_million": 1.5}
    path = write(tmp_path, {"mine": ours} | LITELLM)
    assert read_price_file(path).standard["mine"] == Price(**ours)
    write(tmp_path, {"mine": ours | {"input_per_million": 0.75}})
    os.utime(path, ns=(1, 1))
    assert read_price_file(path).standard == {"mine": Price(input_per_million=0.75, output_per_million=1.5)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "one JSON object"),
        ({"m": 3}, "m: an object with `input_per_million`"),
        ({"m": {"input_per_million": 1}}, "m: output_per_million: Field required"),
        (
            {"m": {"input_per_million": -1, "output_per_million": 1}},
            "m: input_per_million: Input should be greater",
        ),
        ({"m": {"input_per_million": 1, "output_per_million": 1, "cached": 1}}, "m: cached: Extra inputs"),
        (
            {"m": {"input_cost_per_token": "3e-06", "output_cost_per_token": 1}},
            "m: input_cost_per_token must be",
        ),
        (
            {"m": {"input_cost_per_token": True, "output_cost_per_token": 1}},
            "m: input_cost_per_token must be",
        ),
        (
            {"m": {"input_cost_per_token": -3e-06, "output_cost_per_token": 0}},
            "m: input_cost_per_token: Input should",
        ),
        (
            {"m": {"input_cost_per_token": 1, "output_cost_per_token": 1, "output_cost_per_token_flex": "1"}},
            "m: output_cost_per_token_flex must be",
        ),
        (
            '{"m": {"input_cost_per_token": NaN, "output_cost_per_token": 0}}',
            "m: input_cost_per_token: Input should",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_model_and_key(tmp_path: Path, content: Any, reason: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(PriceFileError) as caught:
        read_price_file(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"none\.json cannot be read: No such file"):
        read_price_file(tmp_path / "none.json")
    with pytest.raises(PriceFileError, match="cannot be read: Is a directory"):
        read_price_file(tmp_path)
