"""What a run has left in its folder, as the service hands it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.api.runs.files import lineage, samples
from app.errors import NotFound
from graphs.artifacts import Clusters, GateDecision, PatternAccount
from graphs.rounds import Round
from graphs.rows import NewRow, Pattern, Strategy
from graphs.run_paths import RunPaths
from trainer.records import Score


def pattern(number: int, failures: list[str]) -> Pattern:
    return Pattern(
        id=f"r{number}-p0", name="Refunds", description="", round=number, failures=failures, centroid=[1.0]
    )


def new_row(number: int, **fields: Any) -> NewRow:
    written = {"prompt": "Where is it?", "completion": "delivery", "verdict": "accepted", "reason": ""}
    return NewRow(
        id=f"r{number}-b0-a1-0", round=number, batch=f"r{number}-b0", attempt=1, **{**written, **fields}
    )


def write_scores(here: Round, values: dict[str, float]) -> None:
    here.write_scores(
        "validation",
        [Score(id=name, value=value, correct=value == 1, explanation="") for name, value in values.items()],
    )


def write_patterns(here: Round, drafted: Pattern) -> None:
    here.write_patterns([drafted], Clusters(k=1, inertia={1: 0.0}, silhouette=None, sizes=[1], points=[]))
    here.write_strategy(Strategy(pattern=drafted.id, title="More refunds", instructions="Write some."))


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """Round 1 wrote a row for the failures a, b and c of the baseline; its student is not judged yet."""
    paths = RunPaths(tmp_path)
    write_scores(Round(paths, 0), {"a": 0.0, "b": 0.5, "c": 0.5, "d": 1.0})
    write_patterns(Round(paths, 1), pattern(1, ["a", "b", "c"]))
    Round(paths, 1).close([new_row(1, origin="pattern", pattern="r1-p0")])
    return paths


def judge(paths: RunPaths) -> None:
    """The student of round 1 has a right now, b lower than before, and c as before."""
    first = Round(paths, 1)
    write_scores(first, {"a": 1.0, "b": 0.2, "c": 0.5, "d": 1.0})
    first.write_accounts({"r1-p0": PatternAccount(fixed=1, unmoved=1, regressed=1, matched=None)})
    first.write_gate(GateDecision(promoted=True, reason="Better."))


def test_lineage_names_the_failures_behind_a_row_before_anything_came_of_them(run: RunPaths) -> None:
    line = lineage(run, "r1-b0-a1-0")
    assert [(fate.id, fate.outcome) for fate in line.failures] == [("a", None), ("b", None), ("c", None)]
    assert (line.outcome, line.next) == (None, [])
    assert line.pattern is not None
    assert "centroid" not in line.pattern
    assert line.strategy is not None
    assert line.strategy.title == "More refunds"


def test_lineage_says_what_became_of_each_failure(run: RunPaths) -> None:
    judge(run)
    line = lineage(run, "r1-b0-a1-0")
    assert [(fate.id, fate.outcome) for fate in line.failures] == [
        ("a", "fixed"),
        ("b", "regressed"),
        ("c", "unmoved"),
    ]
    assert line.outcome is not None
    assert (line.outcome.fixed, line.outcome.kept) == (1, 2)


def test_lineage_follows_a_pattern_into_the_next_round(run: RunPaths) -> None:
    judge(run)
    second = Round(run, 2)
    write_patterns(second, pattern(2, ["b", "c"]))
    second.write_accounts({"r2-p0": PatternAccount(fixed=0, unmoved=2, regressed=0, matched="r1-p0")})
    (following,) = lineage(run, "r1-b0-a1-0").next
    assert (following.id, following.name, following.failures) == ("r2-p0", "Refunds", ["b", "c"])


def test_lineage_of_a_row_for_a_training_error_has_no_pattern(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    Round(paths, 1).close([new_row(1, origin="train_error", source="train-7")])
    line = lineage(paths, "r1-b0-a1-0")
    assert (line.source, line.pattern, line.strategy, line.failures) == ("train-7", None, None, [])


def test_lineage_of_an_unknown_row_is_not_found(run: RunPaths) -> None:
    with pytest.raises(NotFound, match="no row 'r9-b0-a1-0'"):
        lineage(run, "r9-b0-a1-0")


def test_samples_of_a_round_that_is_not_closed_come_from_its_batches(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    rejected = new_row(1, origin="task", verdict="duplicate")
    Round(paths, 1).write_batch_rows("r1-b0", [rejected.model_dump(mode="json")])
    assert [row["id"] for row in samples(paths, None, "duplicate", None)] == ["r1-b0-a1-0"]
    assert list(samples(paths, None, "accepted", None)) == []
