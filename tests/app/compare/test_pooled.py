"""Comparisons taken together: more seeds of one task, and several tasks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import yaml
from typer.testing import CliRunner

from app.cli.main import app
from app.compare.files import write
from app.compare.models import Results
from app.compare.pooled import pool
from app.compare.results import find_results
from app.compare.runs import Job, Runs
from app.compare.spec import load_comparison
from app.compare.statistics import over_rows_and_seeds, over_tasks
from app.errors import ConfigError
from graphs.report import Report
from graphs.run_paths import RunPaths
from tests.fakes import FakeStudent
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for


@dataclass(frozen=True)
class Compared:
    """A finished comparison of two seeds."""

    folder: Path
    reports: dict[Job, Report]
    results: Results

    def with_seed(self, seed: int, folder: Path) -> Path:
        """The same comparison with one of its seeds alone, somewhere else."""
        shutil.copytree(self.folder, folder)
        reports = {job: report for job, report in self.reports.items() if job[1] == seed}
        paths = {(name, seed): RunPaths(folder / name / f"seed-{seed}") for name, _ in reports}
        write(find_results(reports, paths, 0, "random"), folder)
        for other in folder.glob("*/seed-*"):
            if other.name != f"seed-{seed}":
                shutil.rmtree(other)
        return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def compared(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Compared:
    folder = tmp_path_factory.mktemp("pooled")
    loop = {"rounds": 1, "synthetic_per_round": 8}
    section = {"methods": ["random"], "seeds": [0, 1], "against": "random"}
    with ScriptedTeacherServer() as teacher, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_KEY", "key")
        config = config_for(data, "builtin:smollm2-135m", teacher.url, loop=loop)
        (folder / "compare.yaml").write_text(yaml.safe_dump(config | {"compare": section}))
        runs = Runs(load_comparison(folder / "compare.yaml"), folder / "both", lambda *_: None, FakeStudent())
        reports = await runs.run()
    results = find_results(reports, {job: runs.paths(job) for job in reports}, 0, "random")
    write(results, runs.root)
    return Compared(runs.root, reports, results)


def test_two_folders_with_a_seed_each_are_one_folder_with_two_seeds(
    compared: Compared, tmp_path: Path
) -> None:
    first, second = (compared.with_seed(seed, tmp_path / f"with-{seed}") for seed in (0, 1))
    pooled = pool([first, second])
    assert [(one.seeds, one.test_rows) for one in pooled.tasks] == [([0, 1], compared.results.test_rows)]
    assert pooled.reference == "random"
    assert [row.method for row in pooled.rows] == ["vanilla", "random"]
    for row, expected in zip(pooled.rows, compared.results.rows, strict=True):
        for ours, theirs in (
            (row.vs_vanilla, expected.vs_vanilla),
            (row.vs_reference, expected.vs_reference),
        ):
            assert (ours is None) == (theirs is None)
            if ours and theirs:
                assert ours.by_task == [pytest.approx(theirs.difference)]
                assert (ours.ci95, ours.p_value, ours.verdict) == (
                    theirs.ci95,
                    theirs.p_value,
                    theirs.verdict,
                )
    with pytest.raises(ConfigError, match=r"with-1: seed 1 of classification is in \S*both as well"):
        pool([compared.folder, second])


def test_the_shell_shows_each_task_and_what_is_left_out(compared: Compared, tmp_path: Path) -> None:
    other = shutil.copytree(compared.folder, tmp_path / "other")
    rows = (other / "data" / "test.jsonl").read_text().splitlines()
    (other / "data" / "test.jsonl").write_text("\n".join(reversed(rows)))  # stands for other rows
    more = compared.results.model_copy(deep=True)
    more.rows.append(more.rows[-1].model_copy(update={"method": "auggpt"}))
    (other / "compare.json").write_text(more.model_dump_json())
    kept = tmp_path / "pooled.json"
    done = CliRunner().invoke(app, ["pool", str(compared.folder), str(other), "--output", str(kept)])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(kept.read_text())
    assert document["left_out"] == ["auggpt"]
    assert "Left out, because some folder has not: auggpt." in " ".join(done.output.split())
    (random,) = (row for row in document["rows"] if row["method"] == "random")
    by_task = random["vs_vanilla"]["by_task"]
    assert len(by_task) == 2
    assert random["vs_vanilla"]["difference"] == pytest.approx(sum(by_task) / 2)
    assert f"{100 * by_task[0]:+.1f}, {100 * by_task[1]:+.1f}" in done.output
    refused = CliRunner().invoke(app, ["pool", str(compared.folder), str(other), "--against", "auggpt"])
    assert "take one of vanilla, random" in str(refused.exception)


def test_what_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no finished comparison: it has no compare\.json"):
        pool([tmp_path])
    (tmp_path / "compare.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"compare\.json: not a comparison's results"):
        pool([tmp_path])


def test_tasks_weigh_alike_and_their_errors_add_up() -> None:
    """Means of n rows with standard deviations s: the pooled standard error is half of the root of s1²/n1 + s2²/n2."""
    rng = np.random.default_rng(3)
    large, small = rng.normal(0.2, 1.0, (1, 4_000)), rng.normal(0.6, 2.0, (1, 1_000))
    estimate = over_tasks([large, small], 0, differences=[False, False])
    assert estimate.mean == pytest.approx((large.mean() + small.mean()) / 2)
    error = np.sqrt(large.var() / 4_000 + small.var() / 1_000) / 2
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert estimate.p_value < 0.001


def test_one_task_is_what_it_is_alone() -> None:
    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], (3, 200))
    alone = over_rows_and_seeds(values, 7, differences=True)
    assert over_tasks([values], 7, differences=[True]) == alone
