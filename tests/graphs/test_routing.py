"""Where the graph goes next."""

from __future__ import annotations

from dataclasses import replace

from langgraph.types import Send

from graphs.nodes.check_quality import next_batch
from graphs.routing import after_allocate, after_gate, after_patterns, after_quality
from graphs.state import BRANCHES, AugmentState, LoopState


def sends(routed: object) -> list[tuple[str, object]]:
    assert isinstance(routed, list)
    assert all(isinstance(item, Send) for item in routed)
    return [(item.node, item.arg) for item in routed]


def test_after_the_gate() -> None:
    assert after_gate(LoopState(stopped="enough", failures=1)) == "finish"
    assert after_gate(LoopState(round=1)) == "allocate"
    assert sends(after_gate(LoopState(round=2, failures=2))) == [
        ("analyze_errors", {"number": 0, "round": 2}),
        ("analyze_errors", {"number": 1, "round": 2}),
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


def test_a_large_round_has_no_more_branches_than_fit_into_a_checkpoint() -> None:
    for routed in (
        after_gate(LoopState(round=1, failures=10_000)),
        after_allocate(LoopState(round=1, batches=10_000)),
    ):
        assert [arg for _, arg in sends(routed)] == [{"round": 1, "number": n} for n in range(BRANCHES)]


def test_a_batch_goes_back_while_there_is_feedback() -> None:
    assert after_quality(AugmentState(attempt=1, feedback="Shorter.")) == "generate"
    assert after_quality(AugmentState(attempt=1)) == "__end__"


def test_a_branch_goes_on_with_its_next_batch() -> None:
    closed = AugmentState(round=1, number=2, attempt=3, missing=4, judged=[{}])
    left = next_batch(closed, batches=2 + BRANCHES + 1)
    assert left["number"] == 2 + BRANCHES
    assert after_quality(replace(closed, **left)) == "generate"
    assert after_quality(replace(closed, **next_batch(closed, batches=2 + BRANCHES))) == "__end__"
