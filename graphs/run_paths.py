"""The file names of a run. Every file that a run writes is named here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RoundPaths:
    """The folder of one round. Round 0 is the student fine-tuned on the given rows alone."""

    root: Path

    @property
    def analyses(self) -> Path:
        return self.root / "analyses"

    @property
    def unanswered(self) -> Path:
        """Calls that the teacher could not answer."""
        return self.root / "unanswered"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters.json"

    @property
    def patterns(self) -> Path:
        return self.root / "patterns.jsonl"

    @property
    def strategies(self) -> Path:
        return self.root / "strategies"

    @property
    def drafts(self) -> Path:
        """Patterns and strategies as the teacher drafted them. It exists only after a review."""
        return self.root / "drafts.json"

    @property
    def batches(self) -> Path:
        return self.root / "batches.jsonl"

    @property
    def person_rows(self) -> Path:
        """The rows of people that the round takes."""
        return self.root / "person_rows.jsonl"

    @property
    def augmented(self) -> Path:
        return self.root / "augmented"

    @property
    def selection(self) -> Path:
        """The new rows with the student's answers, by which `loop.oversample` chooses among them."""
        return self.root / "selection"

    @property
    def unlabeled(self) -> Path:
        """The unlabelled rows that the round looked at, with the student's answers."""
        return self.root / "unlabeled"

    @property
    def unlabeled_choice(self) -> Path:
        """How the round chose among them, in numbers."""
        return self.unlabeled / "choice.json"

    @property
    def rows(self) -> Path:
        """Every row that was written for the round, with its verdict."""
        return self.root / "rows.jsonl"

    @property
    def accepted(self) -> Path:
        return self.root / "accepted.jsonl"

    @property
    def train_sample(self) -> Path:
        """The train rows that the student predicts, for training failures."""
        return self.root / "train_sample.jsonl"

    @property
    def student(self) -> Path:
        return self.root / "student"

    @property
    def train_report(self) -> Path:
        """Written last: if it is there, the student is trained."""
        return self.student / "report.json"

    @property
    def progress(self) -> Path:
        """What the trainer says while it trains the student."""
        return self.student / "progress.jsonl"

    def predictions(self, split: str) -> Path:
        return self.root / "predictions" / f"{split}.jsonl"

    def scores(self, split: str) -> Path:
        return self.root / "scores" / f"{split}.jsonl"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def failures(self) -> Path:
        """Ids of the validation failures that the next round analyses."""
        return self.root / "failures.json"

    @property
    def gate(self) -> Path:
        return self.root / "gate.json"

    @property
    def accounts(self) -> Path:
        return self.root / "accounts.json"


@dataclass(frozen=True)
class RunPaths:
    """The folder of one run."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def source(self) -> Path:
        """Rows that no file of the user holds, as they came: those of the hub, or of the demo."""
        return self.root / "source"

    def data(self, split: str) -> Path:
        """The rows that the run uses, checked and limited, in the project's row format."""
        return self.root / "data" / f"{split}.jsonl"

    @property
    def data_report(self) -> Path:
        return self.root / "data" / "report.json"

    @property
    def task_brief(self) -> Path:
        """What teachers are told of the task."""
        return self.root / "task.json"

    @property
    def teacher(self) -> Path:
        """What the teacher itself scores."""
        return self.root / "teacher.json"

    @property
    def tuning(self) -> Path:
        """The learning rates and steps that were tried, and those that were chosen."""
        return self.root / "tuning.json"

    def trial(self, learning_rate: float, steps: int) -> Path:
        """The folder of a training that tries settings, until it has ended."""
        return self.root / "tuning" / f"{learning_rate:g}-{steps}"

    @property
    def person_rows(self) -> Path:
        """The rows that people added, a file each."""
        return self.root / "person_rows"

    def person_row(self, name: str) -> Path:
        """The file of one of them, by its id."""
        return self.person_rows / f"{name}.json"

    def round(self, round_number: int) -> RoundPaths:
        return RoundPaths(self.root / "rounds" / str(round_number))

    def begun_rounds(self) -> list[int]:
        """The numbers of the rounds that have begun, in order."""
        return sorted(int(folder.name) for folder in self.root.glob("rounds/*") if folder.name.isdigit())

    @property
    def final(self) -> Path:
        """Predictions and scores on the sealed test rows. Only the last node writes them."""
        return self.root / "final"

    def test_predictions(self, student: str) -> Path:
        """Replies to the test rows, by `untrained`, `baseline` or `best`."""
        return self.final / student / "predictions.jsonl"

    def test_row_scores(self, student: str) -> Path:
        """Scores of these replies."""
        return self.final / student / "scores.jsonl"

    @property
    def test_scores(self) -> Path:
        """The result on the test rows."""
        return self.final / "test.json"

    @property
    def test_access(self) -> Path:
        """One line for each time that test rows were read."""
        return self.root / "test_access.jsonl"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints.sqlite"

    @property
    def tracking(self) -> Path:
        """What experiment trackers keep of the run here, and how far they are."""
        return self.root / "tracking"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's files; it calls a run by the path of their folder."""
        return self.root / "tensorboard"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def html(self) -> Path:
        return self.root / "report.html"
