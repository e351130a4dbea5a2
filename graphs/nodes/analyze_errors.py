"""Ask the teacher why one validation error happened."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.schemas import ErrorAnalysis
from graphs.state import AnalysisInput
from graphs.workspace import Workspace
from prompts import render
from trainer.artifacts import write_json


async def analyze_errors(
    state: AnalysisInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Analyse one failure of the student before this round, alone (PaDA-Agent, section on error analysis)."""
    # embedding the data set takes the processor, analyses take the teacher: side by side
    workspace.prepare_corpus(state["round"])
    failure = workspace.failures(state["round"] - 1, "validation")[state["failure"]]
    data = {"task": runtime.context.task, **failure.shown(), "score": failure.judged()}
    analysis = await workspace.teacher.ask("analyst", ErrorAnalysis, render("analyze_errors"), data)
    workspace.embed_ahead(embedded(dict(analysis)))
    write_json(
        workspace.paths.round(state["round"]).analyses / f"{failure.key}.json",
        {"id": failure.id, **dict(analysis)},
    )
    return {}


def embedded(analysis: dict[str, Any]) -> str:
    """What an analysis is clustered by."""
    return f"{analysis['root_cause']} {analysis['scenario']}"
