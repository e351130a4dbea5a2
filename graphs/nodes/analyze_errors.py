"""Ask the teacher why each validation failure happened."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.artifacts import Analysis
from graphs.checks.openings import earlier
from graphs.context import Context
from graphs.rounds import Round
from graphs.schemas import ErrorAnalysis
from graphs.state import BRANCHES, AnalysisInput
from graphs.unanswered import ask_or_note
from graphs.workspace import Failure, Workspace
from prompts import render


async def analyze_errors(
    state: AnalysisInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Analyse the branch's share of the last student's failures, one by one."""
    # embedding the data set uses the processor while the analyses wait for the teacher
    workspace.prepare_corpus(state["round"])
    previous, current = workspace.round(state["round"] - 1), workspace.round(state["round"])
    failures = workspace.failures(previous.number, "validation")
    for name in previous.failures_to_analyze()[state["number"] :: BRANCHES]:
        await analyze(failures[name], current, runtime.context, workspace)
    return {}


async def analyze(failure: Failure, current: Round, context: Context, workspace: Workspace) -> None:
    """Analyse one failure on its own (PaDA-Agent, section on error analysis)."""
    data = {
        "task": await workspace.brief(context),
        **failure.for_teacher(),
        **workspace.openings.told(earlier(failure.example)),
        "score": failure.score_for_teacher(),
    }
    answer = await ask_or_note(
        workspace.teacher,
        current,
        "analysis",
        failure.id,
        "analyst",
        ErrorAnalysis,
        render("analyze_errors"),
        data,
    )
    if answer is None:
        return
    analysis = Analysis(id=failure.id, **dict(answer))
    workspace.embed_ahead(analysis.text)
    current.write_analysis(analysis)
