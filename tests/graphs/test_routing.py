"""Where the graph goes next."""

from __future__ import annotations

from langgraph.types import Send

from graphs.routing import after_allocate, after_gate, after_patterns, after_quality
from graphs.state import AugmentState, LoopState


def sends(found: object) -> list[tuple[str, object]]:
    assert isinstance(found, list)
    assert all(isinstance(item, Send) for item in found)
    return [(item.node, item.arg) for item in found]


def test_after_the_gate() -> None:
    assert after_gate(LoopState(stopped="enough", failures=["a"])) == "finish"
    assert after_gate(LoopState(round=1)) == "allocate"
    assert sends(after_gate(LoopState(round=2, failures=["a", "b"]))) == [
        ("analyze_errors", {"failure": "a", "round": 2}),
        ("analyze_errors", {"failure": "b", "round": 2}),
    ]


def test_one_branch_for_each_pattern() -> None:
    assert sends(after_patterns(LoopState(round=1, patterns=["r1-p0"]))) == [
        ("draft_strategies", {"pattern": "r1-p0", "round": 1})
    ]


def test_one_branch_for_each_batch() -> None:
    assert after_allocate(LoopState(round=1)) == "accept"
    assert sends(after_allocate(LoopState(round=1, batches=2))) == [
        ("augment", {"round": 1, "number": 0}),
        ("augment", {"round": 1, "number": 1}),
    ]


def test_a_batch_goes_back_while_there_is_feedback() -> None:
    assert after_quality(AugmentState(feedback="Shorter.")) == "generate"
    assert after_quality(AugmentState()) == "__end__"
