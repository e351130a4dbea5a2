"""Ask the teacher why each validation error happened."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.schemas import ErrorAnalysis
from graphs.state import BRANCHES, AnalysisInput
from graphs.workspace import Failure, Workspace
from prompts import render
from trainer.artifacts import read_json, write_json


async def analyze_errors(
    state: AnalysisInput, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Analyse the branch's failures of the student before this round, one by one."""
    # embedding the data set takes the processor, analyses take the teacher: side by side
    workspace.prepare_corpus(state["round"])
    failures = workspace.failures(state["round"] - 1, "validation")
    for name in chosen(state["round"], workspace)[state["number"] :: BRANCHES]:
        await analyze(failures[name], state["round"], runtime.context, workspace)
    return {}


def chosen(number: int, workspace: Workspace) -> list[str]:
    """Ids of the validation errors that a round analyses."""
    found: list[str] = read_json(workspace.paths.round(number - 1).failures)
    return found


async def analyze(failure: Failure, number: int, context: Context, workspace: Workspace) -> None:
    """Analyse one failure, alone (PaDA-Agent, section on error analysis)."""
    data = {"task": context.task, **failure.shown(), "score": failure.judged()}
    analysis = await workspace.teacher.ask("analyst", ErrorAnalysis, render("analyze_errors"), data)
    workspace.embed_ahead(embedded(dict(analysis)))
    write_json(
        workspace.paths.round(number).analyses / f"{failure.key}.json", {"id": failure.id, **dict(analysis)}
    )


def embedded(analysis: dict[str, Any]) -> str:
    """What an analysis is clustered by."""
    return f"{analysis['root_cause']} {analysis['scenario']}"
