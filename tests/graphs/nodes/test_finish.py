"""The sealed test rows, opened once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from graphs.artifacts import SealedScores
from graphs.nodes.finish import finish
from graphs.state import LoopState
from tests.graphs.loop_harness import Loop, new_loop
from trainer.artifacts import read_json, read_jsonl

SCORED = "scored for the baseline and the best student"


GAINS: dict[str, Any] = {"rounds": 1, "validation": 160, "synthetic_per_round": 48}
"""Enough rows that the gate sees a gain, whatever the seed."""


def result(loop: Loop) -> SealedScores:
    return SealedScores(**read_json(loop.paths.test_scores))


def accesses(loop: Loop) -> list[str]:
    return [line["reason"] for line in read_jsonl(loop.paths.test_access)]


async def test_both_students_answer_the_same_rows_in_one_start(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, **GAINS)
    state = await loop.until("finish")
    assert state.best_round == 1
    assert SCORED not in accesses(loop)
    assert await finish(state, loop.runtime, workspace=loop.workspace()) == {"stopped": state.stopped}
    (spec,) = loop.student.predicted
    assert spec.adapters == {"baseline": loop.round(0).artifact(), "best": loop.round(1).artifact()}
    scores = result(loop)
    right = {
        name: [row["correct"] for row in read_jsonl(loop.paths.test_row_scores(name))]
        for name in ("baseline", "best")
    }
    assert scores.n == len(right["best"]) == 40
    assert (scores.baseline, scores.best) == (sum(right["baseline"]) / 40, sum(right["best"]) / 40)
    assert scores.fixed == sum(b and not a for a, b in zip(right["baseline"], right["best"], strict=True))
    assert accesses(loop).count(SCORED) == 1


async def test_the_untrained_student_answers_too_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    state = await loop.until("finish")
    await finish(state, loop.runtime, workspace=loop.workspace())
    # the stand-in has no answer at all before it is trained
    assert result(loop).untrained == 0.0
    (spec,) = loop.student.predicted
    assert "untrained" in {file.name for file in spec.predict} - set(spec.adapters)


async def test_without_the_untrained_student_its_score_is_left_out(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, **GAINS)
    state = await loop.until("finish")
    runtime = Runtime(context=loop.context.model_copy(update={"evaluate_untrained": False}))
    await finish(state, runtime, workspace=loop.workspace())
    assert result(loop).untrained is None
    (spec,) = loop.student.predicted
    assert {file.name for file in spec.predict} == {"baseline", "best"}


async def test_run_again_it_predicts_nothing_anew(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, **GAINS)
    state = await loop.until("finish")
    await finish(state, loop.runtime, workspace=loop.workspace())
    first = result(loop)
    await finish(state, loop.runtime, workspace=loop.workspace())
    assert result(loop) == first
    assert len(loop.student.predicted) == 1


async def test_where_no_round_was_better_the_baseline_is_compared_with_itself(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="vanilla")
    state: LoopState = await loop.until("finish")
    await finish(state, loop.runtime, workspace=loop.workspace())
    scores = result(loop)
    assert scores.baseline == scores.best
    assert (scores.difference, scores.best_round, scores.verdict) == (0.0, 0, "no difference shown")
    assert not (loop.paths.final / "best").exists()
