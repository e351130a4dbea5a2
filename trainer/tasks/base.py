"""What a task is: load, render, score. One task, one file.

A new task subclasses `Task`, sets `name` and `metric`, and overrides what differs. `module:object` in a
config names a user's own class of this kind.
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
    """When set, the reply is the choice with the highest likelihood and nothing is generated."""


class Hub(BaseModel):
    """Where the `datasets` library finds a benchmark, and which of its splits have labels."""

    model_config = ConfigDict(frozen=True)

    path: str
    """A repository of the hub, or one of the library's own readers, such as `json`."""
    name: str | None = None
    """The configuration inside the repository."""
    revision: str | None = None
    files: dict[str, str] | None = None
    """For a reader: the address of each split's file."""
    train: str = "train"
    validation: str | None = None
    """None: a tenth of the train rows is taken out for it."""
    test: str = "test"


class Task:
    """A benchmark: how its rows are loaded, asked, scored and checked.

    Args:
        train: the training rows, from which some tasks learn their label set. May be empty for rendering and
            scoring.
    """

    name: ClassVar[str] = ""
    metric: ClassVar[str] = "accuracy"
    """Name of `Score.value`'s mean, as reports show it."""
    max_new_tokens: ClassVar[int] = 64
    normalize: ClassVar[Literal["none", "tokens", "characters", "bytes"]] = "none"
    """What the log-likelihood of a choice is divided by before choices are compared: 1, or its length in these."""
    source: ClassVar[str] = ""
    """Paper or data set that the scoring follows, if any."""
    self_contained: ClassVar[bool] = True
    """A reply can be scored by the row's prompt and completion alone, which is all that a new row has."""
    hub: ClassVar[Hub | None] = None
    """Where the benchmark's own rows are, for `data.hub`."""

    def __init__(self, train: Sequence[Example] = ()):
        self.train = train

    def load(self, path: Path) -> list[Example]:
        """Read and check one file of rows; raises `trainer.data_files.DataError` naming file and line."""
        from trainer.data_files import read_examples

        return read_examples(path, self.row_error)

    def convert(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """A row as `hub` has it as one of ours: `prompt`, `completion`, and the fields that scoring needs.

        None leaves the row out: the task cannot express it.
        """
        return row

    def group(self, example: Example) -> str:
        """Rows of one group stay together when validation rows are taken out of train; those that ask the same by default."""
        return example.prompt

    def row_error(self, example: Example) -> str | None:
        """Why a row of a data file cannot be used, and what to do, or None; `load` adds file and line."""
        return None

    def unknown_label(self, example: Example) -> str | None:
        """What a row asks for that `train` never shows, such as `the label 'refund'`, or None."""
        return None

    def render(self, example: Example) -> Rendered:
        """What the student is asked and what it should answer."""
        return Rendered(prompt=example.prompt, completion=example.completion)

    def stratify_key(self, example: Example) -> str:
        """The group that a stratified `limit` keeps in proportion, such as the label; one by default."""
        return ""

    def score(self, example: Example, prediction: Prediction) -> Score:
        """Compare one reply with its reference."""
        raise NotImplementedError

    def score_all(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Score]:
        """`score` for many rows, in the order given; a task that runs programs runs many at once."""
        return [self.score(*row) for row in zip(examples, predictions, strict=True)]

    def unavailable_reason(self) -> str | None:
        """Why replies cannot be scored on this machine, and what to do, or None."""
        return None

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Further numbers over a split, such as a confusion or F1 by field; JSON data."""
        return {}

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        """Why a new training row cannot be right for this task, or None; costs nothing."""
        return None
