"""Ask the teacher how new rows should correct one pattern."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.rows import Strategy
from graphs.schemas import AugmentationStrategy
from graphs.state import StrategyInput
from graphs.unanswered import ask_or_note
from graphs.workspace import Workspace
from prompts import render


async def draft_strategies(
    state: StrategyInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Draft a strategy for one pattern. The nearest training rows show the teacher the task's form.

    If the teacher cannot, rows are written by the pattern's own description.
    """
    current = workspace.round(state["round"])
    pattern = current.patterns()[state["pattern"]]
    corpus = await workspace.corpus(state["round"])
    examples = await corpus.nearest(
        f"{pattern.name}. {pattern.description}", runtime.context.loop.examples_per_prompt
    )
    data = {
        "task": await workspace.brief(runtime.context),
        "pattern": {"name": pattern.name, "description": pattern.description},
        "examples": examples,
    }
    drafted = await ask_or_note(
        workspace.teacher,
        current,
        "strategy",
        pattern.id,
        "analyst",
        AugmentationStrategy,
        render("draft_strategies"),
        data,
    )
    drafted = drafted or AugmentationStrategy(title=pattern.name, instructions=pattern.description)
    current.write_strategy(Strategy(**dict(drafted), pattern=pattern.id))
    return {}
