"""The closing lines of a run, for the terminal."""

from __future__ import annotations

from app.report.wording import (
    ceiling,
    duration,
    headline,
    one_line,
    percent,
    plural,
    round_name,
    score_interval,
    spent,
    unlabeled_rows,
    warnings,
)
from graphs.report import Report, RoundReport

SHOWN = 6
"""Maximum patterns of a round that are named."""


def summary_lines(report: Report) -> list[str]:
    """The result, the rounds with their patterns, rows, cost and time, as plain lines.

    The caller adds paths. Texts from the teacher are on one line and not escaped for any markup.
    """
    result = headline(report)
    lines = [f"{result.title}. {result.sentence}"]
    lines += warnings(report)
    if report.status != "finished" and report.stopped:
        lines.append(f"{report.status.capitalize()}: {one_line(report.stopped, 400)}")
    lines += _basis_lines(report)
    for item in report.rounds:
        lines += _round_lines(item)
    lines.append(_cost_line(report))
    if report.teacher.stand_in:
        lines.append("The teacher was the embedded stand-in: use a real one for real work.")
    return lines


def _basis_lines(report: Report) -> list[str]:
    """What the gain is to be seen against: how the baseline was tuned, and what the untrained student and the teacher score."""
    lines = []
    if report.tuning and (chosen := report.tuning.chosen):
        trials = plural(len(report.tuning.trials), "trial")
        lines.append(
            f"All students: learning rate {chosen.learning_rate:.2g}, {plural(chosen.steps, 'step')}; best of {trials} with "
            "the baseline on validation"
        )
    if report.test and report.test.untrained is not None:
        lines.append(f"Before any fine-tuning: test {report.test.metric} {percent(report.test.untrained)}")
    if found := report.teacher_scores:
        score = f"{percent(found.validation.score)} ({score_interval(found.validation.ci95)})"
        lines.append(f"The teacher itself: validation {score}. {ceiling(report)}")
    return lines


def _round_lines(item: RoundReport) -> list[str]:
    score = f"{round_name(item.round)}: validation {percent(item.validation)} ({score_interval(item.ci95)})"
    if item.round == 0:
        return [score]
    state = "promoted" if item.promoted else "not promoted"
    lines = [f"{score}, {plural(item.accepted, 'new row')}, {state}"]
    if item.unlabeled:
        lines.append(f"  {unlabeled_rows(item.unlabeled)[0].upper()}{unlabeled_rows(item.unlabeled)[1:]}")
    for pattern in item.patterns[:SHOWN]:
        regressed = f", {pattern.regressed} regressed" if pattern.regressed else ""
        outcome = f"{pattern.fixed} fixed, {pattern.unmoved} unmoved{regressed}"
        lines.append(f"  {one_line(pattern.name)}: {outcome}, of {plural(pattern.size, 'failure')}")
    unnamed = len(item.patterns) - SHOWN
    return [*lines, f"  and {plural(unnamed, 'more pattern')}"] if unnamed > 0 else lines


def _cost_line(report: Report) -> str:
    calls = plural(report.cost.calls, "teacher call")
    repeated = f" ({report.cost.repeated:,} more came from the ledger)" if report.cost.repeated else ""
    time = duration(sum(report.seconds.values()))
    return f"{plural(report.accepted, 'accepted row')}, {calls}{repeated}, {spent(report)}, {time}"
