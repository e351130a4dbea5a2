"""Estimates the teacher calls, cost and time of a comparison. It makes no teacher calls."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import BaseModel

from app.compare.probe import Throughput, baseline, probe
from app.compare.questions import Data, Failures, Question, drafting, evaluating, expected_brief, questions
from app.compare.runs import Job, Runs
from app.compare.spec import VANILLA
from app.config.named_models import refuse_missing_models
from app.config.run_config import RunConfig
from app.settings import Settings
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.artifacts import MinimalDetectableEffect
from graphs.nodes.choose_unlabeled import LOOKED_AT
from graphs.ports import Student
from graphs.run_paths import RunPaths
from graphs.teacher.prices import PriceBook
from trainer.artifacts import read_models
from trainer.records import Example
from trainer.tasks import load_task

SECONDS_PER_CALL = 5.0
"""A guess, because no call has been made yet."""


class Planned(BaseModel):
    """The estimate for one method, over all seeds."""

    method: str
    rows: int
    """New rows."""
    calls: int
    """If every batch passes at the first attempt."""
    most_calls: int
    """If every batch needs `loop.max_attempts` attempts."""
    tokens: int
    """Tokens of the prompts and answers of `calls`."""
    usd: float | None
    """None if a model's price is not known."""
    seconds: float
    """Training, prediction and teacher calls, if the runs go one after another; without the trainings where
    `Plan.speed_known` is false."""


class Plan(BaseModel):
    """The estimate for a whole comparison."""

    methods: list[Planned]
    failures: int
    """Validation failures in a round, as assumed for the estimate."""
    baseline_known: bool
    """Whether `failures` are those of the baseline. Before there is one, all validation rows are assumed."""
    speed_known: bool
    """Whether it is known how fast the student trains."""
    devices: int
    """Number of runs at a time."""
    runs: int
    trainings: int
    """Students that are trained, for all runs together."""
    test_rows: int
    shows: MinimalDetectableEffect
    """The smallest true difference of two methods that the test rows show with one seed."""


async def make_plan(runs: Runs, student: Student | None = None) -> Plan:
    """The plan of a comparison. It writes the rows into the folder, as the comparison does.

    Raises:
        ConfigError, DataError, TrainerError: the comparison would fail too.
    """
    if student is None:
        for job in runs.jobs:
            refuse_missing_models(runs.config(job))
    rows = runs.prepare()
    known = baseline(runs)
    throughput, failures = known or (await probe(runs, student), None)
    return estimate_plan(runs, rows, throughput, failures)


def estimate_plan(
    runs: Runs, rows: dict[str, int], throughput: Throughput | None, failures: Failures | None = None
) -> Plan:
    """The plan of a comparison whose rows are in its folder.

    Args:
        rows: number of rows by split.
        failures: of the baseline; None assumes that the student gets every row wrong.
    """
    expected = failures or Failures(rows["validation"], rows["train"])
    train = read_models(Example, RunPaths(runs.root).data("train"))
    planned: dict[str, list[Planned]] = {}
    for job in runs.jobs:
        trained = trained_seconds(runs, job, rows, throughput) if throughput else 0.0
        planned.setdefault(job[0], []).append(plan_run(job[0], runs.config(job), train, expected, trained))
    return Plan(
        methods=[total(name, seeds) for name, seeds in planned.items()],
        failures=expected.validation,
        baseline_known=failures is not None,
        speed_known=throughput is not None,
        devices=runs.places,
        runs=len(runs.jobs),
        trainings=runs.trainings,
        test_rows=rows["test"],
        shows=minimal_detectable_effect(rows["test"]),
    )


def trained_seconds(runs: Runs, job: Job, rows: dict[str, int], throughput: Throughput) -> float:
    """Training and prediction of a run. The baseline that a seed's runs share counts for `vanilla`."""
    name, seed = job
    if name == VANILLA:
        return baseline_seconds(runs.config(runs.first(seed)), rows, throughput)
    return student_seconds(runs.config(job), rows, throughput)


def plan_run(
    name: str,
    config: RunConfig,
    train: list[Example],
    failures: Failures,
    trained: float = 0.0,
    evaluated: int = 0,
) -> Planned:
    """The estimate for one run.

    Args:
        failures: what each student is expected to get wrong.
        trained: seconds of training and prediction.
        evaluated: rows that the teacher itself is scored on.
    """
    row, brief = typical(train), expected_brief(config, train)
    expected = Failures(failures.validation, min(failures.train, config.loop.max_train_failures))
    a_round = list(questions(config, brief, row, len(train), expected))
    seconds = trained + teacher_seconds(config, a_round)
    once = drafting(config, brief, row) + evaluating(config, brief, row, evaluated)
    return one_run(name, config, once, a_round, seconds)


def one_run(
    method: str, config: RunConfig, once: list[Question], each_round: list[Question], seconds: float
) -> Planned:
    """The estimate for a run that asks some questions once and the others in each of its rounds."""
    rounds, teacher = config.loop.last_round, config.teacher
    asked = [(question, 1) for question in once] + [(question, rounds) for question in each_round]
    book = PriceBook.of(teacher, Settings().prices) if teacher else PriceBook()
    prices = [(question.usd(teacher, book), times) for question, times in asked] if teacher else []
    return Planned(
        method=method,
        rows=rounds * config.loop.synthetic_per_round,
        calls=sum(times for _, times in asked),
        most_calls=sum(times * question.attempts for question, times in asked),
        tokens=sum(times * sum(question.tokens(teacher)) for question, times in asked) if teacher else 0,
        usd=dollars([price if price is None else times * price for price, times in prices]),
        seconds=seconds,
    )


def total(name: str, planned: list[Planned]) -> Planned:
    """The sum of several runs."""
    return Planned(
        method=name,
        rows=sum(run.rows for run in planned),
        calls=sum(run.calls for run in planned),
        most_calls=sum(run.most_calls for run in planned),
        tokens=sum(run.tokens for run in planned),
        usd=dollars([run.usd for run in planned]),
        seconds=math.fsum(run.seconds for run in planned),
    )


def dollars(prices: list[float | None]) -> float | None:
    """The sum of the prices. None if one of them is not known."""
    known = [price for price in prices if price is not None]
    return math.fsum(known) if len(known) == len(prices) else None


def baseline_seconds(config: RunConfig, rows: dict[str, int], throughput: Throughput) -> float:
    """Training and prediction of the baseline that the runs of a seed share, and the test of the untrained student.

    Args:
        config: config of the run that trains it.
        rows: number of rows by split.
    """
    tested = 1 + config.evaluate_untrained
    return round_seconds(config, 0, rows, throughput) + tested * tested_seconds(rows, throughput)


def student_seconds(config: RunConfig, rows: dict[str, int], throughput: Throughput) -> float:
    """Training and prediction in the rounds of a run, and the test of its best student."""
    rounds = (
        round_seconds(config, round_number, rows, throughput)
        for round_number in range(1, config.loop.last_round + 1)
    )
    return math.fsum(rounds) + tested_seconds(rows, throughput)


def round_seconds(
    config: RunConfig, round_number: int, rows: dict[str, int], throughput: Throughput
) -> float:
    loop = config.loop
    steps = config.student.steps_for(rows["train"] + round_number * loop.synthetic_per_round)
    looks = round_number < loop.last_round and "train_error" in loop.origins
    sample = min(loop.max_train_failures, rows["train"]) if looks else 0
    scorable = load_task(config.task).self_contained
    answered = rows["validation"] + sample
    if round_number and loop.chooses_rows(scorable):
        answered += loop.generated_for(loop.synthetic_per_round - loop.unlabeled_per_round, scorable)
    if round_number and loop.method != "random":
        answered += LOOKED_AT * loop.unlabeled_per_round
    return throughput.load + steps * throughput.step + answered * throughput.answer


def tested_seconds(rows: dict[str, int], throughput: Throughput) -> float:
    return throughput.load + rows["test"] * throughput.answer


def teacher_seconds(config: RunConfig, asked: list[Question]) -> float:
    """Teacher calls, with as many in flight as each role may have.

    Args:
        asked: the questions of a round.
    """
    if config.teacher is None:
        return 0.0
    calls = Counter(question.role for question in asked)
    rounds = (
        math.ceil(n / config.teacher.role(role).max_concurrency) * SECONDS_PER_CALL
        for role, n in calls.items()
    )
    return config.loop.last_round * math.fsum(rounds)


def typical(rows: list[Example]) -> Data:
    """Prompt and completion of the row of median length."""
    by_length = sorted(rows, key=lambda row: len(row.prompt) + len(row.completion))
    middle = by_length[len(rows) // 2]
    return {"prompt": middle.prompt, "completion": middle.completion}
