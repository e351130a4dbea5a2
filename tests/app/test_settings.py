"""The service's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigError
from app.settings import GraphSettings, RayToken, Settings


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


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("port", "x", "PADA_PORT: a whole number of at least 0 and at most 65535 belongs here (it is 'x')."),
        (
            "port",
            "70000",
            "PADA_PORT: a whole number of at least 0 and at most 65535 belongs here (it is '70000').",
        ),
        ("max_hours", "0", "PADA_MAX_HOURS: a number above 0 belongs here (it is '0')."),
        ("launcher", "foo", "PADA_LAUNCHER: one of local, ray belongs here (it is 'foo')."),
        ("log_level", "", "PADA_LOG_LEVEL: one of debug, info, warning, error belongs here (it is '')."),
        ("comparisons", "runs", 'PADA_COMPARISONS: a JSON value such as ["...", "..."] belongs here.'),
        ("students", "[]", 'PADA_STUDENTS: a JSON value such as {"...": "..."} belongs here.'),
        ("teachers", "me", 'PADA_TEACHERS: a JSON value such as {"...": "..."} belongs here.'),
        ("ray_address", "head:8265", "PADA_RAY_ADDRESS: http://HEAD:8265 belongs here."),
    ],
)
def test_a_wrong_variable_is_named_with_what_belongs_there(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"PADA_{name.upper()}", value)
    with pytest.raises(ConfigError) as caught:
        Settings()
    assert str(caught.value) == message


def test_all_wrong_variables_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_PORT", "x")
    monkeypatch.setenv("PADA_TEACHERS", '{"default": {"base_url": "http://t/v1", "api_key": "sk-123456789"}}')
    with pytest.raises(ConfigError) as caught:
        Settings()
    port, *teacher = str(caught.value).splitlines()
    assert port.startswith("PADA_PORT: ")
    assert "PADA_TEACHERS: default.model: field required." in teacher
    assert "sk-1234" not in str(caught.value)


def test_a_switch_of_another_prefix_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "perhaps")
    with pytest.raises(
        ConfigError, match=r"^LANGGRAPH_STRICT_MSGPACK: true or false belongs here \(it is 'perhaps'\)"
    ):
        GraphSettings()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:word-of-mine@host/pada",
        "sqlite://pada.sqlite",
        "postgresql://me:word-of-mine@host:port/pada",
        "pada.sqlite",
    ],
)
def test_an_unknown_database_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PADA_DATABASE_URL", url)
    with pytest.raises(ConfigError) as caught:
        Settings()
    expected = "PADA_DATABASE_URL: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME belongs here."
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:///pada.sqlite",
        "sqlite+aiosqlite:////var/pada.sqlite",
        "postgresql://host",
        "postgresql:///pada",
        "postgresql+psycopg://me:p@ss/word@[::1]:5432/pada?sslmode=require",
    ],
)
def test_a_known_database_is_taken_as_it_is(url: str) -> None:
    assert Settings(database_url=url).database_url == url
