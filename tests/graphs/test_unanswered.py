"""A whole run with calls that the teacher cannot answer: each costs its own row, pattern or batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.report.build import RoundView
from graphs.errors import TooManyUnanswered, UnansweredError
from tests.graphs.loop_harness import Loop, new_loop


class Silent:
    """Does not answer some of the calls for one schema: every second, or all."""

    def __init__(self, schema: str, every: int) -> None:
        self.schema, self.every, self.seen = schema, every, 0

    def __call__(self, schema: str, data: dict[str, Any], reply: Any) -> Any:
        if schema == self.schema:
            self.seen += 1
            if self.seen % self.every == 0:
                raise UnansweredError("its content filter stopped the answer")
        return reply


def purposes(loop: Loop) -> set[str]:
    return {call.purpose for call in loop.round(1).unanswered()}


@pytest.mark.parametrize(
    ("schema", "purpose"),
    [
        ("ErrorAnalysis", "analysis"),
        ("FailurePattern", "pattern"),
        ("AugmentationStrategy", "strategy"),
        ("SampleBatch", "batch"),
        ("QualityReport", "judgement"),
        ("BlindAnswers", "blind answers"),
    ],
)
async def test_the_run_goes_on_without_and_the_report_says_so(
    tmp_path: Path, schema: str, purpose: str
) -> None:
    loop = new_loop(tmp_path, rounds=1, qc_blind=int(schema == "BlindAnswers"))
    loop.teacher.change = Silent(schema, 2)
    await loop.go({})
    assert purposes(loop) == {purpose}
    report = RoundView(loop.paths, 1).report()
    assert [call.reason for call in report.unanswered] == ["its content filter stopped the answer"] * len(
        loop.round(1).unanswered()
    )
    assert report.accepted > 0


async def test_a_failure_without_an_analysis_belongs_to_no_pattern(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    loop.teacher.change = Silent("ErrorAnalysis", 2)
    await loop.go({})
    chosen = set(loop.round(0).failures_to_analyze())
    without = {call.subject for call in loop.round(1).unanswered()}
    grouped = {name for pattern in loop.round(1).patterns().values() for name in pattern.failures}
    assert without
    assert grouped == chosen - without


async def test_patterns_and_strategies_without_an_answer_speak_in_the_words_of_their_cases(
    tmp_path: Path,
) -> None:
    loop = new_loop(tmp_path, rounds=1)
    silent = {"FailurePattern", "AugmentationStrategy"}

    def change(schema: str, data: dict[str, Any], reply: Any) -> Any:
        if schema in silent:
            raise UnansweredError("no")
        return reply

    loop.teacher.change = change
    await loop.go({})
    here = loop.round(1)
    for pattern in here.patterns().values():
        causes = [here.analysis(name).text for name in pattern.failures]
        assert pattern.description in causes
        assert pattern.description.startswith(pattern.name.removesuffix(" ..."))
        strategy = here.strategy(pattern.id)
        assert (strategy.title, strategy.instructions) == (pattern.name, pattern.description)
    assert here.accepted()


@pytest.mark.parametrize(("unjudged", "accepted"), [("drop", False), ("keep", True)])
async def test_rows_that_nobody_judged_are_dropped_or_kept_as_the_config_says(
    tmp_path: Path, unjudged: str, accepted: bool
) -> None:
    loop = new_loop(tmp_path, rounds=1, unjudged=unjudged)
    loop.teacher.change = Silent("QualityReport", 1)
    await loop.go({})
    verdicts = {row.verdict for row in loop.written(1)}
    assert ("accepted" in verdicts) is accepted
    assert ("unanswered" in verdicts) is not accepted


async def test_a_round_whose_every_analysis_is_missing_pauses(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    loop.teacher.change = Silent("ErrorAnalysis", 1)
    with pytest.raises(TooManyUnanswered, match=r"none of the \d+ failures.*content filter"):
        await loop.go({})


async def test_what_is_answered_at_the_next_start_is_noted_no_more(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    loop.teacher.change = Silent("ErrorAnalysis", 1)
    with pytest.raises(TooManyUnanswered):
        await loop.go({})
    assert purposes(loop) == {"analysis"}
    loop.teacher.change = None
    await loop.go(None)
    assert loop.round(1).unanswered() == []
