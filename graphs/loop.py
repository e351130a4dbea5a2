"""The loop's edges. What happens in a node is in `nodes/`, where to go next is in `routing.py`."""

from __future__ import annotations

from functools import partial
from typing import Any

from langgraph.graph import END, START, StateGraph

from graphs.augment import build_augment
from graphs.context import Context
from graphs.nodes.accept import accept
from graphs.nodes.allocate import allocate
from graphs.nodes.analyze_errors import analyze_errors
from graphs.nodes.draft_strategies import draft_strategies
from graphs.nodes.evaluate import evaluate
from graphs.nodes.find_patterns import find_patterns
from graphs.nodes.fine_tune import fine_tune
from graphs.nodes.finish import finish
from graphs.nodes.gate import gate
from graphs.nodes.review import review
from graphs.nodes.review_rows import review_rows
from graphs.routing import after_allocate, after_gate, after_patterns
from graphs.state import AnalysisInput, LoopInput, LoopState, StrategyInput
from graphs.workspace import Workspace


def build_loop(
    workspace: Workspace, *, visible: bool = False, context_schema: type[Context] = Context
) -> StateGraph[LoopState, Context, Any, Any]:
    """The graph of one run, with its nodes bound to the run's workspace. Compile it with a checkpointer to run it.

    Args:
        visible: lets LangGraph look into the sub-graph, for drawing. LangGraph then also checkpoints every batch. A run
            does not need that, because a batch that runs again takes its answers from the ledger, and thousands of
            batches would fill the database.
        context_schema: the class of the context. Studio passes one with more fields, to show them in its form.
    """
    graph = StateGraph(LoopState, context_schema=context_schema, input_schema=LoopInput)
    graph.add_node("fine_tune", partial(fine_tune, workspace=workspace))
    graph.add_node("evaluate", partial(evaluate, workspace=workspace))
    graph.add_node("gate", partial(gate, workspace=workspace))
    graph.add_node("analyze_errors", partial(analyze_errors, workspace=workspace), input_schema=AnalysisInput)
    graph.add_node("find_patterns", partial(find_patterns, workspace=workspace))
    graph.add_node(
        "draft_strategies", partial(draft_strategies, workspace=workspace), input_schema=StrategyInput
    )
    graph.add_node("review", partial(review, workspace=workspace))
    graph.add_node("allocate", partial(allocate, workspace=workspace))
    graph.add_node("augment", build_augment(workspace).compile(checkpointer=None if visible else False))
    graph.add_node("accept", partial(accept, workspace=workspace))
    graph.add_node("review_rows", partial(review_rows, workspace=workspace))
    graph.add_node("finish", partial(finish, workspace=workspace))

    graph.add_edge(START, "fine_tune")
    graph.add_edge("fine_tune", "evaluate")
    graph.add_edge("evaluate", "gate")
    graph.add_conditional_edges("gate", after_gate, ["analyze_errors", "allocate", "finish"])
    graph.add_edge("analyze_errors", "find_patterns")
    graph.add_conditional_edges("find_patterns", after_patterns, ["draft_strategies"])
    graph.add_edge("draft_strategies", "review")
    graph.add_edge("review", "allocate")
    graph.add_conditional_edges("allocate", after_allocate, ["augment", "accept"])
    graph.add_edge("augment", "accept")
    graph.add_edge("accept", "review_rows")
    graph.add_edge("review_rows", "fine_tune")
    graph.add_edge("finish", END)
    return graph
