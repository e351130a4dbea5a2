"""What a run's events look like."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from app.cli.compare_watch import Watch
from app.cli.display import (
    QUIET,
    STAGES,
    JsonDisplay,
    LiveDisplay,
    PlainDisplay,
    choose,
    score,
    spent,
    trainer,
)
from app.engine.events import (
    Event,
    PowerEstimate,
    RoundScore,
    RunStatusChanged,
    StageDone,
    StageProgress,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
    read_event,
)
from graphs.state import NODES

NARROW = "\u202f"
"""The space before a percent sign."""

SCORE = RoundScore(
    round=1,
    metric="accuracy",
    validation=0.625,
    ci95=(0.5, 0.75),
    promoted=True,
    reason="Shown to be better than the best student: +0.1.",
)
BASELINE = SCORE.model_copy(update={"round": 0, "validation": 0.5, "ci95": (0.4, 0.6)})
POWER = PowerEstimate(n=40, value=0.2, power=0.8)
STORY: list[Event] = [
    RunStatusChanged(status="running"),
    StageStarted(name="augment"),
    TeacherSpend(calls=12, usd=0.5, tokens=3400),
    StageProgress(name="augment", done=1, total=4),
    TrainerProgress(stage="train", step=3, steps=9, loss=1.25, eta_seconds=12.4),
    StageDone(name="augment", done=4, total=4, seconds=2.345),
    StageStarted(name="gate"),
    StageDone(name="gate", done=1, total=1, seconds=0.01),
    SCORE,
    RunStatusChanged(status="finished", reason=""),
]


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainDisplay() as display:
        for event in STORY:
            display.show(event)
    out = capsys.readouterr()
    assert out.out == "", "standard output is for the result"
    lines = out.err.replace(NARROW, " ").splitlines()
    assert lines[0] == "Writing and checking new rows ..."
    assert lines[1].startswith("Writing and checking new rows: 4 of 4 done in 2.3 s, 12 calls, ")
    assert "0.5" in lines[1]
    assert lines[2].startswith(
        "Round 1: validation accuracy 62.5 % (50.0 to 75.0 %), promoted. Shown to be better than"
    )
    assert len(lines) == 3, "moments like the gate, and progress within seconds, are not worth a line"


WARNING = TrainerProgress(stage="warning", message="3 of 40 rows\x1b[2J are too long.")


def test_a_warning_of_the_trainer_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    with LiveDisplay(Console(file=text, force_terminal=True, width=150)) as live:
        live.show(WARNING)
    assert "Warning: 3 of 40 rows [2J are too long." in text.getvalue()
    with PlainDisplay() as plain:
        plain.show(WARNING)
    assert capsys.readouterr().err == "Warning: 3 of 40 rows [2J are too long.\n"
    with Watch(2) as watch:
        watch.show(("pada", 0), WARNING)
        watch.show(("random", 0), WARNING)
    assert capsys.readouterr().err.count("Warning") == 1, "it is the same for all runs"


def test_json_lines_are_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    with choose(as_json=True) as display:
        assert isinstance(display, JsonDisplay)
        for event in STORY:
            display.show(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[3] == {"type": "stage", "name": "augment", "state": "progress", "done": 1, "total": 4}
    assert [read_event(line) for line in lines] == STORY


def test_plain_where_there_is_no_terminal() -> None:
    assert isinstance(choose(as_json=False), PlainDisplay)


def test_live_view_closes_what_it_opened() -> None:
    text = io.StringIO()
    with LiveDisplay(Console(file=text, force_terminal=True, width=150)) as display:
        for event in STORY:
            display.show(event)
    shown = text.getvalue()
    assert "Writing and checking new rows" in shown
    assert "Round 1: validation accuracy" in shown
    assert "Comparing" not in shown


def test_trainer_in_few_words() -> None:
    event = TrainerProgress(
        stage="train", step=3, steps=9, loss=1.2345, tokens_per_second=812.6, eta_seconds=61.2
    )
    assert trainer(event) == "train 3 of 9, loss 1.234, 813 tokens/s, 1 min 01 s left"
    assert trainer(TrainerProgress(stage="predict")) == "predict 0 of 0"
    assert "loss 0.000" in trainer(TrainerProgress(stage="train", loss=0.0))


def test_spending_without_a_price_is_told_in_tokens() -> None:
    assert spent(TeacherSpend(calls=3, usd=0.0, tokens=150)) == "3 calls, 150 tokens"
    assert "tokens" not in spent(TeacherSpend(calls=3, usd=1.5, tokens=150))


def test_the_baseline_is_not_promoted() -> None:
    said = score(SCORE.model_copy(update={"round": 0, "reason": "The baseline."})).replace(NARROW, " ")
    assert said == "Baseline: validation accuracy 62.5 % (50.0 to 75.0 %)."
    refused = {"promoted": False, "reason": "The score is not higher than the best student's: -0.1."}
    assert ", not promoted. The score is not higher" in score(SCORE.model_copy(update=refused))


def test_names_in_a_reason_cannot_steer_the_terminal() -> None:
    """A label may be anything, and the gate names labels."""
    odd = SCORE.model_copy(update={"reason": "Worse in bad\x1b[2J\r\n[red]news[/nothing]\u202e."})
    assert "\x1b" not in score(odd)
    assert "\n" not in score(odd)
    text = io.StringIO()
    with LiveDisplay(Console(file=text, width=200)) as display:
        display.show(odd)
    assert "[red]news[/nothing]" in text.getvalue()


def several(watch: Watch) -> None:
    """Two runs of one seed, one after the other, each to the end of its rounds and then of its test rows."""
    jobs = ("random", 0), ("pada", 0)
    with watch:
        for job in jobs:
            for event in [POWER, BASELINE, *STORY[:-1], RunStatusChanged(status="paused")]:
                watch.show(job, event)
        watch.show(jobs[0], STORY[-1])


def test_a_comparison_names_the_run_and_counts_runs(capsys: pytest.CaptureFixture[str]) -> None:
    several(Watch(2))
    lines = capsys.readouterr().err.replace(NARROW, " ").splitlines()
    assert [line for line in lines if "power of 80" in line] == [lines[0]], "what all share is told once"
    assert [line for line in lines if "Baseline" in line] == [lines[1]]
    assert lines[1].startswith("random, seed 0: Baseline: validation accuracy 50.0 %")
    scores = [line for line in lines if "Round 1" in line]
    assert [line.split(": ")[0] for line in scores] == ["random, seed 0", "pada, seed 0"]
    counts = [line for line in lines if line.startswith("All runs")]
    assert counts == [
        "All runs, rounds: 1 of 2.",
        "All runs, rounds: 2 of 2.",
        "All runs, test rows: 1 of 2.",
    ]


def test_a_comparison_on_a_terminal() -> None:
    text = io.StringIO()
    several(Watch(2, Console(file=text, force_terminal=True, width=150)))
    shown = text.getvalue()
    assert "pada, seed 0: Round 1: validation accuracy" in shown
    assert "random, seed 0: Writing and checking new rows" in shown
    assert "All runs, test rows" in shown


def test_every_node_of_the_loop_has_a_title() -> None:
    assert list(STAGES) == list(NODES)
    assert set(NODES) > QUIET
