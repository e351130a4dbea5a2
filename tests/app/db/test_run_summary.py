"""The summary of a run, event by event."""

from __future__ import annotations

from functools import reduce
from typing import Any

from app.db.run_summary import RunSummary, apply_event
from app.engine.events import (
    Event,
    PowerEstimate,
    ReviewRequested,
    RoundScore,
    RunStatusChanged,
    StageDone,
    StageProgress,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
    read_event,
)


def after(*events: Event) -> dict[str, Any]:
    """The stored summary after these events, read and written between any two of them as the service does it."""

    def step(document: dict[str, Any], event: Event) -> dict[str, Any]:
        return apply_event(RunSummary.read(document), event).to_json()

    return reduce(step, events, {})


def score(round_number: int, validation: float) -> RoundScore:
    return RoundScore(
        id=7,
        time=1.0,
        round=round_number,
        metric="accuracy",
        validation=validation,
        ci95=(0.25, 0.75),
        promoted=True,
        reason="Better.",
    )


def test_nothing_is_stored_before_it_is_known() -> None:
    assert after() == {}
    assert after(RunStatusChanged(status="running")) == {}
    assert after(read_event({"type": "note", "text": "of another version"})) == {}


def test_a_stage_forgets_the_progress_of_the_one_before() -> None:
    trained = TrainerProgress(stage="train", step=3, steps=9, tokens_per_second=812.5, eta_seconds=12.0)
    summary = after(StageStarted(name="fine_tune"), trained)
    assert summary == {
        "stage": "fine_tune",
        "progress": {"done": 3, "total": 9},
        "eta_seconds": 12.0,
        "trainer": {
            "stage": "train",
            "step": 3,
            "steps": 9,
            "tokens_per_second": 812.5,
            "eta_seconds": 12.0,
        },
    }
    started = after(StageStarted(name="fine_tune"), trained, StageStarted(name="evaluate"))
    assert started == {"stage": "evaluate", "progress": None, "eta_seconds": None, "trainer": None}


def test_the_seconds_of_a_stage_add_up_over_rounds() -> None:
    done = StageDone(name="augment", done=4, total=4, seconds=1.25)
    summary = after(done, StageProgress(name="augment", done=1, total=2), done)
    assert summary == {"progress": {"done": 4, "total": 4}, "stage_seconds": {"augment": 2.5}}


def test_a_round_that_is_scored_again_is_listed_once() -> None:
    summary = after(score(0, 0.5), score(1, 0.625), score(1, 0.75))
    assert summary["round"] == 1
    assert [(item["round"], item["validation"]) for item in summary["scores"]] == [(0, 0.5), (1, 0.75)]
    assert set(summary["scores"][0]) == {"round", "metric", "validation", "ci95", "promoted", "reason"}


def test_cost_power_and_review_are_their_events() -> None:
    summary = after(
        TeacherSpend(calls=2, usd=0.5, tokens=90, retries=1),
        PowerEstimate(value=0.2, n=40, power=0.8, assumption="One row in five differs."),
        ReviewRequested(about="rows", round=1, accepted=5, rejected=2),
    )
    assert summary == {
        "cost": {"calls": 2, "usd": 0.5, "tokens": 90, "retries": 1},
        "detectable": {"value": 0.2, "n": 40, "power": 0.8},
        "review": {"about": "rows", "round": 1, "accepted": 5, "rejected": 2},
    }


def test_keys_of_another_version_are_kept() -> None:
    stored = {"stage": "gate", "energy": {"joules": 3}}
    summary = apply_event(RunSummary.read(stored), StageStarted(name="finish")).to_json()
    assert summary["energy"] == {"joules": 3}
    assert summary["stage"] == "finish"
