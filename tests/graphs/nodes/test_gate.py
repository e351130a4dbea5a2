"""When a student is promoted, and when the loop ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from graphs.analysis.statistics import PairedComparison, conclude
from graphs.artifacts import GateDecision
from graphs.context import Context, LoopSpec, Promote
from graphs.nodes.gate import compare, compare_to_best, decide, regressed_groups, why_stop
from graphs.state import LoopState
from trainer.records import Example, Score
from trainer.tasks.classification import Classification


def comparison(difference: float, low: float, high: float) -> PairedComparison:
    return PairedComparison(difference, low, high, 0.5, "mcnemar", 0, 0)


def scores(right: str) -> list[Score]:
    """One score a character, `1` for a right row."""
    return [Score(id=str(n), value=float(c), correct=c == "1", explanation="") for n, c in enumerate(right)]


@pytest.mark.parametrize(
    ("found", "hurt", "rule", "promoted"),
    [
        (comparison(0.02, -0.01, 0.05), [], "better", True),
        (comparison(0.02, -0.01, 0.05), [], "significant", False),
        (comparison(0.05, 0.01, 0.09), [], "significant", True),
        (comparison(0.05, 0.0, 0.09), [], "significant", False),
        (comparison(0.05, 0.01, 0.09), ["refund"], "better", False),
        (comparison(0.0, -0.1, 0.1), [], "better", False),
        (comparison(-0.01, -0.1, 0.1), [], "better", False),
        # one standard error is the interval's width over 2 * 1.96: 0.0102
        (comparison(-0.01, -0.03, 0.01), [], "later", True),
        (comparison(-0.01, -0.03, 0.01), ["refund"], "later", False),
        (comparison(-0.011, -0.031, 0.009), [], "later", False),
        (comparison(0.02, -0.01, 0.05), [], "later", True),
    ],
)
def test_decide(found: PairedComparison, hurt: list[str], rule: Promote, promoted: bool) -> None:
    decided, reason = decide(found, hurt, rule)
    assert decided is promoted
    assert reason.endswith(".")
    assert all(name in reason for name in hurt)
    # "better" is a claim that only an interval above 0 allows
    claims = reason.startswith("Shown to be better")
    assert claims == (promoted and found.low > 0)
    assert claims or "better" not in reason or reason.endswith("that it is better is not shown.")


def test_the_reason_is_in_points_and_quotes_labels() -> None:
    hurt = ["prix, coût", "refund"]
    assert decide(comparison(0.05, 0.012, 0.088), hurt, "better")[1] == (
        "Higher on the whole, +5.0 points (95 % interval +1.2 to +8.8), but significantly lower on 'prix, coût', 'refund'."
    )


def judge(promote: Promote, *students: str) -> list[bool]:
    """Whether each student is promoted, the baseline first. A student is a string of right and wrong rows."""
    rounds: list[Any] = []
    for number, answers in enumerate(map(scores, students)):
        promoted = number == 0
        rounds.append(SimpleNamespace(scores=lambda _, answers=answers: answers))
        if number:
            context = Context(loop=LoopSpec(promote=promote))
            state = LoopState(round=number)
            promoted = compare_to_best(state, context, workspace_of(rounds)).promoted
        rounds[-1].gate = lambda promoted=promoted: GateDecision(promoted=promoted, reason="")
    return [item.gate().promoted for item in rounds]


def workspace_of(rounds: list[Any]) -> Any:
    examples = [Example(id=str(n), prompt="?", completion="x") for n in range(100)]
    task = Classification([Example(id="x", prompt="x", completion="x")])
    return SimpleNamespace(round=rounds.__getitem__, task=task, examples=lambda _: examples)


def right(count: int) -> str:
    """A student that has the first rows right."""
    return "1" * count + "0" * (100 - count)


def test_a_later_student_may_be_a_little_lower_but_never_than_the_baseline() -> None:
    assert judge("later", right(70), right(70)) == [True, False]
    assert judge("later", right(70), right(69)) == [True, False]
    assert judge("later", right(70), right(75), right(74)) == [True, True, True]
    assert judge("better", right(70), right(75), right(74)) == [True, True, False]
    assert judge("later", right(70), right(75), right(60)) == [True, True, False]


def test_small_losses_do_not_add_up() -> None:
    """Each student is compared with the highest score so far, not with the one promoted last."""
    assert judge("later", right(70), right(80), right(79), right(77), right(75)) == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_group_that_got_worse_is_found_although_the_whole_got_better() -> None:
    """Of 30 rows of `b` 10 break (McNemar exact: 2 / 2**10 = 0.002, with Holm 0.004); `a` gains 12 of 30."""
    task = Classification([Example(id=x, prompt=x, completion=x) for x in "ab"])
    examples = [Example(id=str(n), prompt="?", completion="a" if n < 30 else "b") for n in range(60)]
    before = scores("0" * 12 + "1" * 18 + "1" * 30)
    after = scores("1" * 30 + "0" * 10 + "1" * 20)
    workspace: Any = SimpleNamespace(task=task)
    assert compare(before, after, 0).difference > 0
    assert regressed_groups(examples, before, after, workspace, 0) == ["b"]
    # five broken rows are chance: 2 / 2**5 = 0.06
    few = scores("1" * 30 + "0" * 5 + "1" * 25)
    assert regressed_groups(examples, before, few, workspace, 0) == []


def test_one_group_is_the_whole() -> None:
    task = Classification([Example(id="x", prompt="x", completion="x")])
    examples = [Example(id=str(n), prompt="?", completion="x") for n in range(20)]
    workspace: Any = SimpleNamespace(task=task)
    assert regressed_groups(examples, scores("1" * 20), scores("0" * 20), workspace, 0) == []


@pytest.mark.parametrize(
    ("state", "loop", "stale", "word"),
    [
        (LoopState(failures=1), LoopSpec(), 0, ""),
        (LoopState(failures=1), LoopSpec(method="vanilla"), 0, "Plain fine-tuning"),
        (LoopState(round=3, failures=1), LoopSpec(rounds=3), 0, "All 3 rounds"),
        (LoopState(round=2, failures=1), LoopSpec(rounds=3, patience=2), 2, "patience 2"),
        (LoopState(round=2, failures=1), LoopSpec(rounds=3, patience=2), 1, ""),
        (LoopState(round=1), LoopSpec(), 0, "no validation errors"),
        (LoopState(round=1), LoopSpec(patterns=False), 0, ""),
    ],
)
def test_why_stop(state: LoopState, loop: LoopSpec, stale: int, word: str) -> None:
    reason = why_stop(state, loop, stale, train_failures=3)
    assert word in reason
    assert bool(word) == bool(reason)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (comparison(0.1, 0.01, 0.2), "improved"),
        (comparison(0.1, 0.0, 0.2), "no difference shown"),
        (comparison(-0.1, -0.2, 0.0), "no difference shown"),
        (comparison(-0.1, -0.2, -0.01), "worse"),
    ],
)
def test_verdict_of_the_test_needs_an_interval_without_zero(found: PairedComparison, said: str) -> None:
    assert conclude(found.low, found.high) == said
