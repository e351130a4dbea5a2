"""Let a person look at patterns and strategies before rows are paid for."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graphs.context import Context
from graphs.review import Question, ReviewAnswer, read_answer
from graphs.state import LoopState
from graphs.workspace import Workspace

MOST_CHARACTERS = 14_000
"""Of all texts of a question together: it is kept in the graph's checkpoint, where a character may take 4 bytes. With 10 patterns
350 for each text."""


async def review(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Wait for an answer when `loop.review` asks about patterns, and do what it says.

    The node runs again from its start when the answer comes, so it does nothing before it asks.
    """
    if not runtime.context.loop.asks_about("patterns"):
        return {}
    patterns = [shown(state, name, workspace) for name in state.patterns]
    answer = ask(Question("patterns", state.round, patterns=state.patterns), {"patterns": patterns})
    here = workspace.round(state.round)
    reviewed = answer.apply(here.drafts())
    here.save_reviewed(reviewed)
    return {"patterns": [name for name in reviewed if name not in answer.veto]}


def ask(question: Question, details: dict[str, Any]) -> ReviewAnswer:
    """The reviewer's answer to a question, which is shown with these details.

    An answer that does not fit is asked for again: the checkpoint keeps it, so to fail on it would be to fail for ever.
    """
    asked = {"about": question.about, "round": question.round, **details}
    answer = read_answer(interrupt(asked), question)
    while not isinstance(answer, ReviewAnswer):
        answer = read_answer(interrupt(asked | {"error": answer}), question)
    return answer


def shown(state: LoopState, name: str, workspace: Workspace) -> dict[str, Any]:
    """One pattern with its strategy, as the reviewer sees it; what a teacher wrote at great length is cut, and whole in the files."""
    pattern, strategy = workspace.round(state.round).drafts()[name]
    texts = {
        "name": pattern.name,
        "description": pattern.description,
        "title": strategy.title,
        "instructions": strategy.instructions,
    }
    most = MOST_CHARACTERS // (len(texts) * len(state.patterns))
    cut = {key: text if len(text) <= most else f"{text[:most]} ..." for key, text in texts.items()}
    return {"id": name, "failures": len(pattern.failures), **cut}
