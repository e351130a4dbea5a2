"""A realistic run report, with texts chosen to break a careless page."""

from __future__ import annotations

import random
from typing import Any

from graphs.analysis.statistics import minimal_detectable_effect
from graphs.artifacts import (
    SealedAccess,
    TaskBrief,
    Tuning,
)
from graphs.report import (
    Report,
    TestResult,
)
from graphs.teacher.cost import Cost, SpendPoint
from tests.app.report.report_parts import (
    SCRIPT,
    TRIALS,
    baseline_round,
    data_report,
    example_config,
    example_round,
    teacher_report,
)

OPENED = (
    "checked and compared with the other splits at the start",
    "compared with new rows, so that none of it leaks into training",
    "scored for the baseline and the best student",
)
"""Why the test rows were opened."""


def example() -> Report:
    """A finished run of three rounds that improved the student by 9.8 points on the test."""
    random_ = random.Random(7)
    rounds = [
        baseline_round(random_),
        example_round(1, 0.664, True, random_),
        example_round(2, 0.714, True, random_),
        example_round(3, 0.706, False, random_),
    ]
    return Report(
        run_id="5f0c6b4f2c0e4d0f9d6f1b7f3a7c1e52",
        status="finished",
        stopped="All 3 rounds are done.",
        method="pada",
        task="classification",
        seed=0,
        student="builtin:smollm2-135m",
        accepted=288,
        rounds=rounds,
        baseline={"validation": 0.612},
        best={"round": 2, "validation": 0.714},
        test=example_test(rounds[2].detail),
        tuning=Tuning(trials=TRIALS, chosen=TRIALS[1]),
        minimal_detectable_effect=minimal_detectable_effect(400),
        cost=example_cost(),
        spending=[
            SpendPoint(seconds=140 * (i // 60) + 1.1 * i, usd=0.0042 * i, tokens=1310 * i, calls=2 * i)
            for i in range(180)
        ],
        seconds={
            "fine_tune": 380.0, "evaluate": 3.2, "gate": 0.4, "analyze_errors": 31.0, "find_patterns": 7.7,
            "draft_strategies": 4.6, "review": 0.0, "allocate": 0.1, "augment": 92.0, "accept": 0.5,
            "review_rows": 0.0, "finish": 35.4,
        },
        data=data_report(),
        task_brief=TaskBrief(
            name="classification", description=f"Sort messages by intent. {SCRIPT}", drafted=True,
            answers={"judged": "Right if it is the label.", "labels": {"refund": "money back; 12 rows"}},
            prompt_form={"before": f"Sort the message. {SCRIPT}\nMessage: "},
        ),
        teacher=teacher_report(),
        test_access=[
            SealedAccess(time=1_762_074_895.5 + 240 * n, process=2714, reason=reason)
            for n, reason in enumerate(OPENED)
        ],
        config=example_config().model_dump(mode="json"),
    )  # fmt: skip


def example_test(detail: dict[str, Any]) -> TestResult:
    return TestResult(
        metric="accuracy", n=400, untrained=0.031, baseline=0.605, best=0.703, difference=0.098, ci95=(0.052, 0.145),
        p_value=0.00004, p_method="mcnemar", verdict="improved",
        detail=detail,
    )  # fmt: skip


def example_cost() -> Cost:
    return Cost(
        calls=358, prompt_tokens=181_204, completion_tokens=53_311, usd=0.7518, repeated=12, retries=9,
        by_role={
            "analyst": {"calls": 140, "prompt_tokens": 60_000, "completion_tokens": 14_000, "usd": 0.2},
            "generator": {"calls": 150, "prompt_tokens": 80_204, "completion_tokens": 35_311, "usd": 0.45},
            "judge": {"calls": 68, "prompt_tokens": 41_000, "completion_tokens": 4_000, "usd": 0.1018},
        },
    )  # fmt: skip


def states() -> dict[str, Report]:
    """The run in every state that the page must tell plainly."""
    full = example()
    assert full.test is not None
    ended = full.test
    nothing = Cost(calls=0, prompt_tokens=0, completion_tokens=0, usd=0, repeated=0)
    early: dict[str, Any] = {
        "rounds": [],
        "baseline": {},
        "best": {},
        "test": None,
        "accepted": 0,
        "cost": nothing,
        "spending": [],
    }
    no_gain = {"best": ended.baseline, "difference": 0.0, "ci95": (0.0, 0.0), "p_value": 1.0}
    worse = {
        "best": 0.51,
        "difference": -0.095,
        "ci95": (-0.14, -0.05),
        "p_value": 0.0002,
        "verdict": "worse",
    }
    unclear = {"best": 0.615, "difference": 0.01, "ci95": (-0.02, 0.041), "p_value": 0.58}
    unclear["verdict"] = no_gain["verdict"] = "no difference shown"
    free = full.cost.model_copy(update={"usd": 0.0, "by_role": {}})
    unpriced = [point.model_copy(update={"usd": 0.0}) for point in full.spending]
    return {
        "finished": full,
        "starting": full.model_copy(update=early | {"status": "running", "stopped": "", "test_access": []}),
        "running": full.model_copy(
            update={"status": "running", "stopped": "", "test": None, "rounds": full.rounds[:3], "test_access": []}
        ),
        "paused": full.model_copy(
            update={
                "status": "paused", "stopped": "The next call could pass budget.max_usd (0.75): raise it and run again.",
                "test": None, "rounds": full.rounds[:2], "best": {"round": 1, "validation": 0.664},
            }
        ),
        "failed": full.model_copy(
            update=early | {"status": "failed", "stopped": f"The trainer stopped: loss is NaN at step 14. {SCRIPT}"}
        ),
        "vanilla": full.model_copy(
            update={
                "method": "vanilla", "rounds": full.rounds[:1], "best": {"round": 0, "validation": 0.612},
                "accepted": 0, "cost": nothing, "spending": [], "test": ended.model_copy(update=no_gain),
            }
        ),
        "nothing-helped": full.model_copy(
            update={
                "best": {"round": 0, "validation": 0.612}, "test": ended.model_copy(update=no_gain),
                "rounds": [full.rounds[0], *(r.model_copy(update={"promoted": False}) for r in full.rounds[1:])],
            }
        ),
        "unclear": full.model_copy(update={"test": ended.model_copy(update=unclear)}),
        "worse": full.model_copy(update={"test": ended.model_copy(update=worse)}),
        "stand-in": full.model_copy(
            update={"teacher": full.teacher.model_copy(update={"stand_in": True}), "cost": free, "spending": unpriced}
        ),
    }  # fmt: skip


STATES = states()
