"""The turns before the prompt, of rows with `messages`. A new row gets back those of the row that it is written for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphs.checks.prompt_form import PromptForm
from trainer.records import Example, Message

Turns = tuple[tuple[str, str], ...]
"""Role and content of each turn."""


@dataclass(frozen=True)
class Openings:
    """What training rows begin with: the turns before the last one of the user that other rows have too, else the system turn.

    Code puts them before new prompts. Teachers never write them, and are told system turns only.
    """

    by_id: Mapping[str, Turns]
    """Id of a training row -> its opening."""
    by_prompt: Mapping[str, Turns]
    mixed: bool
    """Whether rows have different system turns. One that all share is told with the task (`PromptForm.system`)."""

    @classmethod
    def from_rows(cls, train: Sequence[Example]) -> Openings:
        """The openings of the training rows."""
        repeated = Counter(map(earlier, train))
        opening = [turns if repeated[turns] > 1 else system_turn(turns) for turns in map(earlier, train)]
        mixed = any(map(system_turn, opening)) and not PromptForm.from_rows(train).system
        return cls(
            {row.id: turns for row, turns in zip(train, opening, strict=True)},
            {row.prompt: turns for row, turns in zip(train, opening, strict=True)},
            mixed,
        )

    def of(self, source: str | None, case: Example | None, prompts: Iterable[str]) -> Turns:
        """The opening of rows that are written together.

        Nothing of validation rows is trained on. So a case's opening is taken where a training row has the same.

        Args:
            source: the row that they are written for, if it is a training row.
            case: the validation row for whose failure they are written.
            prompts: of training rows that show what to write; the first one counts.
        """
        if source is not None and source in self.by_id:
            return self.by_id[source]
        known = set(self.by_id.values())
        own = (earlier(case), system_turn(earlier(case))) if case else ()
        likely = next((turns for turns in own if turns in known), None)
        return likely if likely is not None else self.by_prompt.get(next(iter(prompts), ""), ())

    def told(self, opening: Turns) -> dict[str, str]:
        """What teachers are told of an opening, as `system`; nothing where all rows have one system turn, or none."""
        return {"system": system_turn(opening)[0][1]} if self.mixed and system_turn(opening) else {}


def earlier(row: Example) -> Turns:
    """The turns before the last one, which is the prompt."""
    return tuple((turn.role, turn.content) for turn in (row.messages or [])[:-1])


def system_turn(turns: Turns) -> Turns:
    """The system turn that a row begins with; nothing if it has none."""
    return turns[:1] if turns and turns[0][0] == "system" and turns[0][1].strip() else ()


def messages(opening: Turns, prompt: str) -> list[Message] | None:
    """The turns of a new row before its completion; None if nothing stands before its prompt."""
    if not opening:
        return None
    return [Message(role=role, content=content) for role, content in (*opening, ("user", prompt))]
