"""The schemas of the teacher's answers. The class name is the schema name in the request.

Their docstrings and descriptions are sent to the teacher: a change to one changes the ledger's keys.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field


class TaskDescription(BaseModel):
    """What a task is."""

    description: str = Field(
        description="The input, what has to be answered, and the rules by which the answer follows."
    )


class ErrorAnalysis(BaseModel):
    """Why one validation error happened."""

    root_cause: str = Field(description="Why the student answered wrongly, in one or two sentences.")
    scenario: str = Field(description="The kind of input on which this happens, in one sentence.")


class FailurePattern(BaseModel):
    """What the errors of one cluster have in common."""

    name: str = Field(description="A short name, at most eight words.")
    description: str = Field(description="What goes wrong, on which inputs, and how to recognise them.")


class AugmentationStrategy(BaseModel):
    """How new training rows should look to correct one pattern."""

    title: str
    instructions: str = Field(
        description="What to write: the kinds of input, the right behaviour, what to vary."
    )


class Sample(BaseModel):
    """One new training row."""

    prompt: str
    completion: str


class SampleBatch(BaseModel):
    """A batch of new training rows."""

    samples: list[Sample]


class BlindAnswers(BaseModel):
    """Answers to prompts."""

    answers: list[str] = Field(description="One answer to each prompt, in the order of the prompts.")


def whole_score(value: object) -> object:
    """A score as judges write it ("8/10", 8.5, 0, 11) as a whole number from 1 to 10."""
    if isinstance(value, bool):
        raise ValueError("a truth value is no score")
    if isinstance(value, str):
        number, _, scale = value.strip().partition("/")
        if scale.strip() not in ("", "10"):
            return value
        try:
            value = float(number)
        except ValueError:
            return value
    if isinstance(value, int | float) and math.isfinite(value):
        return min(10, max(1, round(value)))
    return value


WholeScore = BeforeValidator(whole_score)


class QualityReport(BaseModel):
    """The judge's view of a batch."""

    adherence: Annotated[int, WholeScore] = Field(
        ge=1, le=10, description="How well the samples follow the strategy."
    )
    utility: Annotated[int, WholeScore] = Field(ge=1, le=10, description="How useful they are for training.")
    relevance: Annotated[int, WholeScore] = Field(
        ge=1, le=10, description="How close they are to the task's own rows."
    )
    rejected: list[int] = Field(
        description="Indices (from 0) of samples that are wrong and must not be used."
    )
    feedback: str = Field(description="What to change, for the writer.")
