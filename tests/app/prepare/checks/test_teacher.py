"""What `pada check` says of a teacher's keys, headers and prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.run_config import parse_config
from app.prepare.checks.teacher import check_teacher


def faults(folder: Path, default: Path | None = None, **teacher: Any) -> dict[str, str]:
    """Code -> message, with a variable `MY_KEY` and no other."""
    document = {"task": "classification", "data": str(folder), "budget": {"max_usd": 5}}
    config = parse_config(document | {"teacher": {"model": "m", **teacher}}, "config", folder)
    found = check_teacher(config, {"MY_KEY": "secret-value"}, default)
    assert all(each.level == "fault" for each in found)
    return {each.code: each.message for each in found}


def test_a_file_of_prices_is_read_from_the_configs_folder_and_its_faults_are_told(tmp_path: Path) -> None:
    assert "no price for m" in faults(tmp_path, api_key_env="MY_KEY")["teacher_price"]
    (tmp_path / "prices.json").write_text('{"m": {"input_per_million": 1, "output_per_million": 1}}')
    assert faults(tmp_path, api_key_env="MY_KEY", price_file="prices.json") == {}
    assert faults(tmp_path, tmp_path / "prices.json", api_key_env="MY_KEY") == {}
    (tmp_path / "prices.json").write_text("{")
    assert (
        "prices.json is not valid"
        in faults(tmp_path, api_key_env="MY_KEY", price_file="prices.json")["teacher_price"]
    )


def test_a_header_whose_variable_is_not_set_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text('{"m": {"input_per_million": 1, "output_per_million": 1}}')
    priced: dict[str, Any] = {"price_file": "prices.json"}
    assert faults(tmp_path, headers_env={"api-key": "MY_KEY"}, **priced) == {}
    assert "OTHER is not set" in faults(tmp_path, headers_env={"api-key": "OTHER"}, **priced)["teacher_key"]
