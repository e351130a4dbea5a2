"""Builds the report from the files of a run. It works at any moment of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from app.config.public_config import public_config
from app.config.run_config import RunConfig
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.artifacts import (
    DataReport,
    PatternAccount,
    SealedAccess,
    SealedScores,
    TaskBrief,
    TeacherScores,
    Tuning,
)
from graphs.artifacts import Outcome as FailureOutcome
from graphs.errors import Wait
from graphs.person_rows import waiting
from graphs.report import (
    BrokenExample,
    FailureExample,
    PatternOutcome,
    Report,
    RoundReport,
    RowExample,
    TeacherReport,
    TestResult,
    TrainerSummary,
    UnlabeledRows,
    VersusBest,
)
from graphs.rounds import Round, failure_outcomes, judged_rounds
from graphs.rows import Pattern
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.cost import NOTHING_SPENT
from trainer.artifacts import read_jsonl, read_model, read_models
from trainer.records import Example

Status = Literal["running", "paused", "finished", "failed"]
SHOWN = 3
"""Number of rows, and of failures, that the report shows for a pattern."""


@dataclass(frozen=True)
class Outcome:
    """How one start of a run ended."""

    status: Status
    reason: str
    waiting_for: Wait | None = None


@dataclass(frozen=True)
class ReportedRun:
    """The run that a report is about."""

    paths: RunPaths
    config: RunConfig
    run_id: str
    stand_in: bool = False
    """The teacher is the embedded one."""


def build_report(
    run: ReportedRun, outcome: Outcome, teacher: ChatTeacher | None, seconds: dict[str, float]
) -> Report:
    """Everything that is known of the run. What has not happened yet is empty or None.

    Args:
        teacher: None for a run without one.
        seconds: wall time by stage.
    """
    paths, config = run.paths, run.config
    rounds = [RoundView(paths, judged.number).report() for judged in judged_rounds(paths)]
    best = max((item for item in rounds if item.promoted), key=lambda item: item.round, default=None)
    validation_rows = len(list(read_jsonl(paths.data("validation"))))
    return Report(
        run_id=run.run_id,
        status=outcome.status,
        stopped=outcome.reason,
        waiting_for=outcome.waiting_for,
        method=config.loop.method,
        task=config.task,
        seed=config.seed,
        student=config.student.model,
        accepted=sum(item.accepted for item in rounds),
        rows_waiting=len(waiting(paths)),
        rounds=rounds,
        baseline={"validation": rounds[0].validation} if rounds else {},
        best={"round": best.round, "validation": best.validation} if best else {},
        test=test_result(paths),
        tuning=read_model(Tuning, paths.tuning) if paths.tuning.exists() else None,
        teacher_scores=read_model(TeacherScores, paths.teacher) if paths.teacher.exists() else None,
        minimal_detectable_effect=minimal_detectable_effect(validation_rows),
        cost=teacher.totals() if teacher else NOTHING_SPENT,
        spending=teacher.spending() if teacher else [],
        seconds=seconds,
        data=read_model(DataReport, paths.data_report),
        task_brief=read_model(TaskBrief, paths.task_brief) if paths.task_brief.exists() else None,
        teacher=TeacherReport(**(teacher.describe() if teacher else {}), stand_in=run.stand_in),
        test_access=test_access(paths),
        config=public_config(config),
    )


def test_access(paths: RunPaths) -> list[SealedAccess]:
    """Every time that test rows were read; empty before the first."""
    return read_models(SealedAccess, paths.test_access) if paths.test_access.exists() else []


def test_result(paths: RunPaths) -> TestResult | None:
    """The result on the sealed test rows. None before they are scored."""
    if not paths.test_scores.exists():
        return None
    scores = read_model(SealedScores, paths.test_scores)
    return TestResult(
        **scores.model_dump(include=set(TestResult.model_fields)),
        ci95=(scores.low, scores.high),
        p_method=scores.method,
    )


class RoundView:
    """One judged round, read from its folder."""

    def __init__(self, paths: RunPaths, round_number: int):
        self._paths = paths
        self._round, self._before = Round(paths, round_number), Round(paths, round_number - 1)
        self._gate = self._round.gate()
        self._rows = self._round.rows()
        self._replied: dict[int, dict[str, str]] = {}

    def report(self) -> RoundReport:
        evaluation = self._round.evaluation()
        accepted = [row for row in self._rows if row.verdict == "accepted"]
        trainer = self._trainer()
        return RoundReport(
            round=self._round.number,
            metric=evaluation.metric,
            validation=evaluation.validation,
            ci95=evaluation.ci95,
            promoted=self._gate.promoted,
            reason=self._gate.reason,
            versus_best=self._versus_best(),
            accepted=len(accepted),
            train_rows=trainer.rows,
            patterns=self._patterns(),
            verdicts=dict(Counter(row.verdict for row in self._rows)),
            unlabeled=self._unlabeled(),
            by_people=dict(Counter(row.verdict for row in self._rows if row.origin == "person")),
            unanswered=self._round.unanswered(),
            accepted_by_reviewer=sum(row.overruled is not None for row in accepted),
            broken=self._gate.broken,
            broken_examples=self._broken_examples(),
            fixed=self._gate.fixed,
            detail=evaluation.detail,
            clusters=self._round.clusters(),
            trainer=trainer,
        )

    def _unlabeled(self) -> UnlabeledRows | None:
        choice = self._round.unlabeled_choice()
        if choice is None:
            return None
        verdicts = Counter(row.verdict for row in self._rows if row.origin == "unlabeled")
        return UnlabeledRows(**choice.model_dump(), accepted=verdicts["accepted"])

    def _versus_best(self) -> VersusBest | None:
        comparison = self._gate.versus_best
        if comparison is None:
            return None
        return VersusBest(**comparison.model_dump(include=set(VersusBest.model_fields)))

    def _trainer(self) -> TrainerSummary:
        report = self._round.train_report()
        return TrainerSummary(**report.model_dump(include=set(TrainerSummary.model_fields)))

    def _patterns(self) -> list[PatternOutcome]:
        accounts = self._round.accounts()
        planned: Counter[str | None] = Counter()
        for batch in self._round.batches():
            planned[batch.pattern] += batch.count
        return [
            self._pattern(pattern, accounts[name], planned[name])
            for name, pattern in self._round.patterns().items()
        ]

    def _pattern(self, pattern: Pattern, account: PatternAccount, planned: int) -> PatternOutcome:
        strategy = self._round.strategy(pattern.id)
        own = [row for row in self._rows if row.pattern == pattern.id]
        accepted = [row for row in own if row.verdict == "accepted"]
        return PatternOutcome(
            id=pattern.id,
            name=pattern.name,
            description=pattern.description,
            strategy=strategy.title,
            instructions=strategy.instructions,
            size=len(pattern.failures),
            planned=planned,
            accepted=len(accepted),
            rejected=len(own) - len(accepted),
            failures=pattern.failures,
            examples=[RowExample(prompt=row.prompt, completion=row.completion) for row in accepted[:SHOWN]],
            errors=[self._failure(name) for name in pattern.failures[:SHOWN]],
            **account.model_dump(),
        )

    def _failure(self, name: str) -> FailureExample:
        """A failure with the replies of the student before and of this round's student."""
        return FailureExample(
            **self._replies(name, self._before).model_dump(),
            root_cause=self._round.analysis(name).root_cause,
            outcome=self._outcomes[name],
        )

    def _broken_examples(self) -> list[BrokenExample]:
        """The first rows that the best student before had right and this one has wrong."""
        if self._gate.best_before is None:
            return []
        best = Round(self._paths, self._gate.best_before)
        return [self._replies(name, best) for name in self._gate.broken[:5]]

    def _replies(self, name: str, before: Round) -> BrokenExample:
        """A validation row with the replies of an earlier student and of this round's student."""
        row = self._examples[name]
        return BrokenExample(
            id=name,
            prompt=row.prompt,
            expected=row.completion,
            predicted=self._texts(before)[name],
            after=self._texts(self._round)[name],
        )

    @cached_property
    def _examples(self) -> dict[str, Example]:
        return {row.id: row for row in read_models(Example, self._paths.data("validation"))}

    @cached_property
    def _outcomes(self) -> dict[str, FailureOutcome]:
        return failure_outcomes(self._before, self._round)

    def _texts(self, answered: Round) -> dict[str, str]:
        """Row id -> reply of a round's student on validation. Each round is read once."""
        if answered.number not in self._replied:
            self._replied[answered.number] = {
                reply.id: reply.text for reply in answered.predictions("validation")
            }
        return self._replied[answered.number]
