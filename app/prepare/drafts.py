"""From records to rows of pada: what is asked, what the answer is, and why a record gives none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.config.splits import Split
from app.prepare.across_tables import common_kind, first_option, lacking_columns
from app.prepare.chats import Turn, read_turns
from app.prepare.columns import as_text, is_empty, unpack, value_at
from app.prepare.layout import Layout
from app.prepare.tables import CellError, Place, Record, RowFault, Skipped, Table, excerpt
from trainer.tasks.multiple_choice import offered_letters, prompt_with_options

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAMED = re.compile(r"[(\[]?([A-Za-z])[)\].:]?")


@dataclass
class Draft:
    """One row as it will be written."""

    place: Place
    prompt: str
    answer: str
    messages: list[Turn] | None = None
    """All turns of a conversation, the answer included."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields that the task scores by: `answers`, `choices`."""
    identifier: str = ""
    group: str = ""
    time: str = ""
    passage: str = ""
    """Text that several questions share."""
    split: Split | None = None

    @property
    def asked(self) -> str:
        """What the student is asked, without the system prompt."""
        if self.messages is None:
            return self.prompt
        return "\n".join(turn["content"] for turn in self.messages[:-1] if turn["role"] != "system")

    @property
    def system(self) -> str:
        """The system prompt, if any."""
        return self.messages[0]["content"] if self.messages and self.messages[0]["role"] == "system" else ""


def draft_all(tables: Sequence[Table], layout: Layout) -> tuple[list[Draft], list[Skipped]]:
    """The rows of all tables, and the records that give none.

    Raises:
        InputError: the answers are of two kinds, such as texts and objects.
    """
    kind = common_kind(tables, layout)
    start = first_option(tables, layout)
    drafts, skipped = [], []
    for table in tables:
        lacking = lacking_columns(table, layout)
        for record in table.records:
            try:
                if lacking:
                    raise RowFault(lacking)
                drafts.append(_draft(record, layout, table.split, kind, start))
            except RowFault as fault:
                skipped.append(Skipped(record.place, str(fault), excerpt(as_text(record.values))))
    return drafts, skipped


def _draft(record: Record, layout: Layout, split: Split | None, kind: str, start: int) -> Draft:
    values = record.values
    # a file may have rows of both kinds
    plain = bool(layout.prompt) and is_empty(value_at(values, layout.chat or ""))
    if layout.chat and not plain:
        draft = _chat(record, layout)
    elif layout.options:
        draft = _choice(record, layout, start)
    else:
        draft = _pair(record, layout, kind)
    draft.split = split
    draft.identifier = _cell(values, layout.identifier)
    draft.group, draft.time = _cell(values, layout.group), _cell(values, layout.time)
    if layout.time and not draft.time:
        raise RowFault(f"`{layout.time}` is empty, and the split is by time. Fill it in")
    if (system := _cell(values, layout.system)) and draft.messages is None:
        draft.messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": draft.prompt},
            {"role": "assistant", "content": draft.answer},
        ]
    return draft


def _cell(values: dict[str, Any], name: str | None) -> str:
    value = value_at(values, name) if name else None
    if isinstance(value, CellError):
        raise value.fault(name or "")
    return "" if is_empty(value) else as_text(value).strip()


def _chat(record: Record, layout: Layout) -> Draft:
    values = record.values
    system = value_at(values, layout.system) if layout.system else None
    answer = value_at(values, layout.answer) if layout.answer else None
    turns = read_turns(value_at(values, layout.chat or ""), system, answer)
    return Draft(record.place, turns[-2]["content"], turns[-1]["content"], messages=turns)


def read_question(values: dict[str, Any], layout: Layout) -> tuple[str, str]:
    """What is asked, with its passage before it; and the passage, which may be empty.

    Raises:
        RowFault: nothing is asked.
    """
    passage, prompt = _cell(values, layout.context), _prompt(values, layout)
    return (f"{passage}\n\n{prompt}" if passage else prompt), passage


def _pair(record: Record, layout: Layout, kind: str) -> Draft:
    prompt, passage = read_question(record.values, layout)
    value = value_at(record.values, layout.answer or "")
    references = _references(value)
    if references is not None:
        answer, extra = references[0].strip(), {"answers": references} if len(references) > 1 else {}
    else:
        answer, extra = _answer(value, layout.answer or "", kind), {}
    if not extra and isinstance(record.values.get("answers"), list) and layout.answer != "answers":
        references = _references(record.values["answers"]) or []
        extra = {"answers": references} if answer in references else {}
    return Draft(record.place, prompt, answer, extra=extra, passage=passage)


def _prompt(values: dict[str, Any], layout: Layout) -> str:
    parts = []
    for name in layout.prompt:
        value = value_at(values, name)
        if isinstance(value, dict | list) and value:
            raise RowFault(f"`{name}` is {'an object' if isinstance(value, dict) else 'a list'}, not text")
        if isinstance(value, CellError):
            raise value.fault(name)
        if not is_empty(value):
            parts.append(_without_margins(as_text(value)))
    if not parts:
        raise RowFault(f"`{layout.prompt[0]}` is empty. Fill it in or remove the row")
    return "\n\n".join(parts)


def _without_margins(text: str) -> str:
    """A text without blanks at its end, and at its beginning where it is one line: code may be indented."""
    text = text.rstrip(" \t\u00a0")
    return text if "\n" in text else text.strip()


def _references(value: Any) -> list[str] | None:
    """Several right answers: a list of texts, or SQuAD's object; None for anything else."""
    found = unpack(value)
    if isinstance(found, dict) and isinstance(found.get("text"), list):
        found = found["text"]
        if not found:
            raise RowFault(
                "the question has no answer (SQuAD 2 calls it impossible). pada asks only what can be answered"
            )
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(item, str | int | float) for item in found)
    ):
        return None
    texts = list(dict.fromkeys(as_text(item) for item in found if not is_empty(item)))
    return texts or None


def _answer(value: Any, name: str, kind: str) -> str:
    if isinstance(value, CellError):
        raise value.fault(name)
    if is_empty(value):
        raise RowFault(f"the answer `{name}` is empty. Fill it in or remove the row")
    if isinstance(value, list):
        raise RowFault(f"the answer `{name}` is a list of {len(value)} things, not one text")
    if kind and (kind == "object") != isinstance(value, dict):
        what = "an object" if isinstance(value, dict) else "a text"
        raise RowFault(
            f"the answer `{name}` is {what}, and most are {'objects' if kind == 'object' else 'texts'}"
        )
    return as_text(value).strip()


def read_choice(values: dict[str, Any], layout: Layout) -> tuple[str, str, list[str], list[str]]:
    """What is asked with its options, the passage, the options' texts and their labels.

    Raises:
        RowFault: nothing is asked, or there are too few or too many options.
    """
    question, passage = read_question(values, layout)
    texts, labels = _options(values, layout.options)
    if len(texts) < 2:
        raise RowFault(f"`{layout.options[0]}` has fewer than two options")
    if len(texts) > len(LETTERS):
        raise RowFault(f"{len(texts)} options; pada knows the letters A to Z")
    # rows of benchmarks bring a prompt that has the options already
    has_them = len(offered_letters(question)) >= len(texts)
    return (question if has_them else prompt_with_options(question, texts)), passage, texts, labels


def _choice(record: Record, layout: Layout, start: int) -> Draft:
    prompt, passage, texts, labels = read_choice(record.values, layout)
    place = _place(_cell(record.values, layout.answer), texts, labels, start)
    if place is None:
        raise RowFault(
            f"the answer {excerpt(_cell(record.values, layout.answer), 40)!r} names none of the {len(texts)} options"
        )
    return Draft(record.place, prompt, LETTERS[place], extra={"choices": texts}, passage=passage)


def _options(values: dict[str, Any], names: list[str]) -> tuple[list[str], list[str]]:
    """The options' texts, and their labels where they have some."""
    if len(names) > 1:
        texts = [_cell(values, name) for name in names]
        while texts and not texts[-1]:
            texts.pop()
        if not all(texts):
            raise RowFault(f"`{names[texts.index('')]}` is empty, and an option after it is not")
        return texts, []
    found = unpack(value_at(values, names[0]))
    if isinstance(found, dict) and isinstance(found.get("text"), list):
        return [as_text(text) for text in found["text"]], [str(label) for label in found.get("label") or []]
    if isinstance(found, dict):
        return [as_text(text) for text in found.values()], [str(label) for label in found]
    if not isinstance(found, list):
        raise RowFault(f"`{names[0]}` is not a list of options")
    if all(isinstance(item, dict) and "text" in item for item in found):
        return [as_text(item["text"]) for item in found], [str(item.get("label", "")) for item in found]
    return [as_text(text) for text in found], []


def _place(answer: str, texts: list[str], labels: list[str], start: int) -> int | None:
    """Which option an answer means: by its label, its text, its letter, or its number."""
    if answer in labels:
        return labels.index(answer)
    if answer in texts:
        return texts.index(answer)
    if (named := _NAMED.fullmatch(answer)) and (place := LETTERS.index(named[1].upper())) < len(texts):
        return place
    if answer.isdecimal() and 0 <= int(answer) - start < len(texts):
        return int(answer) - start
    folded = [" ".join(text.casefold().split()) for text in texts]
    wanted = " ".join(answer.casefold().split())
    return folded.index(wanted) if folded.count(wanted) == 1 else None
