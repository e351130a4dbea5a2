"""The service's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import RayToken, Settings


@pytest.mark.parametrize(
    ("host", "auth", "required"),
    [
        ("127.0.0.1", "auto", False),
        ("localhost", "auto", False),
        ("::1", "auto", False),
        ("0.0.0.0", "auto", True),
        ("gpu-host", "auto", True),
        ("127.0.0.1", "on", True),
    ],
)
def test_keys_are_asked_for_where_others_can_reach_the_service(host: str, auth: str, required: bool) -> None:
    assert Settings.model_validate({"host": host, "auth": auth}).keys_required is required


def test_a_child_gets_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        home=Path("here"),
        allowed_paths=[Path("/data")],
        teacher_keys={"http://t/v1": ["KEY"]},
        max_running=3,
        lease_seconds=1.5,
        prices=Path("prices.json"),
    )
    variables = settings.environment()
    monkeypatch.chdir("/")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    child = Settings()
    assert child.home == tmp_path / "here"
    assert child.database == settings.database == f"sqlite+aiosqlite:///{tmp_path / 'here' / 'pada.sqlite'}"
    assert child.prices == tmp_path / "prices.json"
    same = {"allowed_paths", "teacher_keys", "max_running", "lease_seconds"}
    assert child.model_dump(include=same) == settings.model_dump(include=same)


def test_what_is_not_set_is_not_set_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in Settings().environment().items():
        monkeypatch.setenv(name, value)
    assert Settings().prices is None


def test_a_teacher_that_is_set_up_is_known_with_the_key_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers = {
        "default": {"base_url": "http://a/v1/", "model": "m", "api_key_env": "A_KEY"},
        "azure": {"base_url": "http://d/v1", "model": "m", "headers_env": {"api-key": "D_KEY"}},
        "plain": {
            "base_url": "http://b/v1",
            "model": "m",
            "judge": {"base_url": "http://c/v1", "api_key_env": "C_KEY"},
        },
    }
    settings = Settings.model_validate({"teachers": teachers, "teacher_keys": {"http://a/v1": ["OLD"]}})
    known = {
        "http://a/v1": {"OLD", "A_KEY"},
        "http://b/v1": set(),
        "http://c/v1": {"C_KEY"},
        "http://d/v1": {"D_KEY"},
    }
    assert settings.known_teachers == known
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings().known_teachers == known, "a child knows the same"


def test_the_token_of_a_cluster_is_in_a_variable_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    assert RayToken().read() == ""
    file.write_text("of the file\n")
    assert RayToken().read() == "of the file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the variable")
    assert RayToken().read() == "of the variable"
