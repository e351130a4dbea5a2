"""Imports run one way, pada -> app -> graphs -> {prompts, trainer}, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("app", "graphs", "pada", "prompts", "trainer")
ALLOWED = {
    "pada": {"pada", "app", "graphs", "prompts", "trainer"},
    "app": {"app", "graphs", "prompts", "trainer"},
    "graphs": {"graphs", "prompts", "trainer"},
    "prompts": {"prompts"},
    "trainer": {"trainer"},
}
"""Package -> packages of ours that it may import."""

FLOORS = {
    "app": [
        {"errors"},
        {"settings", "logs"},
        {"config", "launchers"},
        {"report", "demo", "prepare"},
        {"engine"},
        {"compare", "db", "export", "studio", "telemetry"},
        {"executor"},
        {"api"},
        {"cli", "main"},
    ],
    "graphs": [
        {"errors", "methods", "ports", "run_paths", "schemas", "state"},
        {"artifacts", "context", "routing", "rows", "teacher"},
        {"analysis", "checks", "person_rows", "report", "review"},
        {"rounds", "task_brief"},
        {"unanswered", "workspace"},
        {"pattern_outcomes"},
        {"nodes"},
        {"augment"},
        {"loop"},
    ],
}
"""Rooms (folders or single files) of a package, floor by floor: a room imports only from the floors below it."""

TORCH = {"torch", "transformers", "peft", "accelerate", "sentence_transformers"}
WEB = {"fastapi", "starlette", "uvicorn", "sqlalchemy"}

SOURCES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


def loaded_by(*modules: str) -> set[str]:
    """Top-level names in `sys.modules` of a fresh process that imported these modules."""
    return loaded_after(f"import {', '.join(modules)}")


def loaded_after(code: str) -> set[str]:
    """Names in `sys.modules` of a fresh process after it has run some code."""
    code = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def imports_of(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, also inside functions."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            packages.add(node.module.split(".")[0])
    return packages


def room(module: str) -> tuple[str, str] | None:
    """The package and the room of a module, for packages that have floors."""
    package, _, rest = module.partition(".")
    return (package, rest.split(".")[0]) if package in FLOORS and rest else None


def arrows() -> dict[tuple[tuple[str, str], tuple[str, str]], str]:
    """Room -> another room of its package that it imports from, with one import that does so."""
    by_rooms = {}
    for path in SOURCES:
        source = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            for name in node.names:
                here, there = room(source), room(f"{node.module}.{name.name}")
                if here and there and here[0] == there[0] and here != there:
                    by_rooms[here, there] = f"{source} imports {node.module}.{name.name}"
    return by_rooms


def test_rooms_import_only_from_the_floors_below() -> None:
    """`pytest -rP tests/test_imports.py -k floors` prints how many rooms and arrows there are."""
    floor = {
        (package, name): number
        for package, floors in FLOORS.items()
        for number, names in enumerate(floors)
        for name in names
    }
    all_arrows = arrows()
    for package, floors in FLOORS.items():
        inside = [arrow for arrow in all_arrows if arrow[0][0] == package]
        print(f"{package}: {sum(map(len, floors))} rooms, {len(floors)} floors, {len(inside)} arrows")
    rooms = {room(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in SOURCES} - {None}
    assert {name for name in rooms if name and name[1] != "__init__"} == set(floor)
    assert [text for (here, there), text in all_arrows.items() if floor[here] <= floor[there]] == []
    assert sum(map(len, FLOORS["app"])) <= 18


def test_there_are_sources() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(OURS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    imported = imports_of(path)
    assert imported & set(OURS) <= ALLOWED[package]
    assert not imported & {"tests", "benchmarks"}
    assert not imported & {"pickle", "dill", "joblib", "shelve"}
    if package != "app":
        assert not imported & WEB
    if package != "pada":
        assert not imported & {"pandas"}
    if package != "trainer":
        assert not imported & TORCH
    if package in ("trainer", "prompts"):
        assert not {name for name in imported if name.startswith("lang")}


def test_the_command_line_never_loads_torch() -> None:
    loaded = tops(loaded_by("app.cli.main", "app.engine.runner", "app.engine.wiring", "app.report.html"))
    assert not loaded & TORCH
    assert {"langgraph", "graphs", "trainer"} <= loaded


def test_the_command_line_alone_is_light() -> None:
    """Help needs no config, no rows and no event loop."""
    code = "import sys, app.cli.main\nsys.argv = ['pada', '--help']\ntry: app.cli.main.main()\nexcept SystemExit: pass"
    assert not tops(loaded_after(code)) & (
        TORCH | WEB | {"langgraph", "langchain_core", "faiss", "openai", "pydantic", "regex", "asyncio"}
    )


def test_the_service_is_light() -> None:
    """Runs are worked on in processes of their own. Alembic is for a database of another version, huggingface_hub for
    models that are fetched, httpx for teachers that /readyz checks."""
    loaded = tops(loaded_by("app.cli.serve", "app.executor.supervisor"))
    assert not loaded & (
        TORCH | {"langgraph", "langchain_core", "openai", "faiss", "numpy", "scipy", "altair"}
    )
    assert not loaded & {"alembic", "huggingface_hub", "httpx", "rich", "pygments"}
    assert {"fastapi", "sqlalchemy"} <= loaded


def test_the_python_interface_is_light() -> None:
    """`import pada` needs neither pandas nor the graph: runs are worked on in processes of their own."""
    loaded = tops(loaded_by("pada"))
    assert not loaded & (
        TORCH | WEB | {"pandas", "langgraph", "langchain_core", "openai", "faiss", "scipy", "numpy"}
    )
    assert {"pada", "app"} <= loaded


def test_contracts_of_the_trainer_stand_alone() -> None:
    modules = ("records", "specs", "artifacts", "fencing", "data_files", "tasks", "progress")
    loaded = tops(loaded_by(*(f"trainer.{name}" for name in modules)))
    assert loaded & set(OURS) == {"trainer"}
    assert not loaded & (TORCH | WEB | {"faiss", "langgraph", "langchain_core", "openai"})


def test_graphs_needs_no_web_stack() -> None:
    loaded = tops(loaded_by("graphs.loop", "graphs.teacher.chat", "graphs.analysis.clustering"))
    assert loaded & set(OURS) <= {"graphs", "prompts", "trainer"}
    assert not loaded & (TORCH | WEB)


def test_prompts_imports_nothing_of_ours() -> None:
    assert tops(loaded_by("prompts")) & set(OURS) == {"prompts"}


@pytest.mark.student
def test_the_trainer_needs_no_graph_and_no_web_stack() -> None:
    loaded = tops(loaded_by("trainer.finetune", "trainer.predict", "trainer.embed"))
    assert loaded & set(OURS) == {"trainer"}
    assert not loaded & {"langgraph", "langchain_core", "openai", "fastapi", "uvicorn", "sqlalchemy", "faiss"}
