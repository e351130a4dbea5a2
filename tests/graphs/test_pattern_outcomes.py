"""What patterns did to their failures, and where the next rows go."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.artifacts import PatternAccount
from graphs.pattern_outcomes import continued, cosine, expected_fixes, fix_rate, record_outcomes
from graphs.rounds import Round
from graphs.rows import Pattern
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, write_jsonl
from trainer.records import Score


def pattern(round_number: int, name: str, failures: list[str], centroid: list[float]) -> Pattern:
    return Pattern(
        id=f"r{round_number}-{name}",
        name=name,
        description="",
        round=round_number,
        failures=failures,
        centroid=centroid,
    )


def account(fixed: int, unmoved: int, regressed: int = 0) -> PatternAccount:
    return PatternAccount(fixed=fixed, unmoved=unmoved, regressed=regressed, matched=None)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path)


def write_scores(run: RunPaths, round_number: int, values: dict[str, float]) -> None:
    scores = [Score(id=n, value=v, correct=v == 1, explanation="") for n, v in values.items()]
    write_jsonl(run.round(round_number).scores("validation"), scores)


def test_settle_counts_what_became_of_each_failure(run: RunPaths) -> None:
    write_scores(run, 0, {"a": 0.0, "b": 0.5, "c": 0.5, "d": 0.2, "e": 1.0})
    write_scores(run, 1, {"a": 1.0, "b": 0.5, "c": 0.1, "d": 0.4, "e": 1.0})
    patterns = [pattern(1, "p0", ["a", "b", "c", "d"], [1.0, 0.0])]
    write_jsonl(run.round(1).patterns, patterns)
    record_outcomes(Round(run, 0), Round(run, 1))
    # a is right now, c scores lower, b and d are still wrong and not lower
    assert read_json(run.round(1).accounts) == {
        "r1-p0": {"fixed": 1, "unmoved": 2, "regressed": 1, "matched": None}
    }


def test_settle_without_patterns_writes_an_empty_account(run: RunPaths) -> None:
    write_scores(run, 0, {"a": 0.0})
    write_scores(run, 1, {"a": 0.0})
    record_outcomes(Round(run, 0), Round(run, 1))
    assert read_json(run.round(1).accounts) == {}


def test_a_pattern_continues_the_nearest_one_if_it_is_near() -> None:
    """cos(45 degrees) = 0.707 is enough, cos(46 degrees) = 0.695 is not."""
    earlier = {"x": pattern(1, "x", [], [1.0, 0.0]), "y": pattern(1, "y", [], [-1.0, 0.0])}
    assert continued(pattern(2, "p", [], [1.0, 1.0]), earlier) == "x"
    assert continued(pattern(2, "p", [], [0.6947, 0.7193]), earlier) is None
    assert continued(pattern(2, "p", [], [-2.0, 0.1]), earlier) == "y"
    assert continued(pattern(2, "p", [], [1.0, 0.0]), {}) is None


def test_cosine_does_not_depend_on_length() -> None:
    assert cosine([3.0, 4.0], [6.0, 8.0]) == pytest.approx(1)
    assert cosine([1.0, 0.0], [0.0, 5.0]) == pytest.approx(0)


def test_fix_rate_of_the_unknown_is_the_quantile_of_the_uniform() -> None:
    assert fix_rate(None) == pytest.approx(0.8)
    assert fix_rate(account(0, 0)) == pytest.approx(0.8)
    # beta(2, 1) has the distribution x**2, so its 0.8 quantile is sqrt(0.8); beta(1, 2): 1 - sqrt(0.2)
    assert fix_rate(account(1, 0)) == pytest.approx(0.8**0.5)
    assert fix_rate(account(0, 1)) == pytest.approx(1 - 0.2**0.5)
    assert fix_rate(account(0, 0, 1)) == fix_rate(account(0, 1))


def test_fix_rate_explores_and_exploits() -> None:
    assert fix_rate(account(9, 1)) > fix_rate(account(5, 5)) > fix_rate(account(1, 9)) > 0
    # of two patterns with the same share of fixes, the less known one is tried
    assert fix_rate(account(1, 1)) > fix_rate(account(10, 10))
    # and what never improved is given less the longer it did not
    assert fix_rate(account(0, 2)) > fix_rate(account(0, 20)) > 0


def test_weights_go_by_size_in_the_first_round_and_by_success_later(run: RunPaths) -> None:
    first = [pattern(1, "p0", ["a", "b", "c"], [1.0, 0.0]), pattern(1, "p1", ["d"], [0.0, 1.0])]
    write_jsonl(run.round(1).patterns, first)
    weights = expected_fixes(Round(run, 0), Round(run, 1), ["r1-p0", "r1-p1"])
    assert weights["r1-p0"] == pytest.approx(3 * weights["r1-p1"])

    write_scores(run, 0, dict.fromkeys("abcd", 0.0))
    write_scores(run, 1, {"a": 0.0, "b": 0.0, "c": 0.0, "d": 1.0})
    record_outcomes(Round(run, 0), Round(run, 1))
    second = [pattern(2, "p0", ["a", "b"], [0.1, 1.0]), pattern(2, "p1", ["c", "e"], [1.0, 0.1])]
    write_jsonl(run.round(2).patterns, second)
    later = expected_fixes(Round(run, 1), Round(run, 2), ["r2-p0", "r2-p1"])
    # r2-p0 continues r1-p1, all of whose failures were fixed; r2-p1 continues r1-p0, none of whose were
    assert later["r2-p0"] == pytest.approx(2 * 0.8**0.5)
    assert later["r2-p1"] == pytest.approx(2 * (1 - 0.2**0.25))
    assert set(expected_fixes(Round(run, 1), Round(run, 2), ["r2-p1"])) == {"r2-p1"}, (
        "a vetoed pattern gets no rows"
    )
