"""The sub-graph of a branch: how often a batch is asked for, and which batches a branch takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.augment import build_augment
from graphs.rows import Batch
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop
from tests.tiny_task import KEYS

PRAISE = {"adherence": 9, "utility": 9, "relevance": 9, "rejected": [], "feedback": "Vary the dates."}
BLAME = PRAISE | {"adherence": 1, "utility": 1, "relevance": 1}


class Teacher(ScriptedTeacher):
    """Writes sound rows that no check takes for duplicates, and gives every batch the same report."""

    def __init__(self, report: dict[str, Any]):
        super().__init__(self.reply)
        self._report, self._written = report, 0

    def reply(self, schema: str, data: dict[str, Any], _: Any) -> dict[str, Any]:
        if schema == "QualityReport":
            return self._report
        return {"samples": [self.sample() for _ in range(data["count"])]}

    def sample(self) -> dict[str, str]:
        self._written += 1
        words = [f"word{self._written}x{place}" for place in range(8)]
        prompt = " ".join([KEYS["refund"][0], *words])
        return {"prompt": prompt, "completion": "refund"}


async def run_branch(loop: Loop, first: int, batches: int) -> dict[str, Any]:
    """Run the branch that starts with batch `first` of a round with this many batches of 3 rows."""
    planned = [Batch(id=f"r1-b{n}", round=1, origin="task", count=3) for n in range(batches)]
    loop.round(1).write_batches(planned)
    workspace = loop.workspace()
    graph = build_augment(workspace).compile()
    output = await graph.ainvoke({"round": 1, "number": first}, context=loop.context)
    await workspace.aclose()
    return output


def attempts(loop: Loop, batch: str) -> list[int]:
    """The attempt of each row that was written for a batch."""
    return [row.attempt for row in loop.round(1).batch_rows(batch)]


async def test_a_good_batch_is_asked_for_once(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, Teacher(PRAISE), method="random")
    output = await run_branch(loop, 0, batches=1)
    assert attempts(loop, "r1-b0") == [1, 1, 1]
    assert output == {"candidates": 3}


async def test_a_bad_batch_goes_back_until_its_last_attempt(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, Teacher(BLAME), method="random", max_attempts=2)
    output = await run_branch(loop, 0, batches=1)
    assert attempts(loop, "r1-b0") == [1, 1, 1, 2, 2, 2]
    assert output == {"candidates": 6}
    feedback = [data["feedback"] for data in loop.teacher.asked("SampleBatch")]
    assert feedback[0] is None
    assert "Vary the dates." in feedback[1]


async def test_without_a_judge_a_branch_asks_the_writer_alone(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, Teacher(PRAISE), method="random", qc=False)
    await run_branch(loop, 0, batches=1)
    assert {role for role, _, _ in loop.teacher.calls} == {"generator"}


async def test_a_branch_takes_every_nth_batch_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphs.nodes.check_quality.BRANCHES", 2)
    loop = new_loop(tmp_path, Teacher(PRAISE), method="random")
    output = await run_branch(loop, 1, batches=5)
    closed = sorted(path.stem for path in loop.paths.round(1).augmented.iterdir())
    assert closed == ["r1-b1", "r1-b3"]
    assert output == {"candidates": 6}
    assert [data["batch"] for data in loop.teacher.asked("SampleBatch")] == ["seed 7, r1-b1", "seed 7, r1-b3"]


async def test_the_next_batch_starts_with_a_first_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the batch before it needed does not count."""
    monkeypatch.setattr("graphs.nodes.check_quality.BRANCHES", 1)
    loop = new_loop(tmp_path, Teacher(BLAME), method="random", max_attempts=3)
    await run_branch(loop, 0, batches=2)
    assert set(attempts(loop, "r1-b0")) == set(attempts(loop, "r1-b1")) == {1, 2, 3}
    feedback = [data["feedback"] is None for data in loop.teacher.asked("SampleBatch")]
    assert feedback == [True, False, False, True, False, False]
