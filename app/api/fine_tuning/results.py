"""What a job has left: its results as a file, its checkpoints, and the tokens that it was trained on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.fine_tuning.files import PREFIX, bare
from app.api.fine_tuning.schemas import RESULTS, Checkpoint, CheckpointMetrics, FileObject
from app.api.serving.students import student_name
from app.db import runs as run_repository
from app.db.models import Run
from app.engine.events import RoundScore
from app.settings import Settings
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.specs import TrainReport

COLUMNS = ("round", "step", "train_loss", "learning_rate")


async def job_of(session: AsyncSession, file: str, owner: str | None) -> Run | None:
    """The job whose results a file is; None for any other file."""
    run = await run_repository.get_by_id(session, bare(file, PREFIX), owner)
    return run if run and run.job is not None and run.status == "finished" else None


async def csv_of(run: Run, settings: Settings) -> bytes:
    """The loss curves of a job's students, round by round."""

    def write() -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, report in _trained(settings, run):
            writer.writerows((number, point.step, point.loss, point.learning_rate) for point in report.loss)
        return text.getvalue().encode()

    return await run_in_threadpool(write)


async def file_of(run: Run, settings: Settings) -> FileObject:
    """The results of a job as a file."""
    return FileObject(
        id=f"{PREFIX}{run.id}",
        bytes=len(await csv_of(run, settings)),
        created_at=int(run.ended or run.created),
        filename="step_metrics.csv",
        purpose=RESULTS,
    )


async def trained_tokens(run: Run, settings: Settings) -> int:
    """Tokens of answers that the students of a job were trained on."""
    return await run_in_threadpool(
        lambda: sum(report.completion_tokens for _, report in _trained(settings, run))
    )


async def checkpoints(run: Run, scores: Sequence[RoundScore], settings: Settings) -> list[Checkpoint]:
    """The students that were trained and scored, the newest first."""
    reports = dict(await run_in_threadpool(lambda: _trained(settings, run)))
    scored = {score.round: score for score in scores if score.round in reports}  # the last of each round
    return [_checkpoint(run, scored[number], reports[number]) for number in sorted(scored, reverse=True)]


def _checkpoint(run: Run, score: RoundScore, report: TrainReport) -> Checkpoint:
    metrics = CheckpointMetrics(
        step=report.steps,
        train_loss=report.loss[-1].loss if report.loss else None,
        validation=score.validation,
        validation_metric=score.metric,
    )
    return Checkpoint(
        id=f"ftckpt-{run.id}-{score.round}",
        created_at=int(score.time),
        fine_tuned_model_checkpoint=student_name(run.id, score.round),
        fine_tuning_job_id=f"ftjob-{run.id}",
        step_number=report.steps,
        metrics=metrics,
    )


def _trained(settings: Settings, run: Run) -> list[tuple[int, TrainReport]]:
    """Round -> what its training did, for the rounds whose training has ended."""
    paths = RunPaths(settings.runs / run.id)
    found = [Round(paths, number) for number in paths.begun_rounds()]
    return [(here.number, here.train_report()) for here in found if here.paths.train_report.exists()]
