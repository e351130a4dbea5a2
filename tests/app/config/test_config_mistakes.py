"""What is wrong with a config: told with its key, all at once, and without repeating a secret."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from annotated_types import Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.config.run_config import RunConfig, load_config, parse_config
from app.errors import ConfigError
from tests.app.config.config_files import GOOD, refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lopp": {}}, ["lopp: unknown key", "did you mean `loop`?"]),
        ({"rounds": 3}, ["rounds: unknown key here; it belongs under `loop`."]),
        (
            {"student": {"model": "m", "r": 8}},
            ["student.r: unknown key here; it belongs under `student.lora`."],
        ),
        ({"student": "qwen3-0.6b"}, ["student: keys belong here, one a line, such as `model: ...`"]),
        ({"loop": {"round": 3}}, ["loop.round: unknown key", "did you mean `rounds`?"]),
        (
            {"student": {"lora": {"rank": 8}}},
            ["student.lora.rank: unknown key", "known keys here: alpha, dropout, r"],
        ),
        (
            {"teacher": {"model": "m", "judge": {"modell": "x"}}},
            ["teacher.judge.modell", "did you mean `model`?"],
        ),
        ({"loop": {"rounds": 0}}, ["loop.rounds:", "greater than or equal to 1", "0"]),
        ({"loop": {"method": "magic"}}, ["loop.method:", "'pada'", "'magic'"]),
        ({"seed": "many"}, ["seed:", "integer", "'many'"]),
        ({"data": {"train": "a.jsonl"}}, ["data: `data` lacks validation and test"]),
        ({"teacher": {"base_url": "http://x"}}, ["teacher.model: missing."]),
        ({"teacher": None}, ["teacher: missing", "loop.method: vanilla"]),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_to_do(tmp_path: Path, change: Any, words: list[str]) -> None:
    said = refused(tmp_path, GOOD | change)
    assert all(word in said for word in words), said


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, GOOD | {"sed": 1, "loop": {"rounds": 0, "patienc": 2}})
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize("text", ["task: [unclosed", "a: b: c", "\tx: 1"])
def test_what_is_no_yaml(tmp_path: Path, text: str) -> None:
    said = refused(tmp_path, text)
    assert "not valid YAML (line 1, column " in said
    assert "\n" not in said


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert "mapping" in refused(tmp_path, text)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="this is a folder without a config"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "teacher",
    [
        {"model": "m", "api_key": "sk-secret-0123456789"},
        {"model": "m", "api_key_env": {"sk-secret-0123456789": 1}},
        {"model": "m", "judge": {"key": "sk-secret-0123456789"}},
        "sk-secret-0123456789",
        {"model": "m", "generator": "sk-secret-0123456789"},
    ],
)
def test_a_key_pasted_into_the_config_is_not_repeated(tmp_path: Path, teacher: Any) -> None:
    assert "sk-secret" not in refused(tmp_path, GOOD | {"teacher": teacher})


def test_a_key_on_a_broken_line_is_not_repeated(tmp_path: Path) -> None:
    said = refused(tmp_path, "task: x\nteacher: model: sk-secret-0123456789")
    assert "sk-secret" not in said
    assert "line 2" in said


def test_code_in_yaml_is_not_run(tmp_path: Path) -> None:
    refused(tmp_path, f"task: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert not (tmp_path / "made").exists()


def numbers(model: type[BaseModel], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    """Every number of a section and of those inside it, by its whole key."""
    fields = []
    for name, field in model.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        if kinds & {int, float}:
            fields.append((prefix + name, field))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields += numbers(kind, f"{prefix}{name}.")
    return fields


def test_every_number_has_an_upper_bound() -> None:
    """A number far beyond what can be meant is named before anything starts, not a traceback in the last node."""
    number_fields = numbers(RunConfig)
    assert {"seed", "student.steps", "loop.rounds", "teacher.judge.max_tokens", "budget.max_usd"} <= {
        name for name, _ in number_fields
    }
    assert [
        name for name, field in number_fields if not any(isinstance(one, Le | Lt) for one in field.metadata)
    ] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1), ("seed", 2**64), ("seed", 99999999999999999999999), ("seed", "yes"), ("seed", True),
        ("student.learning_rate", math.inf), ("student.learning_rate", 1e300), ("student.steps", 10**12),
        ("student.max_length", 10**8), ("student.epochs", math.nan), ("student.lora.r", True),
        ("loop.rounds", 10**9), ("loop.oversample", True), ("budget.max_usd", math.inf),
        ("teacher.timeout_seconds", -1), ("data.limit.train", 10**12),
    ],
)  # fmt: skip
def test_a_number_out_of_bounds_is_named_with_its_key(key: str, value: object) -> None:
    document: dict[str, Any] = {
        "task": "classification",
        "data": {"folder": "data"},
        "teacher": {"model": "m"},
    }
    *sections, last = key.split(".")
    place = document
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    with pytest.raises(ConfigError, match=rf"c\.yaml: {key}: "):
        parse_config(document, "c.yaml", Path("/configs"))
