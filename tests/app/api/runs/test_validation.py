"""What a config posted over HTTP may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.api.runs.validation import admit
from app.errors import ConfigError, Unavailable
from tests.app.api.http_service import settings_for

SERVER = "http://10.0.0.7:8000"


def document(**student: Any) -> dict[str, Any]:
    return {
        "task": "classification",
        "student": student,
        "teacher": {"base_url": "http://teacher.example/v1", "model": "m", "api_key_env": ""},
    }


@pytest.mark.parametrize("url", [SERVER, "http://169.254.169.254", "http://localhost:8000"])
def test_a_vllm_server_that_the_settings_do_not_name_is_refused(tmp_path: Path, url: str) -> None:
    """The trainer would send it requests from inside the service's network, and show what it answers."""
    settings = settings_for(tmp_path / "home")
    with pytest.raises(ConfigError, match=r"config\.student\.vllm_url: .*PADA_VLLM_URLS"):
        admit(document(engine="vllm", vllm_url=url), tmp_path, settings)


def test_a_vllm_server_that_the_settings_name_is_used(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home").model_copy(update={"vllm_urls": [SERVER]})
    assert admit(document(engine="vllm", vllm_url=SERVER), tmp_path, settings).student.vllm_url == SERVER


def test_a_server_of_its_own_needs_no_permission(tmp_path: Path) -> None:
    """On a cluster, where it may be installed; on this machine it would have to be."""
    cluster = settings_for(tmp_path / "home", launcher="ray")
    assert admit(document(engine="vllm"), tmp_path, cluster).student.engine == "vllm"


@pytest.mark.parametrize("own", [{"task": "my_task:Mine"}, {"task_folder": "/tmp"}])
def test_code_of_a_client_is_not_imported(tmp_path: Path, own: dict[str, str]) -> None:
    (key,) = own
    with pytest.raises(ConfigError, match=rf"config\.{key}: "):
        admit(document() | own, tmp_path, settings_for(tmp_path / "home"))


@pytest.mark.parametrize(
    ("key", "setting", "change"),
    [
        ("student.steps", "PADA_MAX_STEPS", {"student": {"steps": 100_001}}),
        ("loop.rounds", "PADA_MAX_ROUNDS", {"loop": {"rounds": 21}}),
        (
            "loop.synthetic_per_round",
            "PADA_MAX_NEW_ROWS",
            {"loop": {"rounds": 10, "synthetic_per_round": 2501}},
        ),
        ("loop.synthetic_per_round", "PADA_MAX_NEW_ROWS", {"loop": {"synthetic_per_round": 1_000_000}}),
    ],
)
def test_a_run_larger_than_the_service_allows_is_refused(
    tmp_path: Path, key: str, setting: str, change: dict[str, Any]
) -> None:
    """Four times as many rows are asked for as are kept: 10 rounds of 2,501 are 100,040."""
    with pytest.raises(ConfigError, match=rf"config\.{key}: .*{setting}"):
        admit(document() | change, tmp_path, settings_for(tmp_path / "home"))
    larger = settings_for(tmp_path / "home", max_steps=10**7, max_rounds=1000, max_new_rows=10**9)
    assert admit(document() | change, tmp_path, larger)


def test_a_run_as_large_as_the_service_allows_is_taken(tmp_path: Path) -> None:
    change = {"student": {"steps": 100_000}, "loop": {"rounds": 20, "synthetic_per_round": 1250}}
    assert admit(document() | change, tmp_path, settings_for(tmp_path / "home"))
    # what a run without a loop would ask for does not count
    vanilla = {"loop": {"method": "vanilla", "rounds": 1000, "synthetic_per_round": 1_000_000}}
    assert admit(document() | vanilla, tmp_path, settings_for(tmp_path / "home"))


def test_a_cap_in_dollars_without_a_price_is_refused(tmp_path: Path) -> None:
    """The run would fail at its first question."""
    budget = {"budget": {"max_usd": 5}}
    with pytest.raises(ConfigError, match=r"config\.budget: .*no price for m"):
        admit(document() | budget, tmp_path, settings_for(tmp_path / "home"))
    priced = document()
    priced["teacher"]["prices"] = {"m": {"input_per_million": 1, "output_per_million": 2}}
    assert admit(priced | budget, tmp_path, settings_for(tmp_path / "home"))


def test_prices_of_the_services_own_file_count_and_a_run_names_none(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"m": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}')
    settings = settings_for(tmp_path / "home", prices=str(file))
    budget = {"budget": {"max_usd": 5}}
    assert admit(document() | budget, tmp_path, settings)
    asked = document()
    asked["teacher"]["price_file"] = str(file)
    with pytest.raises(ConfigError, match=r"config\.teacher\.price_file: .*leave it out"):
        admit(asked, tmp_path, settings)
    file.write_text("{")
    with pytest.raises(Unavailable, match="PADA_PRICES"):
        admit(document() | budget, tmp_path, settings)


def test_a_header_carries_only_what_the_settings_let_go_to_its_address(tmp_path: Path) -> None:
    asked = document()
    asked["teacher"] = {
        "base_url": "http://t.example/v1",
        "model": "m",
        "headers_env": {"api-key": "DATABASE_URL"},
    }
    for known in ({}, {"http://other.example/v1": ["DATABASE_URL"]}, {"http://t.example/v1": ["AZURE_KEY"]}):
        settings = settings_for(tmp_path / "home", teacher_keys=known)
        with pytest.raises(
            ConfigError, match=r"DATABASE_URL may not go to http://t\.example/v1.*`headers_env`"
        ):
            admit(asked, tmp_path, settings)
    asked["teacher"]["headers_env"] = {"api-key": "AZURE_KEY"}
    config = admit(asked, tmp_path, settings)
    assert config.teacher
    assert config.teacher.role("judge").variables == ["AZURE_KEY"]
    asked["teacher"]["judge"] = {"headers_env": {"x": "HOME"}}
    with pytest.raises(ConfigError, match="HOME may not go"):
        admit(asked, tmp_path, settings)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "javascript:1", "ftp://x/", "", "localhost:8000", "http://", "http://x:99999/"],
)
def test_a_teachers_address_is_one_of_http(tmp_path: Path, url: str) -> None:
    asked = document()
    asked["teacher"]["base_url"] = url
    with pytest.raises(ConfigError, match="http://localhost:8000/v1"):
        admit(asked, tmp_path, settings_for(tmp_path / "home"))


def test_a_pasted_key_is_not_repeated(tmp_path: Path) -> None:
    asked = document()
    asked["teacher"]["api_key_env"] = "sk-canary"
    with pytest.raises(ConfigError, match="never the key itself") as error:
        admit(asked, tmp_path, settings_for(tmp_path / "home"))
    assert "canary" not in str(error.value)


def test_only_trackers_that_the_settings_name_are_logged_to(tmp_path: Path) -> None:
    """They use the accounts of whoever runs the service."""
    asked = document() | {"track": ["tensorboard", "wandb"]}
    settings = settings_for(tmp_path / "home").model_copy(update={"trackers": ["tensorboard"]})
    with pytest.raises(
        ConfigError, match=r"config\.track: this service does not log to wandb\. .*PADA_TRACKERS"
    ):
        admit(asked, tmp_path, settings)
    assert admit(document() | {"track": ["tensorboard"]}, tmp_path, settings).track == ["tensorboard"]
