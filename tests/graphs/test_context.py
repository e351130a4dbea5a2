"""Settings of the loop: which are refused, and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from graphs.context import LoopSpec


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "random", "patterns": False}, "ablations of `method: pada`, not of `random`"),
        ({"method": "llm2llm", "train_errors": False}, "ablations of `method: pada`, not of `llm2llm`"),
        ({"patterns": False, "train_errors": False}, "use `method: random`"),
        ({"method": "best"}, "'pada', 'vanilla', 'random'"),
        ({"sources": "unlabeled"}, "write a list, such as `\\[generated, unlabeled\\]`, or shares"),
        ({"sources": []}, "write a list"),
        ({"sources": ["generated", "logs"]}, "'logs' is none of the sources generated and unlabeled"),
        ({"sources": ["unlabeled", "unlabeled"]}, "a source is there twice"),
        (
            {"sources": {"generated": 0.7, "unlabeled": 0.2}},
            "the shares add up to 0.9, and have to add up to 1",
        ),
        ({"sources": {"generated": 1, "unlabeled": 0}}, "each share is a number above 0"),
        ({"sources": {"generated": "half", "unlabeled": 0.5}}, "each share is a number above 0"),
        ({"method": "auggpt", "sources": ["unlabeled"]}, "for `method: pada` and `random`, not for `auggpt`"),
        ({"method": "active", "sources": ["unlabeled"]}, "which takes unlabelled rows alone; leave it out"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LoopSpec(**settings)


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        ({}, ("pattern", "train_error")),
        ({"patterns": False}, ("train_error",)),
        ({"train_errors": False}, ("pattern",)),
        ({"method": "random"}, ("task",)),
        ({"method": "auggpt"}, ("train_row",)),
        ({"method": "vanilla"}, ()),
        ({"method": "active"}, ("unlabeled",)),
        ({"sources": ["unlabeled", "generated"]}, ("pattern", "train_error", "unlabeled")),
        ({"sources": ["generated"]}, ("pattern", "train_error")),
    ],
)
def test_rows_are_written_for_what_the_method_has_and_no_ablation_leaves_out(
    settings: dict[str, Any], origins: tuple[str, ...]
) -> None:
    assert LoopSpec(**settings).origins == origins


def test_plain_fine_tuning_ends_with_the_baseline() -> None:
    assert LoopSpec(method="vanilla", rounds=5).last_round == 0
    assert LoopSpec(method="random", rounds=5).last_round == 5


@pytest.mark.parametrize(("kept", "oversample", "asked"), [(100, 1.0, 100), (24, 1.5, 36), (10, 1.25, 13)])
def test_the_rows_asked_for_are_rounded_up(kept: int, oversample: float, asked: int) -> None:
    assert LoopSpec(synthetic_per_round=kept, oversample=oversample).asked_per_round(True) == asked


@pytest.mark.parametrize(
    ("settings", "unlabeled", "asked"),
    [
        ({"sources": ["generated", "unlabeled"]}, 5, 5 + 20),
        ({"sources": {"generated": 0.7, "unlabeled": 0.3}}, 3, 3 + 28),
        ({"sources": ["unlabeled"]}, 10, 10),
        ({"method": "active"}, 10, 10),
        ({"method": "active", "oversample": 3}, 10, 10),
        ({"method": "random", "sources": ["generated", "unlabeled"]}, 5, 10),
    ],
)
def test_unlabelled_rows_are_chosen_before_they_are_answered_and_the_others_after(
    settings: dict[str, Any], unlabeled: int, asked: int
) -> None:
    loop = LoopSpec(synthetic_per_round=10, **settings)
    assert loop.unlabeled_per_round == unlabeled
    assert loop.asked_per_round(True) == asked


def test_pada_asks_for_more_than_it_keeps_where_new_rows_can_be_scored() -> None:
    assert LoopSpec(synthetic_per_round=10).asked_per_round(True) == 40
    assert LoopSpec(synthetic_per_round=10).asked_per_round(False) == 10
    assert LoopSpec(synthetic_per_round=10, method="random").asked_per_round(True) == 10


def test_what_a_run_asks_about() -> None:
    asked = {
        review: [subject for subject in ("patterns", "rows") if LoopSpec(review=review).asks_about(subject)]
        for review in (False, True, "patterns", "rows")
    }
    assert asked == {False: [], True: ["patterns", "rows"], "patterns": ["patterns"], "rows": ["rows"]}
    with pytest.raises(ValidationError, match="Input should be False, True, 'patterns' or 'rows'"):
        LoopSpec(review="row")
