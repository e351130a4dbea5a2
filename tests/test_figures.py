"""Figures in the documentation are those of the files in `benchmarks/results`, and each file's commit is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.figures import speed, students, systems
from tests.figures.wording import Result

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
BENCHMARKS, COMPARED, NOTES = "benchmarks/README.md", "docs/results.md", "docs/lab-notes.md"


def read(name: str) -> Result:
    result: Result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def text_of(page: str) -> str:
    """A page on one line, as figures may stand at the end of one and units at the beginning of the next."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


FIGURES: list[tuple[str, str, Callable[[Result], Iterator[str]]]] = [
    ("training", BENCHMARKS, speed.training),
    ("neighbours", BENCHMARKS, speed.neighbours),
    ("choice", BENCHMARKS, speed.choice),
    ("generation", BENCHMARKS, speed.generation),
    ("clustering", BENCHMARKS, speed.clustering),
    ("loop", BENCHMARKS, speed.loop),
    ("real_rows", BENCHMARKS, speed.real_rows),
    ("sandbox", BENCHMARKS, speed.sandbox),
    ("load", BENCHMARKS, speed.load),
    ("tasks", COMPARED, students.tasks),
    ("quality", COMPARED, students.quality),
    ("compare-defaults-banking77", COMPARED, students.comparison),
    ("compare-defaults-banking77-seed1", COMPARED, students.comparison),
    ("compare-defaults-banking77-seed2", COMPARED, students.comparison),
    ("compare-defaults-restaurant8k", COMPARED, students.comparison),
    ("compare-defaults-restaurant8k-seed1", COMPARED, students.comparison),
    ("compare-defaults-restaurant8k-seed2", COMPARED, students.comparison),
    ("compare-unlabeled-banking77", COMPARED, students.comparison),
    ("compare-unlabeled-banking77-seed1", COMPARED, students.comparison),
    ("compare-unlabeled-restaurant8k", COMPARED, students.comparison),
    ("compare-defaults-banking77", "README.md", students.main_result),
    ("compare-defaults-banking77-seed1", "README.md", students.main_result),
    ("compare-defaults-banking77-seed2", "README.md", students.main_result),
    ("compare-defaults-restaurant8k", "README.md", students.main_result),
    ("compare-defaults-restaurant8k-seed1", "README.md", students.main_result),
    ("compare-defaults-restaurant8k-seed2", "README.md", students.main_result),
    ("row_choice", NOTES, students.given_rows),
    ("row_choice", NOTES, students.unlabeled_rows),
    ("gpu", "docs/guides/gpu.md", systems.gpu),
    ("gpu", "README.md", systems.gpu_short),
    ("soak-28-minutes", "docs/guides/operations.md", systems.soak),
    ("soak", "docs/guides/operations.md", systems.short_soak),
]


@pytest.mark.parametrize(("name", "page", "figures"), FIGURES, ids=[f"{one[0]}-{one[1]}" for one in FIGURES])
def test_figures_are_those_of_the_result(
    name: str, page: str, figures: Callable[[Result], Iterator[str]]
) -> None:
    text, expected = text_of(page), list(figures(read(name)))
    assert expected
    assert [figure for figure in expected if figure not in text] == []


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_commit_of_each_result_is_named(path: Path) -> None:
    listed = re.findall(
        rf"^\|.*`results/{path.name}`.*\| ([0-9a-f]{{7}}(?:, [0-9a-f]{{7}})*) \|$", lines(), re.M
    )
    assert listed, f"{path.name} has no line with its commit in {BENCHMARKS}"
    own = set(re.findall(r'"commit": "([0-9a-f]{7})', path.read_text(encoding="utf-8")))
    assert own <= set(listed[0].split(", "))


def lines() -> str:
    return (ROOT / BENCHMARKS).read_text(encoding="utf-8")
