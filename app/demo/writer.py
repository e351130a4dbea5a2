"""The embedded teacher's writer and judge: new messages for a style, and whether given messages are right."""

from __future__ import annotations

import random
from collections.abc import Sequence

from app.demo.composer import QUESTION, TEAMS, Style, compose, phrases, teams_of
from app.demo.grammar import style_of, team_of
from graphs.schemas import QualityReport, Sample

SLIP = 0.04
"""Share of the rows to which the writer gives a wrong team, as a large model does now and then."""
DRIFT = 0.08
"""Share of the batches in which the writer forgets what was asked and writes plain messages."""
PLAIN_SHARE = 0.1
"""Share of a strategy's rows that are plain, as contrast."""


def write(
    style: Style, count: int, error: dict[str, str] | None, careful: bool, rng: random.Random
) -> list[Sample]:
    """`count` different messages in a style.

    Args:
        error: a training row to correct; half of the messages then have its team.
        careful: after feedback, when the writer makes no mistake.
    """
    drifts = not careful and style is not Style.PLAIN and rng.random() < DRIFT
    samples: dict[str, Sample] = {}
    while len(samples) < count:
        said = Style.PLAIN if drifts or rng.random() < PLAIN_SHARE else style
        sample = _sample(_team(said, error, rng), said, rng)
        if not careful and rng.random() < SLIP:
            sample.completion = rng.choice([team for team in TEAMS if team != sample.completion])
        samples.setdefault(sample.prompt, sample)
    return list(samples.values())


def judge(samples: Sequence[Sample], style: Style) -> QualityReport:
    """Solve each message by rule before looking at its team, and see how many are said as asked."""
    wrong = [number for number, sample in enumerate(samples) if _wrong(sample)]
    seen: set[str] = set()
    repeated = [number for number, sample in enumerate(samples) if _repeats(sample, seen)]
    plain = [number for number, sample in enumerate(samples) if style_of(_message(sample)) is not style]
    size = max(1, len(samples))
    missing = 0.0 if style is Style.PLAIN else max(0.0, len(plain) / size - 2 * PLAIN_SHARE)
    rejected = sorted({*wrong, *repeated})
    return QualityReport(
        adherence=_mark(9 - 9 * missing),
        utility=_mark(9 - 5 * missing - 10 * len(rejected) / size),
        relevance=_mark(9 - 12 * sum(not sample.prompt.startswith(QUESTION) for sample in samples) / size),
        rejected=rejected,
        feedback=_feedback(wrong, repeated, plain if missing else [], style),
    )


def _team(style: Style, error: dict[str, str] | None, rng: random.Random) -> str:
    teams = teams_of(style)
    if error and error.get("expected") in teams and rng.random() < 0.5:
        return error["expected"]
    return rng.choice(teams)


def _sample(team: str, style: Style, rng: random.Random) -> Sample:
    parts = phrases("teacher")
    message = compose(parts, team, rng.choice(parts.issues[team]), style, rng)
    return Sample(prompt=QUESTION + message, completion=team)


def _message(sample: Sample) -> str:
    return sample.prompt.removeprefix(QUESTION)


def _wrong(sample: Sample) -> bool:
    return team_of(_message(sample)) not in (None, sample.completion)


def _repeats(sample: Sample, seen: set[str]) -> bool:
    """Whether the prompt was seen before; remembers it."""
    repeats = sample.prompt in seen
    seen.add(sample.prompt)
    return repeats


def _mark(value: float) -> int:
    return max(1, min(10, round(value)))


def _feedback(wrong: list[int], repeated: list[int], plain: list[int], style: Style) -> str:
    """Changes for the writer to make, by index of the sample."""
    points = [
        f"Samples {_listed(wrong)} have a team that does not follow from the message." if wrong else "",
        f"Samples {_listed(repeated)} repeat another one." if repeated else "",
        f"Samples {_listed(plain)} do not show what was asked for ({style.value})." if plain else "",
    ]
    return " ".join(point for point in points if point) or "Nothing to change."


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
