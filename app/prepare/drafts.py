"""From records to rows of pada: what is asked, what the answer is, and why a record gives none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.config.splits import Split
from app.prepare.chats import Turn, read_turns
from app.prepare.columns import as_text, is_empty, unpack, value_at
from app.prepare.layout import Layout
from app.prepare.tables import CellError, InputError, NoText, Place, Record, RowFault, Skipped, Table, excerpt
from trainer.tasks.multiple_choice import offered_letters, prompt_with_options

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KIND_SHARE = 0.1
"""Answers of another kind than most are skipped as long as they are fewer; else the column is refused."""
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
    kind = _common_kind(tables, layout)
    start = _first_option(tables, layout)
    drafts, skipped = [], []
    for table in tables:
        for record in table.records:
            try:
                drafts.append(_draft(record, layout, table.split, kind, start))
            except RowFault as fault:
                skipped.append(Skipped(record.place, str(fault), excerpt(as_text(record.values))))
    return drafts, skipped


def _common_kind(tables: Sequence[Table], layout: Layout) -> str:
    """What most answers are: a text or an object."""
    if layout.chat or layout.options:
        return ""
    first: dict[str, Place] = {}
    counts: Counter[str] = Counter()
    for table in tables:
        for record in table.records:
            value = value_at(record.values, layout.answer or "")
            if not is_empty(value):
                kind = "object" if isinstance(value, dict) and "text" not in value else "text"
                counts[kind] += 1
                first.setdefault(kind, record.place)
    if len(counts) == 2 and min(counts.values()) > KIND_SHARE * counts.total():
        # texts that are JSON objects themselves go with objects
        if _texts_are_objects(tables, layout):
            return ""
        raise InputError(
            f"The column `{layout.answer}` has texts ({counts['text']:,} rows, such as {first['text']}) and objects "
            f"({counts['object']:,} rows, such as {first['object']}). Make them all of one kind, or split the file."
        )
    return counts.most_common(1)[0][0] if len(counts) == 2 and not _texts_are_objects(tables, layout) else ""


def _texts_are_objects(tables: Sequence[Table], layout: Layout) -> bool:
    values = (value_at(record.values, layout.answer or "") for table in tables for record in table.records)
    return all(
        isinstance(unpack(value), dict) for value in values if isinstance(value, str) and value.strip()
    )


def _first_option(tables: Sequence[Table], layout: Layout) -> int:
    """Whether numbers that name an option count from 0 or from 1."""
    if not layout.options:
        return 0
    found = [
        int(text)
        for table in tables
        for record in table.records
        if (text := as_text(value_at(record.values, layout.answer or "")).strip()).isdecimal()
    ]
    return 0 if not found or 0 in found else 1


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
        raise _cell_fault(name or "", value)
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
            raise _cell_fault(name, value)
        if not is_empty(value):
            parts.append(as_text(value))
    if not parts:
        raise RowFault(f"`{layout.prompt[0]}` is empty. Fill it in or remove the row")
    return "\n\n".join(parts)


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
        raise _cell_fault(name, value)
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


def _cell_fault(name: str, value: CellError) -> RowFault:
    if isinstance(value, NoText):
        return RowFault(f"`{name}` holds {value}. Write them as UTF-8, or leave the row out")
    if value.startswith("#FORMULA"):
        return RowFault(
            f"`{name}` is a formula whose value is not in the file. Open the file in Excel, save it, and try again"
        )
    return RowFault(f"`{name}` is the error {value}. Correct the formula")


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
