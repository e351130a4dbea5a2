"""The documentation names what there is: files, commands, options, targets, keys, variables and links."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from app.compare.spec import CompareSpec, load_comparison
from app.config.run_config import RunConfig, load_config
from app.settings import Settings
from scripts.drawings import loop, rooms
from scripts.reference.commands import commands
from scripts.reference.config_keys import config_page, config_sections
from scripts.reference.rest import rest_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "benchmarks/README.md", *ROOT.glob("examples/**/*.md"), *DOCS.rglob("*.md")]
)
PAGES.remove(ROOT / "CHANGELOG.md")  # it names what there was
SOURCES = sorted(
    path for package in ("app", "graphs", "pada", "trainer") for path in (ROOT / package).rglob("*.py")
)
WIDTH = 120
PICTURE_BYTES = 200_000
FOLDERS = "app|graphs|pada|prompts|trainer|tests|docs|scripts|benchmarks|examples"
COMMANDS = {name.removeprefix("pada "): command for name, command in commands()}
GROUPS = {name.partition(" ")[0] for name in COMMANDS if " " in name}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> list[str]:
    """What a page shows as code: indented lines, fenced lines other than YAML, and words in backticks."""
    text = re.sub(r"^```yaml\n.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(.+)$", rest, re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", "\n".join([*fenced.splitlines(), *indented])).splitlines()
    return [*lines, *re.findall(r"`([^`\n]+)`", rest)]


# config keys


@pytest.mark.parametrize(
    ("name", "model"), config_sections(), ids=[name or "top" for name, _ in config_sections()]
)
def test_every_config_key_has_a_description(name: str, model: type[BaseModel]) -> None:
    assert [key for key, field in model.model_fields.items() if not field.description] == []
    assert model.__doc__


def schema_keys(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """Property names of a JSON schema and of all that it refers to."""
    keys = set(schema.get("properties", {}))
    for reference in re.findall(r"#/\$defs/(\w+)", str(schema)):
        keys |= schema_keys(document["$defs"][reference], document)
    return keys


@pytest.mark.parametrize("model", [RunConfig, CompareSpec])
def test_the_reference_lists_every_key(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    listed = set(re.findall(r"^\| \[?`(\w+)`", config_page(), re.MULTILINE))
    assert schema_keys(schema, schema) <= listed


@each_page
def test_config_keys_in_the_text_exist(page: Path) -> None:
    known = {
        f"{section}.{key}".lstrip(".") for section, model in config_sections() for key in model.model_fields
    }
    sections = {name for name, _ in config_sections() if name and "." not in name}
    named = re.findall(rf"`((?:{'|'.join(sections)})\.\w+(?:\.\w+)*)(?::[^`]*)?`", read(page))
    files = re.compile(r"\.(?:py|json|jsonl|yaml|csv|html|md)$")
    assert [key for key in named if key not in known and not files.search(key)] == []


@each_page
def test_examples_that_are_whole_configs_are_valid(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL)
    for block in map(yaml.safe_load, blocks):
        whole = {"task": "classification", "data": "data", "teacher": {"model": "any"}} | block
        path = tmp_path / "example.yaml"
        path.write_text(yaml.safe_dump(whole))
        if "compare" in whole:
            load_comparison(path)
        else:
            load_config(path)


# paths and links


@each_page
def test_linked_files_exist(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(page)) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_linked_headings_exist(page: Path) -> None:
    """Those of generated pages are checked when the site is built."""
    wrong = []
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", read(page)):
        target = page.parent / link if link else page
        if (
            "<!-- generated" not in read(target)
            and "\n::: " not in read(target)
            and anchor not in anchors(target)
        ):
            wrong.append(f"{link}#{anchor}")
    assert wrong == []


@each_page
def test_named_paths_exist(page: Path) -> None:
    pattern = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*[\w/])")
    named = [path for line in code_of(page) for path in pattern.findall(line)]
    made = (
        "benchmarks/compare/banking77-more",
        "benchmarks/compare/restaurant8k_slots",
        "benchmarks/compare/restaurant8k-more",
    )
    assert [path for path in named if not (ROOT / path).exists() and not path.startswith(made)] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_that_messages_and_docstrings_name_exist(source: Path) -> None:
    assert [
        name for name in re.findall(r"docs/[\w/-]+\.md", read(source)) if not (ROOT / name).exists()
    ] == []


# commands


def invocations(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each `pada ...` of a page: the command's name, and the options that follow it."""
    for line in code_of(page):
        for words in re.findall(r"(?:^|[\s(]|bin/)pada((?: [^|&#;)]+)?)", re.sub(r"\s#.*", "", line)):
            parts = words.split()
            size = 2 if parts[:1] and parts[0] in GROUPS else 1
            if parts and re.fullmatch(r"[a-z]+", parts[0]):
                yield (
                    " ".join(parts[:size]),
                    [part.partition("=")[0] for part in parts if part.startswith("--")],
                )


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    wrong = []
    for name, options in invocations(page):
        if name in GROUPS:  # the group as such
            continue
        if name not in COMMANDS:
            wrong.append(name)
            continue
        known = {flag for parameter in COMMANDS[name].params for flag in parameter.opts} | {"--help"}
        wrong += [f"{name} {option}" for option in options if option not in known]
    assert wrong == []


def test_commands_are_found_in_pages() -> None:
    commands = {name for page in PAGES for name, _ in invocations(page)}
    assert {"run", "export", "compare", "runs list", "keys create", "serve"} <= commands


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {name for line in code_of(page) for name in re.findall(r"(?:^|\s)make (\w+)", line)}
    assert named - targets == set()


@each_page
def test_modules_that_are_started_exist(page: Path) -> None:
    named = {
        name for line in code_of(page) for name in re.findall(r"-m ((?:trainer|app|graphs)[\w.]+)", line)
    }
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@each_page
def test_environment_variables_exist(page: Path) -> None:
    settings = {f"PADA_{name.upper()}" for name in Settings.model_fields}
    elsewhere = "\n".join(read(path) for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")])
    named = set(re.findall(r"\bPADA_[A-Z_]+\b", read(page)))
    assert [name for name in named - settings if f'"{name}"' not in elsewhere and name != "PADA_KEY"] == []


def test_every_file_of_a_run_is_listed() -> None:
    names = set(re.findall(r'"([a-z_]+(?:\.[a-z]+)?)"', read(ROOT / "graphs/run_paths.py")))
    listed = read(DOCS / "reference/files.md")
    assert len(names) > 30
    assert sorted(name for name in names if name not in listed) == []


# the pages themselves


@each_page
def test_lines_fit_the_width(page: Path) -> None:
    lines = enumerate(read(page).splitlines(), 1)
    long = [
        number for number, line in lines if len(line) > WIDTH and not (line.startswith("|") and "](" in line)
    ]
    assert long == []


def test_every_page_is_in_the_navigation() -> None:
    # the file names only the pages; plug-ins' tags are of no interest here
    listed = set(re.findall(r"[\w/-]+\.md", read(ROOT / "mkdocs.yml").partition("\nnav:")[2]))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert listed == pages | {"contributing.md", "results/benchmarks.md"}


def test_the_rest_reference_lists_the_operations() -> None:
    page = rest_page()
    for operation in (
        "POST /v1/runs",
        "GET /v1/runs/{run}/events",
        "DELETE /v1/datasets/{id}",
        "POST /v1/fine_tuning/jobs",
        "POST /v1/chat/completions",
        "GET /metrics",
    ):
        assert f"    {operation}\n" in page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a dead link, a missing anchor or a page outside the navigation fails it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_fetches_nothing(site: Path) -> None:
    loaded = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"?(https?:)?//", re.IGNORECASE)
    for page in site.rglob("*.html"):
        assert not loaded.search(read(page)), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//|@import", read(sheet)), sheet


def test_the_generated_pages_are_filled(site: Path) -> None:
    assert "learning_rate" in read(site / "reference/config.html")
    assert "Last-Event-ID" in read(site / "reference/rest.html")
    assert "pada runs list" in read(site / "reference/commands.html")
    assert "stratify_key" in read(site / "reference/python.html")
    assert "tokens_per_second" in read(site / "reference/events.html")


@pytest.mark.parametrize(("name", "draw"), [("loop", loop.draw), ("rooms", rooms.draw)])
def test_the_diagrams_are_those_of_the_code(name: str, draw: Any) -> None:
    """Where this fails, `scripts/pictures` draws them anew."""
    assert read(DOCS / "pictures" / f"{name}.svg") == draw()


def test_pictures_are_small_and_whole() -> None:
    pictures = list((DOCS / "pictures").iterdir())
    drawn = {"loop.svg", "rooms.svg", "terminal.svg", "report.png", "page.png"}
    assert {picture.name for picture in pictures} == drawn
    for picture in pictures:
        assert 1_000 < picture.stat().st_size < PICTURE_BYTES
        if picture.suffix == ".svg":
            assert not re.search(r"(?:href|url)\W{1,3}https?:", read(picture))
