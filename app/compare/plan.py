"""What a comparison will ask its teachers, cost and take, told before it is started. Nothing is asked for here."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import BaseModel

from app.compare.probe import Throughput, baseline, probe
from app.compare.questions import Data, Failures, Question, questions
from app.compare.runs import Runs
from app.compare.spec import VANILLA
from app.config.run_config import RunConfig
from graphs.ports import Student
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl
from trainer.tasks import load_task

SECONDS_PER_CALL = 5.0
"""A guess: how long a call takes is known when the first are answered."""


class Planned(BaseModel):
    """One method, all seeds together."""

    method: str
    rows: int
    """New rows."""
    calls: int
    """If every batch passes at once."""
    most_calls: int
    """If every batch is asked for `loop.max_attempts` times."""
    tokens: int
    """Prompts and answers of `calls`."""
    usd: float | None
    """None where a model's price is not known."""
    seconds: float
    """Training, answering and asking, one run after the other."""


class Plan(BaseModel):
    """The whole comparison."""

    methods: list[Planned]
    failures: int
    """Validation errors that are reckoned with in a round."""
    baseline_known: bool
    """They are those of the baseline; before there is one, all rows, which is the most there can be."""
    devices: int
    """Runs at a time."""


async def make_plan(runs: Runs, student: Student | None = None) -> Plan:
    """The plan of a comparison. The rows are written into its folder, as the comparison would do.

    Raises:
        DataError, TrainerError: the comparison could not be done either.
    """
    rows = runs.prepare()
    known = baseline(runs)
    throughput, failures = known or (await probe(runs, student), Failures(rows["validation"], rows["train"]))
    row = typical(list(read_jsonl(RunPaths(runs.root).data("train"))))
    planned: dict[str, list[Planned]] = {}
    for job in runs.jobs:
        name, seed = job
        config = runs.config(job)
        sampled = min(failures.train, config.loop.max_train_failures)
        asked = list(questions(config, row, rows["train"], Failures(failures.validation, sampled)))
        seconds = teacher_seconds(config, asked) + (
            baseline_seconds(runs.config(runs.first(seed)), rows, throughput)
            if name == VANILLA
            else student_seconds(config, rows, throughput)
        )
        planned.setdefault(name, []).append(one_run(name, config, asked, seconds))
    return Plan(
        methods=[total(name, seeds) for name, seeds in planned.items()],
        failures=failures.validation,
        baseline_known=known is not None,
        devices=runs.places,
    )


def one_run(method: str, config: RunConfig, asked: list[Question], seconds: float) -> Planned:
    """A run that asks these questions in each of its rounds."""
    rounds, teacher = config.loop.last_round, config.teacher
    tokens = sum(sum(one.tokens(teacher)) for one in asked) if teacher else 0
    prices = [one.usd(teacher) for one in asked] if teacher else []
    return Planned(
        method=method,
        rows=rounds * config.loop.synthetic_per_round,
        calls=rounds * len(asked),
        most_calls=rounds * sum(one.attempts for one in asked),
        tokens=rounds * tokens,
        usd=dollars(prices, rounds),
        seconds=seconds,
    )


def total(name: str, planned: list[Planned]) -> Planned:
    """Several runs as one line."""
    return Planned(
        method=name,
        rows=sum(one.rows for one in planned),
        calls=sum(one.calls for one in planned),
        most_calls=sum(one.most_calls for one in planned),
        tokens=sum(one.tokens for one in planned),
        usd=dollars([one.usd for one in planned]),
        seconds=math.fsum(one.seconds for one in planned),
    )


def dollars(prices: list[float | None], times: int = 1) -> float | None:
    """Their sum; not known if one of them is not."""
    known = [price for price in prices if price is not None]
    return times * math.fsum(known) if len(known) == len(prices) else None


def baseline_seconds(config: RunConfig, rows: dict[str, int], throughput: Throughput) -> float:
    """Training and answering of the baseline that a seed's runs share.

    Args:
        config: of the run that trains it.
        rows: of each split.
    """
    return round_seconds(config, 0, rows, throughput) + tested_seconds(rows, throughput)


def student_seconds(config: RunConfig, rows: dict[str, int], throughput: Throughput) -> float:
    """Training and answering in the rounds of a run, and the test of its best student."""
    rounds = (
        round_seconds(config, number, rows, throughput) for number in range(1, config.loop.last_round + 1)
    )
    return math.fsum(rounds) + tested_seconds(rows, throughput)


def round_seconds(config: RunConfig, number: int, rows: dict[str, int], throughput: Throughput) -> float:
    loop = config.loop
    steps = config.student.steps_for(rows["train"] + number * loop.synthetic_per_round)
    looks = number < loop.last_round and "train_error" in loop.origins
    sample = min(loop.max_train_failures, rows["train"]) if looks else 0
    asked = loop.asked_per_round(load_task(config.task).self_contained)
    chosen_among = asked if asked > loop.synthetic_per_round else 0
    answered = rows["validation"] + sample + chosen_among
    return throughput.load + steps * throughput.step + answered * throughput.answer


def tested_seconds(rows: dict[str, int], throughput: Throughput) -> float:
    return throughput.load + rows["test"] * throughput.answer


def teacher_seconds(config: RunConfig, asked: list[Question]) -> float:
    """Asking, with as many calls in flight as each role may have."""
    if config.teacher is None:
        return 0.0
    calls = Counter(one.role for one in asked)
    rounds = (
        math.ceil(n / config.teacher.role(role).max_concurrency) * SECONDS_PER_CALL
        for role, n in calls.items()
    )
    return config.loop.last_round * math.fsum(rounds)


def typical(rows: list[Data]) -> Data:
    """Prompt and completion of the row of median length."""
    by_length = sorted(rows, key=lambda row: len(row["prompt"]) + len(row["completion"]))
    middle = by_length[len(rows) // 2]
    return {"prompt": middle["prompt"], "completion": middle["completion"]}
