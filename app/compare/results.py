"""Makes the results of a comparison, `compare.json`, of its runs' reports and test scores."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.compare.models import CurvePoint, Difference, Results, Row
from app.compare.runs import Job
from app.compare.spec import VANILLA
from app.compare.statistics import Estimate, Floats, over_rows_and_seeds
from graphs.analysis.statistics import conclude, holm, mcnemar
from graphs.artifacts import Conclusion
from graphs.report import Report
from graphs.run_paths import RunPaths
from trainer.artifacts import read_models
from trainer.records import Score

SIGNIFICANT = 0.05


def find_results(
    reports: Mapping[Job, Report], folders: Mapping[Job, RunPaths], seed: int, reference: str | None
) -> Results:
    """Compare the runs' test scores, row by row.

    Args:
        reference: the method that all others are compared with, beside vanilla.
        seed: of the bootstrap.
    """
    methods = list(dict.fromkeys(name for name, _ in reports))
    seeds = list(dict.fromkeys(run_seed for _, run_seed in reports))
    scores = {name: [test_scores(folders[name, n], reports[name, n]) for n in seeds] for name in methods}
    values = {name: np.array([[s.value for s in row] for row in table]) for name, table in scores.items()}
    right = {name: np.array([[s.correct for s in row] for row in table]) for name, table in scores.items()}

    to_vanilla = differences_from(VANILLA, values, right, seed)
    to_reference = differences_from(reference, values, right, seed)
    rows = [
        describe(
            name,
            [reports[name, n] for n in seeds],
            over_rows_and_seeds(values[name], seed),
            values[name],
            to_vanilla.get(name),
            to_reference.get(name),
        )
        for name in methods
    ]
    any_report = next(iter(reports.values()))
    tested = [report.test for report in reports.values() if report.test]
    if len(tested) < len(reports):
        raise ValueError("every run of a comparison must have opened its test rows")
    return Results(
        metric=tested[0].metric,
        test_rows=tested[0].n,
        training=training(any_report.config["student"]["steps"]),
        reference=reference,
        rows=rows,
    )


def differences_from(
    other: str | None, values: Mapping[str, Floats], right: Mapping[str, NDArray[np.bool_]], seed: int
) -> dict[str, Difference]:
    """Method -> its difference from another one, p values corrected for the number of methods; empty without the other.

    Args:
        values: method -> scores by seed and test row.
        right: method -> whether the answer is right, by seed and test row.
        seed: of the bootstrap.
    """
    if other is None or other not in values:
        return {}
    estimates = {name: difference(values[other], own, seed) for name, own in values.items() if name != other}
    corrected = holm([estimate.p_value for estimate in estimates.values()])
    return {
        name: Difference(
            difference=estimate.mean,
            ci95=(estimate.low, estimate.high),
            p_value=p_value,
            verdict=corrected_verdict(estimate, p_value),
            mcnemar=[
                mcnemar(int((b & ~a).sum()), int((a & ~b).sum()))
                for a, b in zip(right[other], right[name], strict=True)
            ],
        )
        for (name, estimate), p_value in zip(estimates.items(), corrected, strict=True)
    }


def training(steps: int | None) -> str:
    """The training policy in words.

    Args:
        steps: of every student; None for equal epochs.
    """
    if steps is None:
        return "equal epochs, so that a method that adds more rows also takes more steps"
    return f"equal steps, {steps:,} for every student"


def test_scores(paths: RunPaths, report: Report) -> list[Score]:
    """The scores of the run's best student, in the order of the test rows."""
    name = "best" if report.best["round"] else "baseline"
    return read_models(Score, paths.test_row_scores(name))


def corrected_verdict(estimate: Estimate, p_value: float) -> Conclusion:
    """`improved` or `worse` only if the interval excludes 0 and the corrected p-value is below 0.05.

    The p-value is corrected for the number of methods, because the best of many is easily better by chance.
    """
    return conclude(estimate.low, estimate.high) if p_value < SIGNIFICANT else "no difference shown"


def difference(before: Floats, after: Floats, seed: int) -> Estimate:
    """The difference between two methods' scores, each of shape (seeds, rows)."""
    return over_rows_and_seeds(after - before, seed, differences=binary(before, after))


def binary(before: Floats, after: Floats) -> bool:
    """Whether each row is right or wrong, and nothing between."""
    return bool(np.isin([before, after], (0.0, 1.0)).all())


def describe(
    name: str,
    reports: list[Report],
    estimate: Estimate,
    values: Floats,
    to_vanilla: Difference | None,
    to_reference: Difference | None,
) -> Row:
    """One row of the table."""
    accepted = mean([report.accepted for report in reports])
    usd = sum(report.cost.usd for report in reports)
    tokens = sum(report.cost.tokens for report in reports)
    seconds = sum(item.trainer.seconds["train"] for report in reports for item in report.rounds if item.round)

    def gain_per(spent: float) -> float | None:
        """By the mean over seeds of what was spent."""
        return to_vanilla.difference / spent if to_vanilla and spent else None

    return Row(
        task=reports[0].task,
        method=name,
        seeds=[report.seed for report in reports],
        accepted=accepted,
        trained_on=mean(
            [sum(r.accepted for r in report.rounds if r.round <= report.best["round"]) for report in reports]
        ),
        test_mean=estimate.mean,
        ci95=(estimate.low, estimate.high),
        test=[float(row.mean()) for row in values],
        vs_vanilla=to_vanilla,
        vs_reference=to_reference,
        gain_per_row=gain_per(accepted),
        gain_per_1k_tokens=gain_per(tokens / 1000 / len(reports)),
        gain_per_training_second=gain_per(seconds / len(reports)),
        gain_per_usd=gain_per(usd / len(reports)),
        calls=sum(report.cost.calls for report in reports),
        tokens=tokens,
        usd=usd,
        failures_fixed=failures_fixed(reports),
        curve=curve(reports),
        stopped=[report.stopped for report in reports],
    )


def failures_fixed(reports: list[Report]) -> float | None:
    patterns = [p for report in reports for item in report.rounds for p in item.patterns]
    size = sum(pattern.size for pattern in patterns)
    return sum(pattern.fixed for pattern in patterns) / size if size else None


def curve(reports: list[Report]) -> list[CurvePoint]:
    """Means over seeds, up to the last round that all seeds have reached."""
    last = min(len(report.rounds) for report in reports)
    return [
        CurvePoint(
            round=round_number,
            accepted=mean(
                [sum(item.accepted for item in report.rounds[: round_number + 1]) for report in reports]
            ),
            validation=mean([report.rounds[round_number].validation for report in reports]),
        )
        for round_number in range(last)
    ]


def mean(values: list[float] | list[int]) -> float:
    return math.fsum(values) / len(values)
