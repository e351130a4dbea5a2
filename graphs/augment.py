"""The sub-graph of a branch: generate a batch, check it, and go back for missing rows or the next batch."""

from __future__ import annotations

from functools import partial
from typing import Any

from langgraph.graph import START, StateGraph

from graphs.context import Context
from graphs.nodes.check_quality import check_quality
from graphs.nodes.generate import generate
from graphs.routing import after_quality
from graphs.state import AugmentOutput, AugmentState
from graphs.workspace import Workspace


def build_augment(workspace: Workspace) -> StateGraph[AugmentState, Context, Any, Any]:
    """The graph of one branch, with its nodes bound to the run's workspace."""
    graph = StateGraph(AugmentState, context_schema=Context, output_schema=AugmentOutput)
    graph.add_node("generate", partial(generate, workspace=workspace))
    graph.add_node("check_quality", partial(check_quality, workspace=workspace))
    graph.add_edge(START, "generate")
    graph.add_edge("generate", "check_quality")
    graph.add_conditional_edges("check_quality", after_quality, ["generate", "__end__"])
    return graph
