"""Numbers and results in words, the same on the page, on the card and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphs.report import Report, TestResult, UnlabeledRows

Tone = Literal["good", "bad", "neutral"]

NARROW = "\u202f"
"""No-break thin space, which keeps a number and its unit on one line."""

P_METHODS = {"mcnemar": "McNemar", "paired bootstrap": "paired bootstrap"}

NOTHING_RIGHT = (
    "No student gets a validation row right. Look at the replies in rounds/{}/predictions/validation.jsonl. If they are cut, "
    "endless or in another form than the answers, check `student.learning_rate`, `student.epochs`, `student.template` and "
    "`student.max_new_tokens`."
)


def percent(score: float) -> str:
    """A score (fraction of 1) with one decimal: `72.4 %`."""
    return f"{_one_decimal(score * 100)}{NARROW}%"


def points(difference: float) -> str:
    """A difference of two scores in percentage points, with its sign: `+11.2 points`."""
    return f"{signed(difference)} points"


def signed(difference: float) -> str:
    """A difference of two scores in percentage points, with its sign and without the unit: `+11.2`."""
    value = round(difference * 100, 1)
    return f"+{value:.1f}" if value > 0 else _one_decimal(value)


def interval(ends: tuple[float, float]) -> str:
    """A 95 % interval of a difference, in percentage points: `+6.8 to +15.6`."""
    return f"{signed(ends[0])} to {signed(ends[1])}"


def score_interval(ends: tuple[float, float]) -> str:
    """A 95 % interval of a score: `66.0 to 78.1 %`."""
    return f"{_one_decimal(ends[0] * 100)} to {percent(ends[1])}"


def p_value(p: float) -> str:
    """`p < 0.001` or `p = 0.034`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def duration(seconds: float) -> str:
    """`4.2 s`, `48 s`, `5 min 12 s` or `1 h 03 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02} min" if hours else f"{minutes} min {rest:02} s"


def money(usd: float) -> str:
    """`$0.42`. Less than a cent has two significant digits: `$0.0031`."""
    if usd == 0 or usd >= 0.01:
        return f"${usd:,.2f}"
    return f"${usd:.2g}" if usd >= 0.0001 else "< $0.0001"


def tokens(count: float) -> str:
    """`840`, `12.4k` or `3.1M` tokens, without the word."""
    if count < 1000:
        return f"{count:.0f}"
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def plural(count: int, noun: str) -> str:
    """`1 row`, `1,204 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def spent(report: Report) -> str:
    """What the teacher cost, in dollars, or in tokens if no price is known."""
    cost = report.cost
    if cost.usd > 0:
        return money(cost.usd)
    return f"{tokens(cost.tokens)} tokens" if cost.tokens else money(0)


def unlabeled_rows(rows: UnlabeledRows) -> str:
    """What a round did with unlabelled rows, in a sentence."""
    refused = f", {rows.refused:,} of them too close to other rows" if rows.refused else ""
    return (
        f"of {plural(rows.left, 'unlabelled row')} it looked at {rows.looked_at:,}{refused}; the teacher was asked about "
        f"{rows.chosen:,}, and {rows.accepted:,} were accepted."
    )


def ceiling(report: Report) -> str:
    """How the teacher's own score was found, what it cost, and how much of the way to it the best student has gone."""
    found = report.teacher_scores
    if found is None:
        return ""
    unanswered = found.validation.unanswered
    cost = money(found.usd) if found.usd else f"{tokens(found.tokens)} tokens"
    parts = [
        f"It answered the {found.validation.n:,} validation rows without seeing their answers, asked as for new rows"
        f"{f', and left {unanswered:,} unanswered' if unanswered else ''}: {plural(found.calls, 'call')}, {cost}."
    ]
    if found.test:
        ends = score_interval(found.test.ci95)
        parts.append(f"On the test rows it scores {percent(found.test.score)} ({ends}).")
    top, first, best = (
        (found.test.score, report.test.baseline, report.test.best)
        if found.test and report.test
        else (
            found.validation.score,
            *(each.get("validation", 0.0) for each in (report.baseline, report.best)),
        )
    )
    if report.best.get("round") and top > first:
        parts.append(
            f"The best student has gone {100 * (best - first) / (top - first):.0f} % of the way to it from the baseline."
        )
    return " ".join(parts)


def round_name(round_number: int) -> str:
    """`Baseline` for round 0, else `Round 3`."""
    return "Baseline" if round_number == 0 else f"Round {round_number}"


def clip(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def one_line(text: str, limit: int = 100) -> str:
    """Printable text on one line, at most `limit` characters, because a reply must not control the terminal."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _one_decimal(value: float) -> str:
    """One decimal, with a minus sign and not a hyphen, and never `-0.0`."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "\u2212")


@dataclass(frozen=True)
class Headline:
    """The result of a run in a title and one sentence."""

    tone: Tone
    title: str
    sentence: str


def headline(report: Report) -> Headline:
    """The result. It says `improved` only if the 95 % interval of the sealed test is above 0."""
    if report.test is None:
        return _without_test(report)
    if report.method == "vanilla":
        score = percent(report.test.baseline)
        sentence = f"Fine-tuned on the given rows alone, the student reaches {score} {report.test.metric}"
        return Headline("neutral", f"The baseline: {score}", f"{sentence} on {_test_rows(report.test)}.")
    if report.best.get("round", 0) == 0:
        sentence = (
            "No later student was promoted over the baseline on validation, so it stays the best student: "
            f"{percent(report.test.baseline)} {report.test.metric} on {_test_rows(report.test)}."
        )
        return Headline("neutral", "No improvement shown", sentence)
    return _tested(report.test)


def warnings(report: Report) -> list[str]:
    """The trainer's warnings for the last student, and those if no student knows anything or the best one took more steps."""
    notes = list(report.rounds[-1].trainer.warnings) if report.rounds else []
    if report.rounds and not any(item.validation for item in report.rounds):
        notes.append(NOTHING_RIGHT.format(report.rounds[-1].round))
    if report.test and (steps := more_steps(report)):
        notes.append(steps)
    return notes


def more_steps(report: Report) -> str:
    """A warning if the best student was trained for more steps than the baseline, else an empty text.

    With equal epochs, more rows mean more steps. A student that has not converged gains by more steps alone.
    """
    best = int(report.best.get("round", 0))
    steps = {item.round: item.trainer.steps for item in report.rounds if item.round in (0, best)}
    if best == 0 or steps.get(best, 0) <= steps.get(0, 0):
        return ""
    return (
        f"The best student was also trained for more steps than the baseline ({steps[best]:,}, not {steps[0]:,}), "
        f"which may be part of the gain: `student.steps: {steps[best]}` trains all students alike."
    )


def _tested(test: TestResult) -> Headline:
    evidence = (
        f"{points(test.difference)}, 95{NARROW}% interval {interval(test.ci95)}, "
        f"{p_value(test.p_value)} ({P_METHODS.get(test.p_method, test.p_method)}), on {_test_rows(test)}."
    )
    change = f"from {percent(test.baseline)} to {percent(test.best)}"
    low, high = test.ci95
    if low > 0:
        title = f"The student improved by {_one_decimal(test.difference * 100)} points"
        return Headline("good", title, f"Test {test.metric} rose {change}: {evidence}")
    if high < 0:
        title = f"The student got worse by {_one_decimal(-test.difference * 100)} points"
        return Headline("bad", title, f"Test {test.metric} fell {change}: {evidence}")
    sentence = f"Test {test.metric} went {change}, which chance alone could explain: {evidence}"
    return Headline("neutral", "No improvement shown", sentence)


def _test_rows(test: TestResult) -> str:
    return f"{plural(test.n, 'sealed test row')}"


def _without_test(report: Report) -> Headline:
    titles = {
        "running": "The run is under way",
        "paused": "The run is paused",
        "failed": "The run failed",
        "finished": "No improvement shown",
    }
    tone: Tone = "bad" if report.status == "failed" else "neutral"
    return Headline(tone, titles[report.status], f"{_so_far(report)} {_sealed(report)}")


def _so_far(report: Report) -> str:
    if not report.rounds:
        return "No student has been scored yet."
    baseline = percent(report.baseline["validation"])
    best = int(report.best.get("round", 0))
    if best == 0:
        return (
            f"On validation the baseline stands at {baseline}, and no later student was promoted over it yet."
        )
    score = percent(report.best["validation"])
    return f"On validation the best student so far is that of round {best}: {score}, the baseline {baseline}."


def _sealed(report: Report) -> str:
    if report.status == "finished":
        return "The sealed test was not scored, so nothing is claimed."
    return "The sealed test is scored at the end only, so nothing is claimed yet."
