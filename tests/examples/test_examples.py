"""Each example through the whole loop: the real command line, a tiny student, and a scripted teacher."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import read_document
from tests.command import PADA, environment
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import FILLER, config_for, write_config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/config.yaml"))
QUICK = ("booking_json", "custom_task")
"""Those that every test run tries; the others take as long, and are tried with the slow tests."""
RUNS = [
    pytest.param(folder, id=folder.name, marks=[] if folder.name in QUICK else pytest.mark.slow)
    for folder in EXAMPLES
]
SPLITS = ("train", "validation", "test")


def rows(folder: Path, split: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "data" / f"{split}.jsonl").read_text().splitlines()]


def write_row(row: dict[str, str], rng: random.Random) -> dict[str, str]:
    """A training row, as the writer sees it, with other words in its first line, which the answer does not depend on."""
    lines = row["prompt"].split("\n")
    lines[0] += f" ({' '.join(rng.sample(FILLER, 14))})"
    return {"prompt": "\n".join(lines), "completion": row["completion"]}


def answer(schema: str, data: dict[str, Any]) -> dict[str, Any]:
    """The scripted teacher for any of the examples."""
    rng = random.Random(json.dumps(data, sort_keys=True))
    if schema == "SampleBatch":
        return {"samples": [write_row(rng.choice(data["examples"]), rng) for _ in range(data["count"])]}
    answers: dict[str, dict[str, Any]] = {
        "TaskDescription": {"description": "What the examples show."},
        "ErrorAnalysis": {"root_cause": "It misses the words.", "scenario": "Messages in other words."},
        "FailurePattern": {"name": "Other words", "description": "The wording is new to the student."},
        "AugmentationStrategy": {"title": "Other words", "instructions": "Vary the wording."},
        "QualityReport": {"adherence": 9, "utility": 8, "relevance": 9, "rejected": [], "feedback": ""},
    }
    return answers[schema]


@pytest.fixture(scope="module")
def teacher() -> Iterator[ScriptedTeacherServer]:
    with ScriptedTeacherServer(answers=answer) as server:
        yield server


@pytest.mark.student
@pytest.mark.parametrize("folder", RUNS)
def test_an_example_runs_as_its_readme_says(
    folder: Path, student: Path, teacher: ScriptedTeacherServer, tmp_path: Path
) -> None:
    """Only the student, the teacher's address and the output are others than in the example."""
    document = read_document(folder / "config.yaml")
    tiny = config_for(folder / "data", student, teacher.url)
    small = {"epochs": 2, "max_length": 256, "max_new_tokens": document["student"]["max_new_tokens"]}
    document |= {
        "data": str(folder / "data"),
        "task_folder": str(folder),
        "student": tiny["student"] | small,
        "teacher": tiny["teacher"],
        "loop": document["loop"] | {"rounds": 1, "synthetic_per_round": 8},
        "output": str(tmp_path / "run"),
    }
    done = subprocess.run(
        [PADA, "run", str(write_config(tmp_path / "config.yaml", document))],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["status"], len(report["rounds"])) == ("finished", 2)
    assert report["accepted"] > 0
    assert report["test"]["n"] == len(rows(folder, "test"))
    scored = [access for access in report["test_access"] if "scored" in access["reason"]]
    assert len(scored) == 1


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_the_rows_of_an_example_are_all_different(folder: Path) -> None:
    prompts = [row["prompt"] for split in SPLITS for row in rows(folder, split)]
    assert len(set(prompts)) == len(prompts) >= 60


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_the_readme_names_the_config_that_is_there(folder: Path) -> None:
    (command,) = re.findall(r"pada run (\S+)", (folder / "README.md").read_text())
    assert ROOT / command == folder / "config.yaml"


def test_every_example_is_listed() -> None:
    text = (ROOT / "examples" / "README.md").read_text()
    assert EXAMPLES
    assert {f"{folder.name}/README.md" for folder in EXAMPLES} == set(re.findall(r"\]\((\S+\.md)\)", text))
