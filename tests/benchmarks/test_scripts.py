"""Every script in `benchmarks/` starts, and `benchmarks/README.md` lists it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
SOURCES = sorted(FOLDER.glob("*.py"))
MAIN = 'if __name__ == "__main__":'
SCRIPTS = [path for path in SOURCES if MAIN in path.read_text(encoding="utf-8")]
MODULES = [path for path in SOURCES if path not in SCRIPTS]
BENCH_EXTRA = {"clustering": "sklearn", "row_choice": "sklearn"}
"""Script -> the package of the `bench` extra that it imports when it starts."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_starts_and_shows_its_options(path: Path) -> None:
    if package := BENCH_EXTRA.get(path.stem):
        pytest.importorskip(package)
    done = run(str(path), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {path.name}")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_scripts_can_be_imported(path: Path) -> None:
    done = run("-c", f"import benchmarks.{path.stem}")
    assert done.returncode == 0, done.stderr


def test_the_readme_lists_every_file_and_no_other() -> None:
    table = [line for line in README.splitlines() if line.startswith("| `")]
    # the first table of the page; those further down list measurements
    listed = [name for line in table for name in re.findall(r"`(\w+\.py)`", line.split("|")[1])]
    assert sorted(listed) == [path.name for path in SOURCES]


def test_results_that_the_readme_names_are_there() -> None:
    results = set(re.findall(r"`(results/\w+\.json)`", README))
    assert results
    assert [name for name in sorted(results) if not (FOLDER / name).exists()] == []
