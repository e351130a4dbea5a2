"""The files of a run as types: what one part writes, and a node, the report or the service reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from graphs.schemas import ErrorAnalysis

Conclusion = Literal["improved", "no difference shown", "worse"]


class TaskBrief(BaseModel):
    """`task.json`: what teachers are told of the task, the same in every call of a run."""

    name: str
    description: str | None
    """None where the config gives none and no teacher could draft one."""
    drafted: bool
    """Whether a teacher wrote the description, from training rows."""
    answers: dict[str, Any]
    """See `graphs.task_brief.known_answers`."""
    prompt_form: dict[str, str] = {}
    """What all prompts share: `system`, `before` and `after`, those that there are (`graphs.checks.prompt_form`)."""

    def for_teacher(self) -> dict[str, Any]:
        """The brief as it stands in a request."""
        form = {"prompt_form": self.prompt_form} if self.prompt_form else {}
        return self.model_dump(include={"name", "description", "answers"}) | form


class Comparison(BaseModel):
    """One student against another on the same rows (`graphs.analysis.statistics.PairedComparison`)."""

    difference: float
    low: float
    high: float
    p_value: float
    method: Literal["mcnemar", "paired bootstrap"]
    fixed: int
    broken: int


class Trial(BaseModel):
    """One training of the baseline with other settings."""

    learning_rate: float
    steps: int
    validation: float
    """Score on the validation rows, 0 to 1."""
    seconds: float


class Tuning(BaseModel):
    """`tuning.json`: how the settings were found with which all students of the run are trained."""

    trials: list[Trial]
    chosen: Trial | None = None
    """The best on validation, of equals the shortest. None while trials go on."""
    ended_early: bool = False
    """Whether `student.tune_minutes` ended it."""


class Evaluation(BaseModel):
    """`evaluation.json`: the round's student on the validation rows."""

    metric: str
    n: int
    """Validation rows."""
    validation: float
    """Mean of the metric, 0 to 1."""
    ci95: tuple[float, float]
    failures: int
    """Rows that the student gets wrong."""
    detail: dict[str, Any]
    """The task's own summary, such as the confusion or F1 by field."""


class Analysis(ErrorAnalysis):
    """`analyses/*.json`: the analyst's explanation of one failure."""

    id: str
    """The validation row."""

    def for_teacher(self) -> dict[str, str]:
        """The analysis as a teacher sees it, without the row."""
        return self.model_dump(include={"root_cause", "scenario"})

    @property
    def text(self) -> str:
        """The text that is embedded for clustering."""
        return f"{self.root_cause} {self.scenario}"


Purpose = Literal["analysis", "pattern", "strategy", "batch", "answers", "judgement", "blind answers"]
"""What a call of a round is for."""


class UnansweredCall(BaseModel):
    """`unanswered/*.json`: a call that the teacher could not answer, and without which the round went on."""

    purpose: Purpose
    subject: str
    """Id of the row, pattern or batch, with the attempt."""
    reason: str


class ClusterPoint(BaseModel):
    """One analysis on the map of failures."""

    id: str
    x: float
    y: float
    """`x` and `y` are the coordinates on the first two principal axes of the embeddings."""
    cluster: int
    root_cause: str


class Clusters(BaseModel):
    """`clusters.json`: how the analyses were clustered."""

    k: int
    inertia: dict[int, float]
    """Number of clusters -> inertia. The elbow of this curve chose k."""
    silhouette: float | None
    sizes: list[int]
    points: list[ClusterPoint]


class GateDecision(BaseModel):
    """`gate.json`: whether the round's student was promoted, and whether the loop goes on."""

    promoted: bool
    reason: str
    """One sentence."""
    best_before: int | None = None
    """Round of the best student before; None for the baseline."""
    versus_best: Comparison | None = None
    broken: list[str] = []
    """Validation rows that the best student before has right and this one has wrong."""
    fixed: list[str] = []
    """Validation rows that the best student before has wrong and this one has right."""
    stopped: str = ""
    """Why the loop ends here. Empty if it goes on."""


class PatternAccount(BaseModel):
    """`accounts.json`, by pattern id: how its failures fared with the student trained on its rows."""

    fixed: int
    unmoved: int
    regressed: int
    matched: str | None
    """The pattern of the round before that it continues."""

    @property
    def kept(self) -> int:
        """Failures that are still wrong."""
        return self.unmoved + self.regressed


Outcome = Literal["fixed", "unmoved", "regressed"]
"""The outcome of a failure: right now; wrong, and the score no lower; wrong, and the score lower."""


class SealedScores(Comparison):
    """`final/test.json`: the baseline and the best student on the sealed test rows."""

    metric: str
    n: int
    """Test rows."""
    untrained: float | None = None
    """Score of the student before any fine-tuning; None where it was not asked for."""
    baseline: float
    best: float
    verdict: Conclusion
    best_round: int
    detail: dict[str, Any]


class UnlabeledChoice(BaseModel):
    """`unlabeled/choice.json`: how a round chose among the unlabelled rows, in numbers of rows."""

    left: int
    """Not used in a round before."""
    looked_at: int
    """Of these, a seeded sample that the student answered."""
    refused: int
    """Of these, too close to a validation, test or train row, or to a row that was accepted before."""
    chosen: int
    """For the teacher to answer."""


class TeacherScore(BaseModel):
    """What the teacher scores on one split, asked as for the answers of unlabelled rows."""

    n: int
    """Rows."""
    score: float
    """Mean of the metric, 0 to 1."""
    ci95: tuple[float, float]
    unanswered: int
    """Rows that it did not answer; they count as wrong."""


class TeacherScores(BaseModel):
    """`teacher.json`: what the teacher itself scores, a ceiling for a student that learns from its answers."""

    metric: str
    validation: TeacherScore
    test: TeacherScore | None = None
    """None unless `evaluate_teacher: test` asks for it."""
    calls: int
    """The teacher's calls in this run until then, with that for a description of the task."""
    tokens: int
    usd: float


class MinimalDetectableEffect(BaseModel):
    """The smallest true difference between two students that a number of rows can show."""

    value: float
    """A fraction of 1."""
    n: int
    """Rows."""
    power: float
    """Probability that the difference is shown if it is there."""
    assumption: str
    """One sentence."""


class InputFile(BaseModel):
    """A file of rows from the user."""

    name: str
    sha256: str
    """Hexadecimal."""


class DataInputs(BaseModel):
    """Everything that the rows of a run depend on: the same inputs give the same rows."""

    task: str
    seed: int
    limit: dict[str, int]
    """The limits that are set, by the name of their key in `data.limit`."""
    files: dict[str, InputFile]
    """By split."""


class UnlabeledReport(BaseModel):
    """What became of the rows of `data.unlabeled`."""

    rows_in_file: int
    rows: int
    """Those that rounds may choose from."""
    refused: dict[str, int]
    """Rows whose prompt is that of another row: by the split that has it, or `unlabeled` for repeats."""


class DataReport(BaseModel):
    """`data/report.json`: the rows of the run, and where they came from."""

    rows: dict[str, int]
    """Number of rows by split."""
    rows_in_files: dict[str, int]
    """The same before the limits."""
    inputs: DataInputs
    test_rows: str
    """What the checks read test rows for, in one sentence."""
    unlabeled: UnlabeledReport | None = None
    """None without `data.unlabeled`."""


class SealedAccess(BaseModel):
    """One line of `test_access.jsonl`: test rows were read."""

    time: float
    """Seconds since the epoch."""
    process: int
    """Process id."""
    reason: str
