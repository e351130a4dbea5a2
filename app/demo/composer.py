"""Composes customer messages from hand-written parts.

A message is an issue (what the customer wants, which decides the team) in a frame (how it is said). Frames other than
`plain` also speak of topics that are not the issue. Each source of parts, `phrases/<source>.yaml`, has its own
sentences.
"""

from __future__ import annotations

import random
from enum import StrEnum
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

QUESTION = "Which team should answer?\n"
TEAMS = ("billing", "delivery", "returns", "account", "repairs", "praise")


class Style(StrEnum):
    """How a message is said."""

    PLAIN = "plain"
    NEGATION = "negation"
    """Other topics are ruled out before or after the issue."""
    SARCASM = "sarcasm"
    """A problem wrapped in words of praise."""
    QUOTE = "quote"
    """Words of the shop on other topics are quoted."""
    STORY = "story"
    """Earlier, closed events on other topics lead up to the issue."""


GAPS = (Style.NEGATION, Style.SARCASM, Style.QUOTE, Style.STORY)


class Phrases(BaseModel):
    """The hand-written parts of one source; the inner keys are teams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[str]
    issues: dict[str, list[str]]
    frames: dict[Style, list[str]]
    mentions: dict[str, list[str]] = {}
    """Names of topics, to be ruled out."""
    quotes: dict[str, list[str]] = {}
    """Sentences of the shop."""
    events: dict[str, list[str]] = {}
    """Earlier events that are closed."""


@cache
def phrases(source: str) -> Phrases:
    """The parts in `phrases/<source>.yaml`."""
    text = files("app.demo").joinpath("phrases", f"{source}.yaml").read_text(encoding="utf-8")
    return Phrases.model_validate(yaml.safe_load(text))


def teams_of(style: Style) -> list[str]:
    """The teams whose messages can be said this way: there is no sarcastic praise."""
    return [team for team in TEAMS if not (style is Style.SARCASM and team == "praise")]


def compose(parts: Phrases, team: str, issue: str, style: Style, rng: random.Random) -> str:
    """One message, without the question, on a given issue of `team`; the other parts are drawn."""
    text = issue.format(item=rng.choice(parts.items))
    slots = {"issue": text, "Issue": text[0].upper() + text[1:], "number": str(rng.randint(10000, 99999))}
    for name, topics in (("mention", parts.mentions), ("quote", parts.quotes), ("event", parts.events)):
        slots |= _two_other_topics(name, topics, team, rng)
    return rng.choice(parts.frames[style]).format(**slots)


def _two_other_topics(
    name: str, topics: dict[str, list[str]], team: str, rng: random.Random
) -> dict[str, str]:
    """Parts of two teams other than `team`, as `name` and `name2`."""
    others = rng.sample([other for other in topics if other != team], 2) if topics else []
    return {key: rng.choice(topics[other]) for key, other in zip((name, f"{name}2"), others, strict=False)}
