"""A config file as people mean it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config.run_config import load_config, read_document
from app.config.yaml_document import load_yaml
from app.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("-7", -7), ("0", 0), ("0x1F", 31), ("1_000", 1000),
        ("1e-4", 1e-4), ("2E5", 2e5), (".5", 0.5), ("5.", 5.0), ("-0.25", -0.25), (".inf", math.inf),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("NO", "NO"), ("y", "y"),
        ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("1.2.3", "1.2.3"), ("12a", "12a"), ("'7'", "7"),
    ],
)  # fmt: skip
def test_only_what_looks_like_a_number_is_one(text: str, value: Any) -> None:
    """As YAML 1.2's core schema (section 10.3.2) has it, except for octal numbers."""
    loaded = load_yaml(f"key: {text}")["key"]
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize("text", ["0512", "-007", "00", "+01"])
def test_a_number_with_a_leading_zero_is_named_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"line 2: .* begins with 0"):
        load_yaml(f"task: x\nseed: {text}\n")
    assert load_yaml(f"'{text}'") == text


def test_a_key_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    """The second would silently replace the first, and with it the cap on dollars."""
    path = tmp_path / "c.yaml"
    path.write_text("task: classification\nbudget: {max_usd: 5}\n# far below\nbudget: {max_calls: 100}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: the key `budget` stands twice, in lines 2 and 4"):
        load_config(path)


def test_a_key_that_stands_twice_deep_inside_is_found() -> None:
    with pytest.raises(ConfigError, match=r"`rounds` stands twice, in lines 2 and 4"):
        load_yaml("loop:\n  rounds: 2\n  qc: true\n  rounds: 3\n")
    with pytest.raises(ConfigError, match=r"`max_usd` stands twice, in lines 1 and 1"):
        load_yaml("budget: {max_usd: 5, max_usd: 6}")


def test_merge_keys_may_override(tmp_path: Path) -> None:
    text = "base: &base {rounds: 1, qc: true}\nloop: {<<: *base, rounds: 2}\n"
    assert load_yaml(text)["loop"] == {"rounds": 2, "qc": True}


def test_tags_make_no_objects() -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml("!!python/object/apply:os.system ['true']")


def test_every_config_of_the_project_reads_as_before() -> None:
    root = Path(__file__).resolve().parents[3]
    files = [*root.glob("benchmarks/compare/*.yaml"), *root.glob("app/demo/*.yaml")]
    assert len(files) > 5
    for path in files:
        assert read_document(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_references_cannot_make_a_text_too_large() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(ConfigError, match=r"line [678]: with its references"):
        load_yaml("\n".join(["a0: &a0 [1, 2, 3, 4, 5]", *levels]))
    merged = [f"b{n}: &b{n}\n  <<: [{', '.join([f'*b{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(ConfigError, match="references"):
        load_yaml("\n".join(["b0: &b0 {x: 1}", *merged]))
    with pytest.raises(ConfigError, match="line 1: with its references"):
        load_yaml("a: &a [*a]")
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_yaml("[" * 5000)
    assert load_yaml("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}") == {
        "a": {"x": [1, 2]},
        "b": {"x": [1, 2]},
        "c": {"x": [1, 2], "y": 3},
    }
    assert load_yaml("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nsteps: 1" + "0" * 5000, "line 2: a number of 5,001 digits is too large"),
        ("a: 1\n? [b, c]\n: 2", "line 2: a key is a text, not a list or a mapping"),
        ("a: 1\n? {b: c}\n: 2", "line 2: a key is a text, not a list or a mapping"),
    ],
)
def test_what_no_config_can_hold_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_yaml(text)
