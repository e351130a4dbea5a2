"""Ask the teacher how new rows should correct one pattern."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.rows import Strategy
from graphs.schemas import AugmentationStrategy
from graphs.state import StrategyInput
from graphs.workspace import Workspace
from prompts import render
from trainer.artifacts import write_json


async def draft_strategies(
    state: StrategyInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Draft one strategy for one pattern, with the nearest training rows to show the task's form."""
    pattern = workspace.patterns(state["round"])[state["pattern"]]
    corpus = await workspace.corpus(state["round"])
    examples = await corpus.nearest(
        f"{pattern.name}. {pattern.description}", runtime.context.loop.examples_per_prompt
    )
    data = {
        "task": runtime.context.task,
        "pattern": {"name": pattern.name, "description": pattern.description},
        "examples": examples,
    }
    drafted = await workspace.teacher.ask("analyst", AugmentationStrategy, render("draft_strategies"), data)
    path = workspace.paths.round(state["round"]).strategies / f"{pattern.id}.json"
    write_json(path, Strategy(**dict(drafted), pattern=pattern.id))
    return {}
