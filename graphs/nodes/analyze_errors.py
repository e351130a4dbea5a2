"""Ask the teacher why each validation error happened."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.artifacts import Analysis
from graphs.context import Context
from graphs.schemas import ErrorAnalysis
from graphs.state import BRANCHES, AnalysisInput
from graphs.workspace import Failure, Workspace
from prompts import render


async def analyze_errors(
    state: AnalysisInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Analyse the branch's failures of the student before this round, one by one."""
    # embedding the data set takes the processor, analyses take the teacher: side by side
    workspace.prepare_corpus(state["round"])
    failures = workspace.failures(state["round"] - 1, "validation")
    chosen = workspace.round(state["round"] - 1).failures_to_analyze()
    for name in chosen[state["number"] :: BRANCHES]:
        await analyze(failures[name], state["round"], runtime.context, workspace)
    return {}


async def analyze(failure: Failure, number: int, context: Context, workspace: Workspace) -> None:
    """Analyse one failure, alone (PaDA-Agent, section on error analysis)."""
    data = {"task": context.task, **failure.shown(), "score": failure.judged()}
    answer = await workspace.teacher.ask("analyst", ErrorAnalysis, render("analyze_errors"), data)
    analysis = Analysis(id=failure.id, **dict(answer))
    workspace.embed_ahead(analysis.text)
    workspace.round(number).write_analysis(analysis)
