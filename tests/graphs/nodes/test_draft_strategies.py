"""A strategy for one pattern."""

from __future__ import annotations

from pathlib import Path

from graphs.nodes.draft_strategies import draft_strategies
from graphs.state import StrategyInput
from tests.graphs.loop_harness import new_loop
from trainer.artifacts import read_jsonl


async def test_a_strategy_is_drafted_from_the_pattern_and_training_rows(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, examples_per_prompt=3)
    await loop.until("draft_strategies")
    workspace = loop.workspace()
    state = StrategyInput(pattern="r1-p0", round=1)
    assert await draft_strategies(state, loop.runtime, workspace=workspace) == {}
    (data,) = loop.teacher.asked("AugmentationStrategy")
    pattern = loop.round(1).patterns()["r1-p0"]
    assert set(data) == {"task", "pattern", "examples"}
    assert data["pattern"] == {"name": pattern.name, "description": pattern.description}
    given = {row["prompt"] for row in read_jsonl(loop.paths.data("train"))}
    assert len(data["examples"]) == 3
    assert {row["prompt"] for row in data["examples"]} <= given, "no validation row is shown"
    strategy = loop.round(1).strategy("r1-p0")
    assert (strategy.pattern, strategy.title) == ("r1-p0", pattern.name)
    await workspace.aclose()
