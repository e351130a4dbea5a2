"""What of a config may be shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.config.public_config import flat_config, public_config
from app.config.run_config import RunConfig, parse_config


def config(**teacher: Any) -> RunConfig:
    document = {
        "data": "rows",
        "seed": 7,
        "student": {"lora": {"r": 8}},
        "teacher": {"model": "large"} | teacher,
    }
    return parse_config(document, "config.yaml", Path("/"))


def test_logins_and_what_a_server_wants_besides_are_left_out() -> None:
    shown = public_config(
        config(
            base_url="https://anna:canary@host/v1?api-version=2",
            extra_body={
                "api_key": "canary",
                "nested": [{"Authorization": "canary"}],
                "reasoning_effort": "low",
            },
            judge={
                "base_url": "http://canary@other/v1",
                "extra_body": {"user_token": "canary", "max_tokens": 5},
            },
        )
    )
    assert "canary" not in json.dumps(shown)
    assert shown["teacher"]["base_url"] == "https://host/v1?api-version=2"
    assert shown["teacher"]["extra_body"]["reasoning_effort"] == "low"
    assert shown["teacher"]["judge"]["extra_body"] == {"user_token": "***", "max_tokens": 5}
    assert shown["teacher"]["api_key_env"] == "OPENAI_API_KEY"


def test_a_config_without_secrets_is_shown_as_it_is() -> None:
    plain = config(base_url="http://localhost:8000/v1")
    assert public_config(plain) == plain.model_dump(mode="json")


def test_flat_keys_are_dotted_and_have_no_empty_values() -> None:
    flat = flat_config(config().model_copy(update={"track": ["mlflow", "wandb"]}))
    assert flat["student.lora.r"] == 8
    assert flat["evaluate_untrained"] is True
    assert flat["track"] == "mlflow, wandb"
    assert "task_description" not in flat
    assert "budget.max_usd" not in flat
    assert all(isinstance(value, str | int | float) for value in flat.values())
