"""Finds the learning rate and the steps with which the baseline does best on validation; all rounds then train alike.

Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): all learning rates get a short training, the better ones a
longer one, the best the longest. It belongs to `fine_tune` of the baseline.
"""

from __future__ import annotations

import shutil
import time

from graphs.artifacts import Trial, Tuning
from graphs.context import Context
from graphs.workspace import Workspace
from trainer.artifacts import read_model, read_models, write_json
from trainer.records import Prediction
from trainer.specs import PredictFile, StudentSpec, TrainSpec

RATES = (1.0, 3.0, 10.0)
"""Learning rates that are tried, as multiples of the configured one."""
RUNGS = ((3, 1), (2, 2), (1, 4))
"""How many learning rates get a training, and its length as a multiple of the configured one."""


async def tuned_student(round_number: int, context: Context, workspace: Workspace) -> StudentSpec:
    """The student as every round trains it.

    Only the baseline looks for the settings; what it found is kept in `tuning.json`, and all later rounds are bound to it. A run
    without that file, such as one that an earlier version began, trains as its config says.
    """
    if round_number == 0 and context.student.tune == "auto":
        await tune(context, workspace)
    tuning = read_tuning(workspace)
    if tuning is None or tuning.chosen is None:
        return context.student
    chosen = {"learning_rate": tuning.chosen.learning_rate, "steps": tuning.chosen.steps}
    return context.student.model_copy(update=chosen)


def read_tuning(workspace: Workspace) -> Tuning | None:
    """What was tried so far; None before the first trial has ended."""
    path = workspace.paths.tuning
    return read_model(Tuning, path) if path.exists() else None


async def tune(context: Context, workspace: Workspace) -> None:
    """Try settings until the last rung or the time's end. A trial that has ended is not done again in a later start."""
    student = context.student
    tuning = read_tuning(workspace) or Tuning(trials=[])
    if tuning.chosen:
        return
    length = student.steps_for(len(workspace.examples("train")))
    rates = [student.learning_rate * factor for factor in RATES]
    for count, times in RUNGS:
        rates = best_rates(tuning.trials, rates)[:count]
        for rate in rates:
            if find(tuning.trials, rate, length * times):
                continue
            if tuning.trials and expected_seconds(tuning.trials, length * times) > 60 * student.tune_minutes:
                tuning.ended_early = True
                break
            tuning.trials.append(await run_trial(rate, length * times, context, workspace))
            write_json(workspace.paths.tuning, tuning)
            # not before the score is on file: a half-deleted training that looks ended could not be scored again
            shutil.rmtree(workspace.paths.trial(rate, length * times))
        if tuning.ended_early:
            break
    tuning.chosen = max(
        tuning.trials, key=lambda trial: (trial.validation, -trial.steps, -trial.learning_rate)
    )
    write_json(workspace.paths.tuning, tuning)


def best_rates(trials: list[Trial], rates: list[float]) -> list[float]:
    """The learning rates by their best trial, the best first; untried ones keep their order, at the end."""
    scores = {
        rate: max((t.validation for t in trials if t.learning_rate == rate), default=-1.0) for rate in rates
    }
    return sorted(rates, key=lambda rate: -scores[rate])


def find(trials: list[Trial], rate: float, steps: int) -> Trial | None:
    return next((trial for trial in trials if (trial.learning_rate, trial.steps) == (rate, steps)), None)


def expected_seconds(trials: list[Trial], steps: int) -> float:
    """Seconds of all trials so far and one more, if each of its steps takes as long as theirs on average."""
    spent = sum(trial.seconds for trial in trials)
    return spent + steps * spent / sum(trial.steps for trial in trials)


async def run_trial(rate: float, steps: int, context: Context, workspace: Workspace) -> Trial:
    """Train on the given rows, and score the answers to validation."""
    folder = workspace.paths.trial(rate, steps)
    answers = folder / "validation.jsonl"
    student = context.student.model_copy(update={"learning_rate": rate, "steps": steps})
    began = time.monotonic()
    await workspace.student.fine_tune(
        TrainSpec(
            task=context.task,
            student=student,
            train=[workspace.paths.data("train")],
            output=folder,
            seed=context.seed,
            predict=[PredictFile(name="validation", rows=workspace.paths.data("validation"), output=answers)],
        )
    )
    seconds = time.monotonic() - began
    predictions = read_models(Prediction, answers)
    scores = await workspace.score(predictions, workspace.examples("validation"))
    score = sum(score.value for score in scores) / len(scores)
    return Trial(learning_rate=rate, steps=steps, validation=score, seconds=seconds)
