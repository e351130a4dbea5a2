"""Every script in `benchmarks/` starts, and `benchmarks/README.md` lists it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scripted_teacher_server import ScriptedTeacherServer, answer
from tests.tiny_task import KEYS, label_of, rows, write_data, write_rows

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


def test_quality_counts_what_each_setting_catches_and_loses(tmp_path: Path) -> None:
    pool = [{key: row[key] for key in ("prompt", "completion")} for row in rows("pool", 200)]
    write_rows(write_data(tmp_path / "data") / "pool.jsonl", pool)

    def answers(schema: str, data: dict[str, Any]) -> dict[str, Any]:
        """The first row of a batch is corrupted until there is feedback; a batch with it is under the threshold."""
        if schema == "SampleBatch":
            samples = [dict(row) for row in random.Random(json.dumps(data)).sample(pool, data["count"])]
            if not data["feedback"]:
                samples[0]["completion"] = next(x for x in KEYS if x != samples[0]["completion"])
            return {"samples": samples}
        if schema == "QualityReport":
            bad = [n for n, s in enumerate(data["samples"]) if label_of(s["prompt"]) != s["completion"]]
            scores = dict.fromkeys(("adherence", "utility", "relevance"), 4 if bad else 9)
            return scores | {"rejected": bad, "feedback": "Label them right."}
        return answer(schema, data)

    kept = tmp_path / "quality.json"
    few = ["free checks only", "judge, whole batches back", "judge", "blind, 1 vote"]
    with ScriptedTeacherServer(answers=answers) as teacher:
        toy = [
            "--data",
            str(tmp_path / "data"),
            "--rows",
            "20",
            "--per-class",
            "10",
            "--seeds",
            "0",
            "--settings",
            *few,
        ]
        done = run("benchmarks/quality.py", "--teacher", teacher.url, *toy, "--output", str(kept))
    assert done.returncode == 0, done.stderr
    settings = json.loads(kept.read_text(encoding="utf-8"))["settings"]
    shares = {name: (one["caught"], one["lost"]) for name, one in settings.items()}
    assert shares["free checks only"] == (0, 0)
    assert settings["free checks only"]["wrong"] > 0
    assert shares["judge"] == shares["blind, 1 vote"] == (1, 0)
    assert shares["judge, whole batches back"][1] > 0
    assert settings["judge"]["wrong"] == 0


def test_the_readme_lists_every_file_and_no_other() -> None:
    table = README.partition("\nAll figures below")[0]  # further down are measurements
    listed = set(re.findall(r"`(\w+\.py)`", table))
    assert sorted(listed) == [path.name for path in SOURCES]


def test_results_that_the_readme_names_are_there() -> None:
    results = set(re.findall(r"`results/([\w-]+\.json)`", README))
    assert results == {path.name for path in (FOLDER / "results").glob("*.json")}
