"""The embedded teacher: a stand-in for a large model that answers by rules.

It reads messages with the rules of `grammar`, and writes with its own sentences. It has no state: the same request
gets the same answer.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from app.demo.composer import QUESTION, TEAMS, Style
from app.demo.grammar import style_of, team_of
from app.demo.writer import judge, write
from graphs.schemas import (
    AugmentationStrategy,
    BlindAnswers,
    ErrorAnalysis,
    FailurePattern,
    QualityReport,
    Sample,
    SampleBatch,
    TaskDescription,
)

Data = dict[str, Any]
MOST_SAMPLES = 200


class View(BaseModel):
    """The teacher's texts about one style."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: str
    root_causes: list[str]
    scenarios: list[str]
    name: str
    description: str
    title: str
    instructions: str


def answer(schema: str, data: Data) -> BaseModel:
    """The answer to one request, deterministic in (schema, data).

    Raises:
        ValueError: an unknown schema name, or data that lacks what the schema needs.
    """
    if schema not in ANSWERS:
        raise ValueError(f"the embedded teacher knows {', '.join(ANSWERS)}, not {schema!r}")
    rng = random.Random(schema + json.dumps(data, sort_keys=True))
    try:
        return ANSWERS[schema](data, rng)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the data for {schema} is not complete: {error!r}") from error


def describe_task(data: Data, rng: random.Random) -> TaskDescription:
    """The demo's task in words."""
    return TaskDescription(
        description="A customer writes to a shop. The answer is the team that has to deal with what the customer wants now: "
        "not with topics that the message rules out, quotes or tells of as closed."
    )


def analyze(data: Data, rng: random.Random) -> ErrorAnalysis:
    """Name the style of the failed message, with the student's answer and the right one."""
    view = views()[style_of(message_of(data["prompt"]))]
    return ErrorAnalysis(
        root_cause=f"{rng.choice(view.root_causes)} It answered {data['predicted']!r} for {data['expected']!r}.",
        scenario=rng.choice(view.scenarios),
    )


def name_pattern(data: Data, rng: random.Random) -> FailurePattern:
    """Name the style that most of the analyses speak of."""
    texts = [f"{analysis['root_cause']} {analysis['scenario']}" for analysis in data["analyses"]]
    view = views()[Counter(style_in(text) for text in texts).most_common(1)[0][0]]
    return FailurePattern(name=view.name, description=view.description)


def plan(data: Data, rng: random.Random) -> AugmentationStrategy:
    """A strategy for the style that the pattern speaks of, over the labels of the examples."""
    view = views()[style_in(f"{data['pattern']['name']} {data['pattern']['description']}")]
    labels = sorted({example["completion"] for example in data.get("examples") or []})
    covered = (
        f" Cover the labels {', '.join(labels)}, and add a few direct messages as contrast." if labels else ""
    )
    return AugmentationStrategy(title=view.title, instructions=view.instructions + covered)


def compose_batch(data: Data, rng: random.Random) -> SampleBatch:
    """New rows in the style that the request asks for."""
    count = min(int(data["count"]), MOST_SAMPLES)
    samples = write(asked_style(data), count, data.get("error"), bool(data.get("feedback")), rng)
    return SampleBatch(samples=samples)


def review(data: Data, rng: random.Random) -> QualityReport:
    """Judge rows against the style that was asked for."""
    return judge([Sample.model_validate(sample) for sample in data["samples"]], asked_style(data))


def answer_blind(data: Data, rng: random.Random) -> BlindAnswers:
    """The team of each message by rule; of one that the rules do not know, the first."""
    return BlindAnswers(answers=[team_of(message_of(prompt)) or TEAMS[0] for prompt in data["prompts"]])


ANSWERS: dict[str, Callable[[Data, random.Random], BaseModel]] = {
    "TaskDescription": describe_task,
    "ErrorAnalysis": analyze,
    "FailurePattern": name_pattern,
    "AugmentationStrategy": plan,
    "SampleBatch": compose_batch,
    "BlindAnswers": answer_blind,
    "QualityReport": review,
}


def asked_style(data: Data) -> Style:
    """The style of the strategy, else of the error, else plain."""
    if strategy := data.get("strategy"):
        return style_in(f"{strategy['title']} {strategy['instructions']}")
    return style_of(message_of(data["error"]["prompt"])) if data.get("error") else Style.PLAIN


def style_in(text: str) -> Style:
    """The style whose mark a text names most often."""
    counts = {style: text.lower().count(view.mark) for style, view in views().items()}
    return max(counts, key=lambda style: counts[style]) if any(counts.values()) else Style.PLAIN


def message_of(prompt: str) -> str:
    """A prompt without the question that all share."""
    return prompt.removeprefix(QUESTION)


@cache
def views() -> dict[Style, View]:
    """The teacher's texts about each style."""
    content = yaml.safe_load(files("app.demo").joinpath("views.yaml").read_text(encoding="utf-8"))
    return {Style(name): View.model_validate(view) for name, view in content.items()}
