"""The exact text that the prompts of a task share. The writer of new rows writes only what varies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphs.checks.template import common_start
from trainer.records import Example, Message

SHARE = 0.99
"""Share of the training rows that must have a fixed part."""
SHORTEST = 20
"""Characters of the fixed beginning and end together, under which they are left in the prompts."""
FEWEST = 3
"""Training rows under which nothing counts as shared."""
MAX_TOLD = 2000
"""Characters of each fixed part that teachers are told, because every call carries them."""

BORDER = re.compile(r"(\s*\n\s*|(?<=[.!?:])\s+|(?<=[。！？：]))")
"""Between two lines or sentences, or after a label such as `Question:`."""


@dataclass(frozen=True)
class PromptForm:
    """What nearly all training rows share, word for word. `Template` serves comparisons, and keeps no blanks."""

    before: str = ""
    after: str = ""
    """What prompts begin and end with."""
    system: str = ""
    """The system turn before the prompt, of rows with `messages`."""

    @classmethod
    def from_rows(cls, rows: Sequence[Example]) -> PromptForm:
        """The fixed parts of these rows' prompts, on borders of lines or sentences; empty where there are none."""
        if len(rows) < FEWEST:
            return cls()
        prompts = [row.prompt for row in rows]
        before = "".join(common_start([BORDER.split(prompt) for prompt in prompts], SHARE))
        rests = [prompt[len(before) :] if prompt.startswith(before) else "" for prompt in prompts]
        after = "".join(common_start([BORDER.split(rest)[::-1] for rest in rests], SHARE)[::-1])
        form = cls(before, after, _shared_system(rows))
        varying = sum(bool(form.variable_part(prompt).strip()) and form.fits(prompt) for prompt in prompts)
        if len((before + after).strip()) < SHORTEST or varying < SHARE * len(prompts):
            return cls(system=form.system)
        return form

    @property
    def fixed(self) -> bool:
        """Whether prompts have a fixed beginning or end."""
        return bool(self.before or self.after)

    def fits(self, prompt: str) -> bool:
        """Whether a prompt has exactly this beginning and end."""
        enough = len(prompt) >= len(self.before) + len(self.after)
        return enough and prompt.startswith(self.before) and prompt.endswith(self.after)

    def variable_part(self, prompt: str) -> str:
        """What varies in a prompt; the whole prompt if it has another form."""
        return prompt[len(self.before) : len(prompt) - len(self.after)] if self.fits(prompt) else prompt

    def wrap(self, text: str) -> str:
        """The whole prompt for what varies in it. Fixed parts that the text has already are not doubled.

        A text that repeats the end of `before` (such as the label before the input) or the beginning of `after`, or has
        other blanks in them, counts as having them.
        """
        if not self.fixed or self.fits(text):
            return text
        body = _without_end(_without_start(text, self.before), self.after)
        if self.before[-1:].isspace():
            body = body.lstrip()
        if self.after[:1].isspace():
            body = body.rstrip()
        return self.before + body + self.after

    def variable_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row for the writer: its `prompt` is what varies in it."""
        return {**row, "prompt": self.variable_part(row["prompt"])}

    def messages(self, prompt: str) -> list[Message] | None:
        """The turns of a new row before its completion; None if training rows have no system turn in common."""
        if not self.system:
            return None
        return [Message(role="system", content=self.system), Message(role="user", content=prompt)]

    def fit(self, row: Example) -> Example:
        """A row from elsewhere in the form of the training rows: with the fixed parts, and with their system turn."""
        prompt = self.wrap(row.prompt)
        if not row.messages:
            return row.model_copy(update={"prompt": prompt, "messages": self.messages(prompt)})
        turns = [*row.messages[:-1], Message(role="user", content=prompt)]
        if self.system and turns[0].role != "system":
            turns.insert(0, Message(role="system", content=self.system))
        return row.model_copy(update={"prompt": prompt, "messages": turns})

    def for_teacher(self) -> dict[str, str]:
        """The fixed parts that there are, as they stand in a request; of a long one its beginning and end."""
        parts = {"system": self.system, "before": self.before, "after": self.after}
        return {name: _cut(part) for name, part in parts.items() if part}


def _shared_system(rows: Sequence[Example]) -> str:
    """The system turn that nearly all rows begin with."""
    first = [row.messages[0] for row in rows if row.messages]
    systems = Counter(turn.content for turn in first if turn.role == "system" and turn.content.strip())
    system, count = systems.most_common(1)[0] if systems else ("", 0)
    return system if count >= SHARE * len(rows) else ""


def _without_start(text: str, before: str) -> str:
    """A text without `before`, or without the longest end of it, on a border, that the text begins with."""
    pieces = BORDER.split(before)
    for first in range(0, len(pieces), 2):
        if words := "".join(pieces[first:]).split():
            # the last word must end there: "Sort" is no beginning of "Sorting"
            end = r"(?!\w)" if re.match(r"\w", words[-1][-1]) else ""
            if match := re.match(r"\s*" + r"\s+".join(map(re.escape, words)) + end, text):
                return text[match.end() :]
    return text


def _without_end(text: str, after: str) -> str:
    """A text without `after`, or without the longest beginning of it, on a border, that the text ends with."""
    pieces = BORDER.split(after)
    for last in range(len(pieces), 0, -2):
        if words := "".join(pieces[:last]).split():
            start = r"(?<!\w)" if re.match(r"\w", words[0][0]) else ""
            if match := re.search(start + r"\s+".join(map(re.escape, words)) + r"\s*\Z", text):
                return text[: match.start()]
    return text


def _cut(part: str) -> str:
    if len(part) <= MAX_TOLD:
        return part
    half = MAX_TOLD // 2
    return f"{part[:half]} [...] {part[-half:]}"
