"""Reads and writes the files of one round as types."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from graphs.artifacts import (
    Analysis,
    Clusters,
    Evaluation,
    GateDecision,
    Outcome,
    PatternAccount,
    Purpose,
    UnansweredCall,
    UnlabeledChoice,
)
from graphs.person_rows import PersonRow
from graphs.review import Drafts
from graphs.rows import Batch, NewRow, Pattern, Strategy
from graphs.run_paths import RoundPaths, RunPaths
from trainer.artifacts import read_json, read_model, read_models, write_json, write_jsonl
from trainer.records import Example, Prediction, Score
from trainer.specs import TrainReport

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


def file_key(name: str) -> str:
    """A file name for an id from the user's data, because an id may contain any characters."""
    return hashlib.sha256(name.encode()).hexdigest()[:20]


class Round:
    """The folder of one round. Files that are written once are read once, because thousands of branches need them.

    Args:
        run: the run's folder.
        number: 0 is the student fine-tuned on the given rows alone.
    """

    def __init__(self, run: RunPaths, number: int):
        self.number = number
        self.paths: RoundPaths = run.round(number)
        self._read: dict[Path, Any] = {}

    def artifact(self) -> Path:
        """The adapter (or model) folder that the round's training left; it is beside the report, wherever the run is now."""
        return self.paths.student / Path(read_json(self.paths.train_report)["artifact"]).name

    def train_report(self) -> TrainReport:
        """What the round's training did."""
        return read_model(TrainReport, self.paths.train_report)

    def predictions(self, split: str) -> list[Prediction]:
        """The student's replies, in the order of the rows."""
        return _rows(self.paths.predictions(split), Prediction)

    def scores(self, split: str) -> list[Score]:
        """Scores of the replies; empty before they are scored."""
        return _rows(self.paths.scores(split), Score)

    def write_scores(self, split: str, scores: Sequence[Score]) -> None:
        write_jsonl(self.paths.scores(split), scores)

    def evaluation(self) -> Evaluation:
        return read_model(Evaluation, self.paths.evaluation)

    def write_evaluation(self, evaluation: Evaluation, failures: Iterable[str]) -> None:
        """Write the student's score and the ids of the failures that the next round analyses."""
        write_json(self.paths.evaluation, evaluation)
        write_json(self.paths.failures, list(failures))

    def failures_to_analyze(self) -> list[str]:
        """Ids of this student's validation failures that the next round analyses."""
        ids: list[str] = read_json(self.paths.failures)
        return ids

    @property
    def judged(self) -> bool:
        """Whether the gate has decided on this round's student."""
        return self.paths.gate.exists()

    def gate(self) -> GateDecision:
        return read_model(GateDecision, self.paths.gate)

    def write_gate(self, decision: GateDecision) -> None:
        write_json(self.paths.gate, decision)

    def accounts(self) -> dict[str, PatternAccount]:
        """Pattern id -> how its failures fared; empty before the round's student was judged."""
        if not self.paths.accounts.exists():
            return {}
        return {name: PatternAccount(**row) for name, row in read_json(self.paths.accounts).items()}

    def write_accounts(self, accounts: dict[str, PatternAccount]) -> None:
        write_json(self.paths.accounts, {name: account.model_dump() for name, account in accounts.items()})

    def analysis(self, failure: str) -> Analysis:
        """The analysis of one failure, by the id of its row."""
        return read_model(Analysis, self.paths.analyses / f"{file_key(failure)}.json")

    def write_analysis(self, analysis: Analysis) -> None:
        write_json(self.paths.analyses / f"{file_key(analysis.id)}.json", analysis)

    def analyses(self, failures: Iterable[str]) -> list[Analysis]:
        """The analyses of these failures, in their order, without those that the teacher could not answer."""
        missing = {call.subject for call in self.unanswered() if call.purpose == "analysis"}
        return [self.analysis(failure) for failure in failures if failure not in missing]

    def unanswered(self) -> list[UnansweredCall]:
        """The calls that the teacher could not answer, by purpose and subject."""
        calls = [read_model(UnansweredCall, path) for path in self.paths.unanswered.glob("*.json")]
        return sorted(calls, key=lambda call: (call.purpose, call.subject))

    def note_unanswered(self, call: UnansweredCall) -> None:
        write_json(self._note(call.purpose, call.subject), call)

    def forget_unanswered(self, purpose: Purpose, subject: str) -> None:
        """The call was answered after all, at a later start of the run."""
        self._note(purpose, subject).unlink(missing_ok=True)

    def _note(self, purpose: Purpose, subject: str) -> Path:
        return self.paths.unanswered / f"{file_key(f'{purpose} {subject}')}.json"

    def clusters(self) -> Clusters | None:
        """How the analyses were clustered; None for a round without patterns."""
        return read_model(Clusters, self.paths.clusters) if self.paths.clusters.exists() else None

    def write_patterns(self, patterns: Sequence[Pattern], clusters: Clusters) -> None:
        write_json(self.paths.clusters, clusters)
        self._write_rows(self.paths.patterns, patterns)

    def patterns(self) -> dict[str, Pattern]:
        """The patterns that guide the round, by id; empty for a round without."""
        path = self.paths.patterns
        if not path.exists():
            return {}
        return self._once(path, lambda: {pattern.id: pattern for pattern in _rows(path, Pattern)})

    def strategy(self, pattern: str) -> Strategy:
        """The strategy for a pattern, by the pattern's id."""
        path = self.paths.strategies / f"{pattern}.json"
        return self._once(path, lambda: read_model(Strategy, path))

    def write_strategy(self, strategy: Strategy) -> None:
        path = self.paths.strategies / f"{strategy.pattern}.json"
        self._read.pop(path, None)
        write_json(path, strategy)

    def drafts(self) -> Drafts:
        """The patterns and strategies as the teacher drafted them, before any review."""
        path = self.paths.drafts
        if path.exists():
            drafts = [(Pattern(**row["pattern"]), Strategy(**row["strategy"])) for row in read_json(path)]
        else:
            drafts = [(pattern, self.strategy(pattern.id)) for pattern in self.patterns().values()]
        return {pattern.id: (pattern, strategy) for pattern, strategy in drafts}

    def save_reviewed(self, reviewed: Drafts) -> None:
        """Replace the patterns and strategies by the reviewed ones. The drafts are kept, once."""
        if not self.paths.drafts.exists():
            drafts = [
                {"pattern": pattern.model_dump(), "strategy": strategy.model_dump()}
                for pattern, strategy in self.drafts().values()
            ]
            write_json(self.paths.drafts, drafts)
        for _, strategy in reviewed.values():
            self.write_strategy(strategy)
        self._write_rows(self.paths.patterns, [pattern for pattern, _ in reviewed.values()])

    def batches(self) -> list[Batch]:
        """The batches of the round, in the order of the plan; empty for a round without new rows."""
        path = self.paths.batches
        return self._once(path, lambda: _rows(path, Batch)) if path.exists() else []

    def person_row(self, name: str) -> PersonRow:
        """One of the rows of people that the round takes, by its id."""
        path = self.paths.person_rows
        rows = self._once(path, lambda: {row.id: row for row in _rows(path, PersonRow)})
        return rows[name]

    def write_batches(self, batches: Sequence[Batch]) -> None:
        self._write_rows(self.paths.batches, batches)

    def unlabeled_choice(self) -> UnlabeledChoice | None:
        """How the round chose among unlabelled rows; None if it looked at none."""
        path = self.paths.unlabeled_choice
        return read_model(UnlabeledChoice, path) if path.exists() else None

    def batch_rows(self, batch: str) -> list[NewRow]:
        """The rows of one finished batch from all its attempts, by the batch's id."""
        return [NewRow(**row) for row in read_json(self.paths.augmented / f"{batch}.json")]

    def write_batch_rows(self, batch: str, rows: Sequence[dict[str, Any]]) -> None:
        write_json(self.paths.augmented / f"{batch}.json", rows)

    def rows(self) -> list[NewRow]:
        """Every row that was written for the round, with its verdict; empty before the round is closed."""
        return _rows(self.paths.rows, NewRow)

    def close(self, rows: Sequence[NewRow]) -> int:
        """Write the rows with their verdicts, and the accepted ones for the trainer. Returns the number of accepted rows."""
        accepted = [row for row in rows if row.verdict == "accepted"]
        write_jsonl(self.paths.rows, rows)
        write_jsonl(self.paths.accepted, [row.training_row() for row in accepted])
        return len(accepted)

    def accepted(self) -> list[Example]:
        """The rows accepted in this round."""
        return _rows(self.paths.accepted, Example)

    def _once(self, path: Path, read: Callable[[], T]) -> T:
        if path not in self._read:
            self._read[path] = read()
        value: T = self._read[path]
        return value

    def _write_rows(self, path: Path, rows: Sequence[BaseModel]) -> None:
        self._read.pop(path, None)
        write_jsonl(path, rows)


def judged_rounds(run: RunPaths) -> list[Round]:
    """The rounds whose student the gate has judged, in order."""
    begun = (Round(run, round_number) for round_number in run.begun_rounds())
    return [each for each in begun if each.judged]


def loop_has_ended(run: RunPaths) -> bool:
    """Whether a gate has stopped the loop: no round follows."""
    return any(each.gate().stopped for each in judged_rounds(run))


def failure_outcomes(before: Round, after: Round) -> dict[str, Outcome]:
    """Validation row id -> its outcome from one round's student to the next. It only means something for failures."""
    values = {score.id: score.value for score in before.scores("validation")}
    return {
        score.id: "fixed" if score.correct else "regressed" if score.value < values[score.id] else "unmoved"
        for score in after.scores("validation")
    }


def _rows(path: Path, kind: type[Model]) -> list[Model]:
    """The rows of a file; empty if the file does not exist."""
    return read_models(kind, path) if path.exists() else []
