"""The base class of tasks: how rows are loaded, rendered and scored. Each task has its own file.

To write a task, subclass `Task`, set `name` and `metric`, implement `score`, and override what differs. In a config,
`module:object` names your own subclass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from trainer.records import Example, Prediction, Score


class Rendered(BaseModel):
    """One example as the student sees it."""

    prompt: str
    completion: str
    choices: list[str] | None = None
    """If set, the reply is the choice with the highest likelihood. Nothing is generated."""


class AnswerFacts(BaseModel):
    """What a task itself knows of right answers. A teacher that writes, judges or answers rows is told."""

    judged: str
    """How the metric judges a reply, in a sentence or two."""
    form: str
    """The form of a right answer."""
    labels: dict[str, int] = {}
    """Every label that an answer can be, with its training rows; empty where answers are not labels."""
    fields: dict[str, str] = {}
    """Field of a JSON answer -> the kinds of its values; empty where answers are not JSON."""


class Hub(BaseModel):
    """Where the `datasets` library finds a benchmark, and which splits to use: those with public labels."""

    model_config = ConfigDict(frozen=True)

    path: str
    """A hub repository, or one of the library's readers, such as `json`."""
    name: str | None = None
    """The configuration in the repository."""
    revision: str | None = None
    files: dict[str, str] | None = None
    """For a reader: split -> address of its file."""
    train: str = "train"
    validation: str | None = None
    """None: a tenth of the train rows becomes the validation split."""
    test: str = "test"


class Task:
    """A benchmark: how its rows are loaded, rendered, scored and checked.

    Args:
        train: the training rows. Some tasks learn their label set from them. May be empty if you only render and
            score.
    """

    name: ClassVar[str] = ""
    metric: ClassVar[str] = "accuracy"
    """Name of the mean of `Score.value`. Reports show it."""
    max_new_tokens: ClassVar[int] = 64
    normalize: ClassVar[Literal["none", "tokens", "characters", "bytes"]] = "none"
    """Unit of the length that a choice's log-likelihood is divided by before choices are compared; `none` divides by 1."""
    source: ClassVar[str] = ""
    """The paper or data set whose scoring this follows, if any."""
    self_contained: ClassVar[bool] = True
    """Whether prompt and completion are enough to score a reply. A new row has nothing else."""
    hub: ClassVar[Hub | None] = None
    """Where the benchmark's rows are, for `data.hub`."""

    def __init__(self, train: Sequence[Example] = ()):
        self.train = train

    def load(self, path: Path) -> list[Example]:
        """Read and check one file of rows; raises `trainer.data_files.DataError`, which names the file and the line."""
        from trainer.data_files import read_examples

        return read_examples(path, self.row_error)

    def convert(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Convert a row of `hub` to `prompt`, `completion`, and the fields that scoring needs.

        Return None to leave the row out, because the task cannot express it.
        """
        return row

    def group(self, example: Example) -> str:
        """Rows with the same group stay together when train is split. By default, rows with the same prompt form a group."""
        return example.prompt

    def load_prompts(self, path: Path) -> list[Example]:
        """Read and check one file of rows without answers; raises `trainer.data_files.DataError` as `load` does."""
        from trainer.data_files import read_prompts

        return read_prompts(path, self.prompt_error)

    def prompt_error(self, example: Example) -> str | None:
        """Why a row without an answer cannot be used and what to do, or None."""
        choices = self.render(example).choices
        if choices is not None and (len(choices) < 2 or not all(choices)):
            return "the row offers no two options to choose between. Add them in the form of the train rows."
        return None

    def row_error(self, example: Example) -> str | None:
        """Why a row of a data file cannot be used and what to do, or None. `load` adds the file and the line."""
        return None

    def unknown_label(self, example: Example) -> str | None:
        """What the row expects and no row of `train` has, such as `the label 'refund'`, or None."""
        return None

    def render(self, example: Example) -> Rendered:
        """The prompt that the student gets, and the expected answer."""
        return Rendered(prompt=example.prompt, completion=example.completion)

    def stratify_key(self, example: Example) -> str:
        """Key of the stratum whose share a stratified `limit` keeps, such as the label. By default all rows are one stratum."""
        return ""

    def score(self, example: Example, prediction: Prediction) -> Score:
        """Compare one reply with its reference."""
        raise NotImplementedError

    def score_all(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Score]:
        """Scores in the order of `examples`. A task that runs programs runs them concurrently."""
        return [self.score(*row) for row in zip(examples, predictions, strict=True)]

    def unavailable_reason(self) -> str | None:
        """Why this machine cannot score replies and what to do, or None."""
        return None

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Further numbers for a split, such as confusions or F1 per field, as JSON data."""
        return {}

    def answer_facts(self) -> AnswerFacts:
        """What is known of right answers without a teacher: from the metric, and from the training rows."""
        return AnswerFacts(judged=f"By the metric {self.metric}.", form="Text, as in the examples.")

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        """Why a new training row cannot be right for this task, or None. Needs no teacher call."""
        return None
