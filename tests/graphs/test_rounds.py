"""Files of a round: what an earlier version wrote is still read, and what is written is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from graphs.artifacts import Clusters, Evaluation, GateDecision
from graphs.rounds import Round, failure_outcomes, file_key, judged_rounds
from graphs.rows import NewRow, Pattern, Strategy
from graphs.run_paths import RunPaths
from trainer.records import Score


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_files_of_a_run_that_was_begun_before_are_read(tmp_path: Path) -> None:
    """As nodes wrote them when they were dict literals: the baseline's gate has no comparison."""
    here = Round(RunPaths(tmp_path), 0)
    put(here.paths.gate, {"promoted": True, "reason": "The baseline.", "stopped": ""})
    put(
        here.paths.evaluation,
        {"metric": "accuracy", "n": 2, "validation": 0.5, "ci95": [0.1, 0.9], "failures": 1, "detail": {}},
    )
    put(here.paths.clusters, {"k": 1, "inertia": {"1": 2.5}, "silhouette": None, "sizes": [3], "points": []})
    put(here.paths.accounts, {"r1-p0": {"fixed": 1, "unmoved": 2, "regressed": 0, "matched": None}})
    gate, clusters = here.gate(), here.clusters()
    assert (gate.promoted, gate.best_before, gate.versus_best, gate.broken) == (True, None, None, [])
    assert here.evaluation().ci95 == (0.1, 0.9)
    assert clusters is not None
    assert clusters.inertia == {1: 2.5}
    assert here.accounts()["r1-p0"].kept == 2


def test_a_round_that_has_nothing_yet_is_empty(tmp_path: Path) -> None:
    here = Round(RunPaths(tmp_path), 3)
    assert not here.judged
    assert (here.patterns(), here.batches(), here.rows(), here.accepted(), here.accounts()) == (
        {},
        [],
        [],
        [],
        {},
    )
    assert here.clusters() is None
    assert not here.scores("validation")
    assert not here.predictions("validation")


def test_what_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    here = Round(RunPaths(tmp_path), 1)
    here.write_strategy(Strategy(pattern="r1-p0", title="First", instructions="a"))
    assert here.strategy("r1-p0").title == "First"
    here.write_strategy(Strategy(pattern="r1-p0", title="Second", instructions="a"))
    assert here.strategy("r1-p0").title == "Second"


def test_drafts_stay_as_the_teacher_wrote_them_however_often_a_reviewer_changes_them(tmp_path: Path) -> None:
    here = Round(RunPaths(tmp_path), 1)
    drafted = Pattern(id="r1-p0", name="Draft", description="", round=1, failures=["a"], centroid=[1.0])
    strategy = Strategy(pattern="r1-p0", title="Draft", instructions="a")
    here.write_patterns([drafted], Clusters(k=1, inertia={}, silhouette=None, sizes=[1], points=[]))
    here.write_strategy(strategy)
    here.save_reviewed({"r1-p0": (drafted, strategy)})
    edited = drafted.model_copy(update={"name": "Edited"})
    here.save_reviewed({"r1-p0": (edited, strategy.model_copy(update={"title": "Edited"}))})
    assert here.patterns()["r1-p0"].name == here.strategy("r1-p0").title == "Edited"
    pattern, kept = here.drafts()["r1-p0"]
    assert (pattern.name, kept.title) == ("Draft", "Draft")


def test_closing_a_round_keeps_all_rows_and_gives_the_trainer_the_accepted(tmp_path: Path) -> None:
    here = Round(RunPaths(tmp_path), 1)
    rows = [
        NewRow(
            id=name, prompt="p", completion="c", round=1, batch="b", origin="task", attempt=1,
            verdict=verdict, reason="because",
        )
        for name, verdict in (("a", "accepted"), ("b", "leak"))
    ]  # fmt: skip
    assert here.close(rows) == 1
    assert here.rows() == rows
    assert [row.id for row in here.accepted()] == ["a"]
    assert "verdict" not in here.paths.accepted.read_text()


def test_any_id_can_be_a_file_name() -> None:
    assert len({file_key(name) for name in ("a/b", "a\\b", "../x", "é", "x" * 500)}) == 5
    assert all(file_key(name).isalnum() for name in ("a/b", "../x", ""))


def test_rounds_are_judged_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    for number in (10, 0, 2):
        Round(run, number).write_gate(GateDecision(promoted=True, reason=""))
    Round(run, 11).write_evaluation(
        Evaluation(metric="m", n=1, validation=1.0, ci95=(1.0, 1.0), failures=0, detail={}), []
    )
    assert [judged.number for judged in judged_rounds(run)] == [0, 2, 10]


def test_outcomes_of_failures(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    values = {0: {"a": 0.0, "b": 0.5, "c": 0.5}, 1: {"a": 1.0, "b": 0.5, "c": 0.4}}
    for number, scores in values.items():
        Round(run, number).write_scores(
            "validation",
            [
                Score(id=name, value=value, correct=value == 1, explanation="")
                for name, value in scores.items()
            ],
        )
    outcomes = failure_outcomes(Round(run, 0), Round(run, 1))
    assert outcomes == {"a": "fixed", "b": "unmoved", "c": "regressed"}
