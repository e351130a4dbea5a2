"""The guess which column is what: its reasons, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from app.prepare.columns import Column
from app.prepare.decisions import SAID, Decision
from app.prepare.layout import NONE, Choices, Layout
from app.prepare.names import (
    ANSWERS,
    BODIES,
    CHATS,
    CHOICES,
    CONTEXTS,
    GROUPS,
    IDS,
    INPUTS,
    PROMPTS,
    SUBJECTS,
    SYSTEMS,
    TIMES,
    fold,
    known,
    option_letter,
    rank,
)
from app.prepare.tables import InputError, names


def guess_layout(columns: dict[str, Column], said: Choices) -> Layout:
    """The columns that the user named, and the likeliest for the rest.

    Raises:
        InputError: a named column does not exist, or there is none that could be asked or answered.
    """
    _refuse_unknown(columns, said)
    layout = _chat(columns, said) or _columns(columns, said)
    taken = {*layout.prompt, layout.answer, layout.context, *layout.options}
    layout.system = next((name for name in columns if known(name, SYSTEMS) and name not in taken), None)
    layout.identifier = next(
        (
            name
            for name, column in columns.items()
            if known(name, IDS) and column.distinct == column.filled == 1.0
        ),
        None,
    )
    _group(layout, columns, said, taken)
    _time(layout, columns, said, taken)
    return layout


def _refuse_unknown(columns: dict[str, Column], said: Choices) -> None:
    given: dict[str, Sequence[str | None]] = {
        "--prompt": said.prompt,
        "--answer": [said.answer],
        "--group": [said.group],
        "--time": [said.time],
    }
    for option, wanted in given.items():
        for name in wanted:
            if name is not None and name not in columns and not (option == "--group" and name == NONE):
                raise InputError(
                    f"{option}: there is no column {name!r}; the columns are {names(list(columns))}."
                )


def _chat(columns: dict[str, Column], said: Choices) -> Layout | None:
    """A conversation in one column."""
    if said.answer or (said.prompt and not columns[said.prompt[0]].mostly("turns")):
        return None
    found = sorted(
        (name for name in said.prompt or columns if columns[name].mostly("turns")),
        key=lambda n: rank(n, CHATS),
    )
    if not found:
        return None
    chat = found[0]
    reason = f"The column `{chat}` holds conversations; the last turn, the assistant's, is the answer."
    layout = Layout(
        [],
        "completion" if "completion" in columns else None,
        chat=chat,
        decisions=[Decision("prompt", reason)],
    )
    if columns[chat].filled < 1.0:
        usable = {name: column for name, column in columns.items() if name != chat and column.filled > 0}
        answers = _named(usable, ANSWERS)
        layout.prompt = _prompt_by_name(usable, {*answers})
        layout.answer = answers[0] if answers else None
        if layout.prompt and layout.answer:
            reason = f"Rows without one have {names(layout.prompt)} as what is asked and `{layout.answer}` as the answer."
            layout.decisions.append(Decision("answer", reason))
    return layout


def _columns(columns: dict[str, Column], said: Choices) -> Layout:
    usable = {
        name: column
        for name, column in columns.items()
        if column.filled > 0 and not (known(name, IDS) and not known(name, ANSWERS)) and "." not in name
    }
    # what is inside of objects counts by its name alone, or where the user names it
    inner = {name: column for name, column in columns.items() if "." in name and column.filled > 0}
    if len(usable) + len(inner) < 2:
        empty = [name for name, column in columns.items() if not column.filled]
        without = f" ({names(empty)} without any value)" if empty else ""
        raise InputError(
            f"only one column, {names(list(usable or inner or columns))}{without}. "
            "pada needs one with what is asked and one with the answer."
        )
    options = _options(usable)
    answer = said.answer or _answer_by_name(usable, inner, options, said)
    prompt = list(said.prompt) or _prompt_by_name(
        {**usable, **inner} if not _named(usable, PROMPTS) else usable, {answer, *options}
    )
    layout = Layout(prompt, answer, options=options)
    by_name = [bool(prompt), bool(answer)]
    if not prompt:
        layout.prompt = [_prompt_by_content(usable, {answer, *options})]
    if not answer:
        layout.answer = _answer_by_content(usable, {*layout.prompt, *options})
    layout.sureness = ("a guess", "likely", "sure")[sum(by_name)]
    layout.decisions = _decisions(layout, columns, said, by_name)
    _context(layout, usable, said)
    return layout


def _named(columns: dict[str, Column], kind: tuple[str, ...]) -> list[str]:
    """Columns with a name of this kind, the best name first."""
    return sorted((name for name in columns if known(name, kind)), key=lambda name: rank(name, kind))


def _options(columns: dict[str, Column]) -> list[str]:
    """The columns of a multiple choice question's options."""
    lists = [
        name
        for name in columns
        if known(name, CHOICES) and (columns[name].mostly("list") or columns[name].mostly("object"))
    ]
    if lists:
        return lists[:1]
    lettered = {letter: name for name in columns if (letter := option_letter(name)) is not None}
    for start in "A01":
        run = [chr(place) for place in range(ord(start), ord(start) + 9)]
        count = next(place for place, letter in enumerate(run) if letter not in lettered)
        if count >= 3:
            return [lettered[letter] for letter in run[:count]]
    return []


def _answer_by_name(
    columns: dict[str, Column], inner: dict[str, Column], options: list[str], said: Choices
) -> str | None:
    taken = {*options, *said.prompt}
    found = [name for name in _named(columns, ANSWERS) or _named(inner, ANSWERS) if name not in taken]
    # of two names for one thing, such as `answer` and `answers`, the one with more values
    found = [name for name in found if (inner | columns)[name].filled >= 0.5] or found
    return found[0] if found else None


def _prompt_by_name(columns: dict[str, Column], taken: set[str | None]) -> list[str]:
    # `Ticket` may be a text or a number of the ticket
    found = [
        name for name in _named(columns, PROMPTS) if name not in taken and not columns[name].mostly("number")
    ]
    if not found:
        return []
    folded = {fold(name): name for name in found}
    if "instruction" in folded and "prompt" not in folded and "question" not in folded:
        inputs = [name for name in columns if known(name, INPUTS) and name not in taken]
        return [folded["instruction"], *inputs[:1]]
    subject = [name for name in found if known(name, SUBJECTS)]
    body = [name for name in found if known(name, BODIES)]
    if subject and body and found[0] in (subject[0], body[0]):
        return [subject[0], body[0]]
    return found[:1]


def _prompt_by_content(columns: dict[str, Column], taken: set[str | None]) -> str:
    """The column of the longest and most different texts."""
    found = [column for name, column in columns.items() if name not in taken and not known(name, TIMES)]
    if not found:
        raise InputError(
            f"no column is left for what is asked; the columns are {names(list(columns))}. Pass --prompt."
        )
    return max(found, key=lambda column: (column.mostly("text"), column.length * column.distinct)).name


def _answer_by_content(columns: dict[str, Column], taken: set[str]) -> str:
    """Objects, else a column of few different texts, else the last column."""
    found = [
        column
        for name, column in columns.items()
        if name not in taken and column.filled >= 0.5 and not known(name, (*TIMES, *GROUPS))
    ]
    if not found:
        raise InputError(
            f"no column is left for the answer; the columns are {names(list(columns))}. Pass --answer."
        )
    objects = [column for column in found if column.mostly("object")]
    labels = [
        column for column in found if column.values > 1 and column.distinct <= 0.25 and column.mostly("text")
    ]
    if chosen := objects or labels:
        return chosen[-1].name
    return found[-1].name


def _decisions(
    layout: Layout, columns: dict[str, Column], said: Choices, by_name: list[bool]
) -> list[Decision]:
    prompt, answer = names(layout.prompt), f"`{layout.answer}`"
    what = "are what is asked, joined by a blank line" if len(layout.prompt) > 1 else "is what is asked"
    if said.prompt:
        asked = Decision("prompt", f"{prompt} {what}: {SAID}.")
    elif by_name[0]:
        asked = Decision("prompt", f"{prompt} {what}, by name.")
    else:
        why = "of all columns its texts are the longest and differ most"
        asked = Decision("prompt", f"{prompt} {what}: {why}.", "a guess")
    column = columns[layout.answer or ""]
    shown = "1 value" if column.values == 1 else f"{column.values:,} different values"
    if said.answer:
        answered = Decision("answer", f"{answer} is the answer: {SAID}.")
    elif by_name[1]:
        answered = Decision("answer", f"{answer} is the answer, by name.")
    else:
        why = f"{shown} in the rows looked at, and it is not what is asked"
        answered = Decision("answer", f"{answer} is the answer: {why}.", "a guess")
    return [asked, answered]


def _context(layout: Layout, columns: dict[str, Column], said: Choices) -> None:
    """The passage that a question is about."""
    if len(layout.prompt) != 1 or said.prompt:
        return
    asked = layout.prompt[0]
    found = [name for name in _named(columns, CONTEXTS) if name not in (asked, layout.answer)]
    if found and fold(asked) in (
        "question",
        "query",
        "frage",
        "pregunta",
        "質問",
        "问题",
        "질문",
        "प्रश्न",
        "คำถาม",
    ):
        layout.context = found[0]
        reason = f"`{found[0]}` is the passage that the question is about; it goes before the question."
        layout.decisions.append(Decision("context", reason))


def _group(layout: Layout, columns: dict[str, Column], said: Choices, taken: set[str | None]) -> None:
    if said.group:
        layout.group = None if said.group == NONE else said.group
        if layout.group:
            reason = f"Rows of one `{layout.group}` stay in one split: {SAID}."
            layout.decisions.append(Decision("group", reason))
        return
    for name in _named(columns, GROUPS):
        column = columns[name]
        if name not in taken and column.filled > 0.5 and column.values >= 10 and column.distinct < 0.95:
            layout.group = name
            reason = (
                f"Rows of one `{name}` stay in one split, so that the test has nobody that train has "
                f"(--group {NONE} turns it off)."
            )
            layout.decisions.append(Decision("group", reason, "likely"))
            return


def _time(layout: Layout, columns: dict[str, Column], said: Choices, taken: set[str | None]) -> None:
    layout.time = said.time
    if said.time:
        reason = f"The oldest rows by `{said.time}` are for training and the newest for the test: {SAID}."
        layout.decisions.append(Decision("time", reason))
        return
    dates: Sequence[str] = [
        name for name, column in columns.items() if name not in taken and column.mostly("date")
    ]
    if dates:
        reason = f"`{dates[0]}` holds dates. Pass --time {dates[0]} to test on the newest rows."
        layout.decisions.append(Decision("time", reason, "a guess"))
