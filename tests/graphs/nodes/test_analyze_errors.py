"""What the analyst sees of a failure, and what is kept of its answer."""

from __future__ import annotations

from pathlib import Path

from graphs.nodes.analyze_errors import analyze_errors
from graphs.state import BRANCHES, AnalysisInput
from tests.graphs.loop_harness import Loop, new_loop


async def failing(tmp_path: Path) -> tuple[Loop, list[str]]:
    """A run before its first analysis, and the ids of the failures to analyse."""
    loop = new_loop(tmp_path)
    await loop.until("analyze_errors")
    return loop, loop.round(0).failures_to_analyze()


async def test_each_failure_is_analysed_alone_with_the_metrics_result(tmp_path: Path) -> None:
    loop, chosen = await failing(tmp_path)
    workspace = loop.workspace()
    assert await analyze_errors(AnalysisInput(number=0, round=1), loop.runtime, workspace=workspace) == {}
    (data,) = loop.teacher.asked("ErrorAnalysis")
    assert set(data) == {"task", "prompt", "expected", "predicted", "score"}
    failure = workspace.failures(0, "validation")[chosen[0]]
    assert (data["prompt"], data["expected"]) == (failure.example.prompt, failure.example.completion)
    assert data["predicted"] == failure.prediction.text != data["expected"]
    assert data["score"]["value"] == 0.0
    await workspace.aclose()


async def test_a_branch_takes_every_500th_failure_from_its_place(tmp_path: Path) -> None:
    loop, chosen = await failing(tmp_path)
    assert 1 < len(chosen) < BRANCHES
    workspace = loop.workspace()
    await analyze_errors(AnalysisInput(number=1, round=1), loop.runtime, workspace=workspace)
    assert loop.round(1).analysis(chosen[1]).id == chosen[1]
    assert len(list(loop.round(1).paths.analyses.iterdir())) == 1, "the other failures are other branches'"
    await workspace.aclose()


async def test_a_branch_that_runs_twice_leaves_the_same(tmp_path: Path) -> None:
    loop, chosen = await failing(tmp_path)
    kept = []
    for _ in range(2):
        workspace = loop.workspace()
        await analyze_errors(AnalysisInput(number=0, round=1), loop.runtime, workspace=workspace)
        kept.append(loop.round(1).analysis(chosen[0]))
        await workspace.aclose()
    assert kept[0] == kept[1]
    assert kept[0].text == f"{kept[0].root_cause} {kept[0].scenario}"
