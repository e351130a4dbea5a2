"""Let a person look at patterns and strategies before rows are paid for."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graphs.context import Context
from graphs.review import Question, ReviewAnswer, read_answer
from graphs.state import LoopState
from graphs.workspace import Workspace

MAX_CHARACTERS = 14_000
"""Maximum characters of all texts in one question. The graph's checkpoint keeps the question, and a character may take
4 bytes there. With 10 patterns each text has 350 characters."""


async def review(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """If `loop.review` covers patterns, wait for an answer and apply it.

    LangGraph runs the node again from its start when the answer comes, so the node changes nothing before it asks.
    """
    if not runtime.context.loop.asks_about("patterns"):
        return {}
    patterns = [describe_pattern(state, name, workspace) for name in state.patterns]
    answer = ask(Question("patterns", state.round, patterns=state.patterns), {"patterns": patterns})
    current = workspace.round(state.round)
    reviewed = answer.apply(current.drafts())
    current.save_reviewed(reviewed)
    return {"patterns": [name for name in reviewed if name not in answer.veto]}


def ask(question: Question, details: dict[str, Any]) -> ReviewAnswer:
    """Ask the reviewer a question, and return the answer.

    An answer that does not fit leads to another question with the reason. The checkpoint keeps every answer, so an
    exception would come back at every start.

    Args:
        details: what the reviewer sees with the question.
    """
    asked = {"about": question.about, "round": question.round, **details}
    answer = read_answer(interrupt(asked), question)
    while not isinstance(answer, ReviewAnswer):
        answer = read_answer(interrupt(asked | {"error": answer}), question)
    return answer


def describe_pattern(state: LoopState, name: str, workspace: Workspace) -> dict[str, Any]:
    """One pattern with its strategy, as the reviewer sees it. Long texts are cut; the files have them in full."""
    pattern, strategy = workspace.round(state.round).drafts()[name]
    texts = {
        "name": pattern.name,
        "description": pattern.description,
        "title": strategy.title,
        "instructions": strategy.instructions,
    }
    limit = MAX_CHARACTERS // (len(texts) * len(state.patterns))
    cut = {key: text if len(text) <= limit else f"{text[:limit]} ..." for key, text in texts.items()}
    return {"id": name, "failures": len(pattern.failures), **cut}
