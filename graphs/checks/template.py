"""What nearly all prompts of a task share, such as an instruction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.text import is_unspaced

SHARE = 0.9
"""Fraction of the prompts that must begin (or end) with a word for it to be template."""
LINE_SHARE = 0.02
"""Fraction of the prompts that must have a line, or a label before a colon, for it to be template."""


@dataclass(frozen=True)
class Template:
    """What nearly all prompts of a task share. It is removed before texts are compared or embedded."""

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    """Words (separated by white space) that nearly all prompts begin and end with."""
    lines: frozenset[str] = frozenset()
    """Other whole lines that many prompts have."""
    heads: frozenset[str] = frozenset()
    """Labels at the beginning of a line of many prompts, such as "Message:"."""
    lead: str = ""
    trail: str = ""
    """Characters that nearly all prompts begin and end with after that, in scripts without spaces between words."""

    @classmethod
    def from_prompts(cls, prompts: Sequence[str]) -> Template:
        """Estimate the template from training prompts."""
        if len(prompts) < 3:
            return cls()
        ends = cls.ends_of(prompts)
        bodies = [ends.strip(prompt).splitlines() for prompt in prompts]
        least = max(3, LINE_SHARE * len(prompts))
        lines = Counter(line for body in bodies if len(body) > 1 for line in {line.strip() for line in body})
        heads = Counter(head for body in bodies for head in {_head(line) for line in body})
        return cls(
            ends.prefix,
            ends.suffix,
            frozenset(line for line, count in lines.items() if line and count >= least),
            frozenset(head for head, count in heads.items() if head and count >= least),
            ends.lead,
            ends.trail,
        )

    @classmethod
    def ends_of(cls, prompts: Sequence[str]) -> Template:
        """What nearly all prompts begin and end with, and nothing from inside of them."""
        if len(prompts) < 3:
            return cls()
        split = [prompt.split() for prompt in prompts]
        prefix = common_start(split, SHARE)
        suffix = common_start([parts[len(prefix) :][::-1] for parts in split], SHARE)[::-1]
        ends = cls(tuple(prefix), tuple(suffix))
        lead, trail = unspaced_ends([ends.strip(prompt) for prompt in prompts])
        return cls(tuple(prefix), tuple(suffix), lead=lead, trail=trail)

    def strip(self, prompt: str) -> str:
        """The prompt's own text. Empty if there is only template."""
        body = prompt
        words = body.split(None, len(self.prefix))
        if self.prefix and tuple(words[: len(self.prefix)]) == self.prefix:
            body = "".join(words[len(self.prefix) :])
        words = body.rsplit(None, len(self.suffix))
        if self.suffix and tuple(words[-len(self.suffix) :]) == self.suffix:
            body = "".join(words[: -len(self.suffix)])
        body = body.strip().removeprefix(self.lead).removesuffix(self.trail).strip()
        kept = [
            self._without_head(line.strip()) for line in body.splitlines() if line.strip() not in self.lines
        ]
        return "\n".join(line for line in kept if line) or body

    def _without_head(self, line: str) -> str:
        head = _head(line)
        return line[len(head) :].strip() if head in self.heads else line


def unspaced_ends(bodies: Sequence[str]) -> tuple[str, str]:
    """What nearly all texts begin and end with, character by character; empty for scripts with spaces, whose words would
    be cut."""
    if not is_unspaced("".join(bodies)):
        return "", ""
    lead = "".join(common_start([list(body) for body in bodies], SHARE))
    rest = [list(body.removeprefix(lead))[::-1] for body in bodies]
    return lead, "".join(common_start(rest, SHARE)[::-1])


def common_start(rows: list[list[str]], share: float) -> list[str]:
    """The longest list of words that at least this share of the rows begins with."""
    common: list[str] = []
    remaining = rows
    while True:
        next_words = Counter(row[len(common)] for row in remaining if len(row) > len(common))
        word, count = next_words.most_common(1)[0] if next_words else ("", 0)
        if count < share * len(rows):
            return common
        remaining = [row for row in remaining if len(row) > len(common) and row[len(common)] == word]
        common.append(word)


def _head(line: str) -> str:
    """The label that a line begins with, including its colon, or an empty text."""
    match = re.match(r"\s*([^\W\d][^:\n]{0,40}:)(?=\s|$)", line)
    return match.group(1) if match else ""
