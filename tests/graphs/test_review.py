"""What a reviewer's answer does to patterns, strategies and rows, and which answers are refused."""

from __future__ import annotations

from typing import Any

import pytest

from graphs.review import MAX_DECISIONS, Drafts, Question, ReviewAnswer, merge, read_answer
from graphs.rows import NewRow, Pattern, Strategy, Verdict

PATTERNS = Question("patterns", 1, patterns=["r1-p0", "r1-p1"])
ROWS = Question(
    "rows",
    1,
    rows={"good": "accepted", "bad": "judge", "twin": "duplicate", "stolen": "leak", "odd": "invalid"},
)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"veto": ["r9-p9"]}, "No such pattern: r9-p9; there are r1-p0, r1-p1."),
        ({"merge": [["r1-p0"]]}, "two patterns"),
        ({"merge": [["r1-p0", "r1-p1"], ["r1-p1", "r1-p0"]]}, "more than once"),
        ({"merge": [["r1-p0", "r1-p1"]], "veto": ["r1-p1"]}, "neither edited nor vetoed: r1-p1"),
        ({"edit": {"r1-p0": {"names": "x"}}}, "edit.r1-p0.names"),
        (
            {"edit": {"r1-p0": {"title": "x" * 15_000}, "r1-p1": {"name": "é" * 6_000}}},
            "edit: Value error, the new texts have 27,000",
        ),
        ("yes", "valid dictionary"),
        ({"reject": ["good"]}, "about patterns: it takes merge, edit, veto, not reject."),
        ({"about": "rows"}, "The review is about patterns, not rows."),
        ({"round": 2}, "The review is about round 1, not 2."),
    ],
)
def test_an_answer_that_does_not_fit_the_patterns_says_why(answer: Any, words: str) -> None:
    refusal = read_answer(answer, PATTERNS)
    assert isinstance(refusal, str)
    assert words in refusal


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"reject": ["nobody"]}, "No such row in this round: nobody."),
        ({"accept": [f"x{n}" for n in range(9)]}, "x0, x1, x2, x3, x4 and 4 more"),
        ({"accept": ["bad"], "reject": ["bad"]}, "Both accepted and rejected: bad."),
        ({"accept": ["bad", "stolen"]}, "stolen (leak: too close to a validation or test row)"),
        ({"accept": ["odd"]}, "odd (invalid: not valid for the task)"),
        ({"veto": ["r1-p0"], "merge": [["a", "b"]]}, "about rows: it takes accept, reject, not merge, veto."),
        ({"about": "patterns"}, "The review is about rows, not patterns."),
        ({"round": 2}, "The review is about round 1, not 2."),
        ({"reject": "good"}, "reject: Input should be a valid list."),
        ({"reject": ["good"] * (MAX_DECISIONS + 1)}, "reject: List should have at most 500 items"),
    ],
)
def test_an_answer_that_does_not_fit_the_rows_says_why(answer: Any, words: str) -> None:
    refusal = read_answer(answer, ROWS)
    assert isinstance(refusal, str)
    assert words in refusal


def drafts() -> Drafts:
    """Two patterns with their strategies."""
    patterns = [
        Pattern(
            id="r1-p0", round=1, name="Idioms", description="Hints.", failures=["a"], centroid=[1.0, 0.0]
        ),
        Pattern(
            id="r1-p1",
            round=1,
            name="Negation",
            description="Not.",
            failures=["b", "c", "d"],
            centroid=[0.0, 1.0],
        ),
    ]
    return {
        pattern.id: (
            pattern,
            Strategy(pattern=pattern.id, title=f"Title {pattern.id}", instructions="Write."),
        )
        for pattern in patterns
    }


def row(name: str, verdict: Verdict) -> NewRow:
    return NewRow(
        id=name,
        prompt="p",
        completion="c",
        round=1,
        batch="r1-b0",
        origin="task",
        attempt=1,
        verdict=verdict,
        reason="As checked.",
    )


def test_an_empty_answer_changes_nothing() -> None:
    answer = read_answer({}, PATTERNS)
    assert isinstance(answer, ReviewAnswer)
    assert answer.apply(drafts()) == drafts()
    rows = [row("good", "accepted"), row("bad", "judge")]
    assert answer.decide(rows) == rows


def test_an_edit_replaces_the_texts_that_it_names() -> None:
    answer = ReviewAnswer.model_validate(
        {"edit": {"r1-p0": {"name": "Sayings", "instructions": "Vary them."}}}
    )
    edited = answer.apply(drafts())
    pattern, strategy = edited["r1-p0"]
    assert (pattern.name, pattern.description, pattern.failures) == ("Sayings", "Hints.", ["a"])
    assert (strategy.title, strategy.instructions) == ("Title r1-p0", "Vary them.")
    assert edited["r1-p1"] == drafts()["r1-p1"]


def test_a_veto_leaves_the_pattern_on_file() -> None:
    assert ReviewAnswer(veto=["r1-p0"]).apply(drafts()) == drafts()


def test_merged_patterns_become_the_first_one_with_all_failures() -> None:
    merged = ReviewAnswer(merge=[["r1-p1", "r1-p0"]]).apply(drafts())
    assert list(merged) == ["r1-p1"]
    pattern, strategy = merged["r1-p1"]
    assert (pattern.name, pattern.failures) == ("Negation", ["b", "c", "d", "a"])
    assert strategy.title == "Title r1-p1"


def test_a_merged_centroid_is_the_mean_over_the_failures() -> None:
    """Three failures at (0, 1) and one at (1, 0)."""
    first, second = (pattern for pattern, _ in drafts().values())
    assert merge([first, second]).centroid == pytest.approx([0.25, 0.75])


def test_a_merged_pattern_can_be_edited_under_the_first_id() -> None:
    answer = ReviewAnswer.model_validate({"merge": [["r1-p0", "r1-p1"]], "edit": {"r1-p0": {"name": "Both"}}})
    assert answer.fault(PATTERNS) is None
    pattern, _ = answer.apply(drafts())["r1-p0"]
    assert (pattern.name, pattern.failures) == ("Both", ["a", "b", "c", "d"])


def test_rows_get_the_reviewers_verdict_and_keep_that_of_the_checks() -> None:
    answer = ReviewAnswer(accept=["bad", "twin"], reject=["good"])
    good, bad, twin, other = answer.decide(
        [row("good", "accepted"), row("bad", "judge"), row("twin", "duplicate"), row("other", "empty")]
    )
    assert [item.verdict for item in (good, bad, twin, other)] == [
        "reviewer",
        "accepted",
        "accepted",
        "empty",
    ]
    assert bad.overruled is not None
    assert (bad.overruled.verdict, bad.overruled.reason) == ("judge", "As checked.")
    assert other.overruled is None
    assert [item.as_checked() for item in (good, bad)] == [row("good", "accepted"), row("bad", "judge")]


def test_a_decision_that_agrees_with_the_checks_overrules_nothing() -> None:
    rows = [row("good", "accepted"), row("bad", "judge")]
    assert ReviewAnswer(accept=["good"], reject=["bad"]).decide(rows) == rows


def test_an_answer_is_bound_to_its_question() -> None:
    answer = ReviewAnswer(reject=["good"]).answering(ROWS)
    assert answer.fault(ROWS) is None
    later = Question("rows", 2, rows=ROWS.rows)
    assert answer.fault(later) == "The review is about round 2, not 1."
