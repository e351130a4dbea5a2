"""What a run's page draws while the run works: the loop, the students' scores and losses, and the spending."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from app.api.runs import files
from app.api.runs.schemas import RunView, ScoreView
from app.engine.events import TeacherSpend
from graphs.artifacts import Clusters
from graphs.context import LoopSpec
from graphs.rounds import Round
from graphs.rows import Pattern
from graphs.run_paths import RunPaths
from graphs.state import NODES
from graphs.teacher.cost import SpendPoint
from trainer.progress import Progress, read_progress
from trainer.specs import LossPoint

ABOUT_PATTERNS = {"analyze_errors", "find_patterns", "draft_strategies", "review"}
ABOUT_ROWS = {"allocate", "augment", "accept", "review_rows"}


class StudentScore(ScoreView):
    """A student's validation score, and how many rows it was trained on."""

    train_rows: int


class PatternMap(BaseModel):
    """The analysed failures of a round on a plane, with the patterns they belong to."""

    round: int
    patterns: list[Pattern]
    clusters: Clusters | None


def nodes_of(loop: LoopSpec) -> list[str]:
    """The nodes of the loop that a run with these settings reaches, in order."""
    left_out: set[str] = set()
    if "pattern" not in loop.origins:
        left_out |= ABOUT_PATTERNS
    if not loop.origins:
        left_out |= ABOUT_ROWS
    if not loop.asks_about("patterns"):
        left_out.add("review")
    if not loop.asks_about("rows"):
        left_out.add("review_rows")
    return [node for node in NODES if node not in left_out]


def run_charts(paths: RunPaths, run: RunView, spent: Sequence[TeacherSpend]) -> dict[str, Any]:
    """Name -> Vega-Lite specification of the scores, the losses and the spending, as far as there are any."""
    from app.report import charts  # Altair takes a moment, and only pages with charts need it

    began = run.started or run.created
    scored = [
        StudentScore(**score.model_dump(), train_rows=rows_of(Round(paths, score.round)))
        for score in run.scores
    ]
    return charts.specs(
        {
            "scores": charts.scores(scored),
            "loss": charts.loss({number: losses(Round(paths, number)) for number in files.rounds(paths)}),
            "spending": charts.spending(
                [
                    SpendPoint(
                        seconds=event.time - began, usd=event.usd, tokens=event.tokens, calls=event.calls
                    )
                    for event in spent
                ]
            ),
        }
    )


def pattern_charts(paths: RunPaths) -> dict[str, Any]:
    """Name -> Vega-Lite specification of the map of the analysed failures, if there is one."""
    from app.report import charts

    rounds = [Round(paths, number) for number in files.rounds(paths)]
    maps = [
        PatternMap(round=here.number, patterns=list(here.patterns().values()), clusters=here.clusters())
        for here in rounds
    ]
    return charts.specs({"clusters": charts.clusters(maps)})


def rows_of(here: Round) -> int:
    """How many rows a round's student was trained on; 0 where its report is gone, as in a folder copied in part."""
    return here.train_report().rows if (here.paths.student / "report.json").exists() else 0


def losses(here: Round) -> list[LossPoint]:
    """The loss curve of a round's student, also while it is trained."""
    return [
        LossPoint(step=line.step, loss=line.loss, learning_rate=line.learning_rate or 0.0)
        for line in read_progress(here.paths.progress)
        if line.stage == "train" and line.loss is not None
    ]


def last_step(here: Round) -> Progress | None:
    """The newest step of a round's student that is being trained."""
    last = next(iter(deque(read_progress(here.paths.progress), maxlen=1)), None)
    return last if last and last.stage == "train" and last.loss is not None else None
