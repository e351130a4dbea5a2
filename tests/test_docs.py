"""The documentation names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from app.cli.main import app
from app.compare.spec import load_comparison
from app.config.run_config import RunConfig, load_config
from graphs.teacher.spec import RoleSpec

ROOT = Path(__file__).parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
SECTIONS = ("data", "student", "teacher", "loop", "budget")


def keys(model: type[BaseModel]) -> list[str]:
    """Keys of a section; those of a nested one as `outer.inner`."""
    found = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        # the roles have keys of the teacher, and the text says which
        nested = isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not RoleSpec
        inner = [f"{name}.{key}" for key in kind.model_fields] if nested else []
        found += inner or [name]
    return found


def section(name: str) -> str:
    """The tables and text of one section of the page; the empty name is the top level."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    parts: dict[str, str] = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    return parts[f"`{name}`" if name else "Top level"]


def documented(name: str) -> set[str]:
    """Keys in the first column of the section's tables."""
    rows = re.findall(r"^\| (`.+?) \|", section(name), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([\w.]+)`", row)}


def test_every_top_level_key_is_documented_and_no_other() -> None:
    assert documented("") == set(RunConfig.model_fields)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_documented_and_no_other(name: str) -> None:
    annotation = RunConfig.model_fields[name].annotation
    model = next(kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type))
    assert issubclass(model, BaseModel)
    assert documented(name) == set(keys(model))


def test_every_key_of_a_role_is_named() -> None:
    roles = section("teacher").rpartition("A role may set")[2]
    assert set(RoleSpec.model_fields) <= set(re.findall(r"`(\w+)`", roles))


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_that_are_whole_configs_are_valid(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for block in map(yaml.safe_load, blocks):
        whole = {"task": "classification", "data": "data", "teacher": {"model": "any"}} | block
        path = tmp_path / "example.yaml"
        path.write_text(yaml.safe_dump(whole))
        if "compare" in whole:
            load_comparison(path)
        else:
            load_config(path)


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_linked_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"`((?:app|graphs|prompts|trainer|tests|docs|scripts)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    known = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    } | {str(group.name) for group in app.registered_groups}
    used = set(re.findall(r"(?:`|\.venv/bin/)pada (\w+)", page.read_text(encoding="utf-8")))
    assert used <= known
