"""Reads files of rows from users and reports what is wrong with them. This module does not import torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.records import Example
from trainer.row_json import RowError, kind_of, parse_row

ROLES = ("system", "user", "assistant")
UNUSED = ("tool_calls", "function_call", "tool_call_id", "reasoning_content", "reasoning", "thinking")
"""Keys of a turn that change what it says, and that no template of ours renders."""

Check = Callable[[Example], str | None]
"""Returns why a row cannot be used and what to do, or None."""


class DataError(Exception):
    """The rows or the task that a config names cannot be used. The message says where and what to do."""


@dataclass(frozen=True)
class RowFault:
    """A row that cannot be used."""

    line: int
    """From 1."""
    reason: str
    """What is wrong, and what to do."""


@dataclass
class Scan:
    """What a file of rows holds, good and bad."""

    rows: list[Example]
    lines: list[int]
    """The line of each row."""
    faults: list[RowFault]


def read_examples(path: Path, check: Check | None = None) -> list[Example]:
    """Read a JSONL file of rows, in file order. See `scan_examples`.

    Raises:
        DataError: names the file, the line, the first error and the number of further rows with errors.
    """
    return _sound(scan_examples(path, check), path)


def read_prompts(path: Path, check: Check | None = None) -> list[Example]:
    """Read a JSONL file of rows without answers, in file order. See `scan_examples` with `answers=False`.

    Raises:
        DataError: see `read_examples`.
    """
    return _sound(scan_examples(path, check, answers=False), path)


def _sound(found: Scan, path: Path) -> list[Example]:
    """The rows of a file in which nothing is wrong."""
    if found.faults:
        first, further = found.faults[0], len(found.faults) - 1
        more = f" (Further faulty rows in this file: {further}. `pada check` lists them.)" if further else ""
        raise DataError(f"{path}, line {first.line}: {first.reason}{more}")
    if not found.rows:
        raise DataError(f"{path} has no rows. Write one JSON object a line.")
    return found.rows


def scan_examples(path: Path, check: Check | None, *, answers: bool = True) -> Scan:
    """Read a JSONL file of rows and all that is wrong with them. Blank lines and a byte order mark are skipped.

    A row is `{"id", "prompt", "completion", ...}`, or `{"id", "messages": [{"role", "content"}, ...]}`. In the second
    form, the last turn must be the assistant's, and it is the completion. A row without an id gets the file's stem and
    its line number as its id.

    Args:
        check: the task's check of a row.
        answers: whether rows have answers. If not, `completion` is empty, and an answer that a row has is left out: a
            `completion`, or a last turn of the assistant.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    path = Path(path)
    found = Scan([], [], [])
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            row = parse_row(line)
            example = _example(row if answers else _without_answer(row), f"{path.stem}-{number}", answers)
            _raise_if(check(example) if check else None)
            _raise_if(_duplicate(example.id, lines))
        except RowError as error:
            found.faults.append(RowFault(number, str(error)))
            continue
        lines[example.id] = number
        found.rows.append(example)
        found.lines.append(number)
    return found


def line_of(path: Path, identifier: str) -> int | None:
    """Line number of the row with this id; None if the file is not JSONL, because a task can read other formats."""
    try:
        for number, line in _lines(path):
            if _identifier(parse_row(line).get("id"), f"{path.stem}-{number}") == identifier:
                return number
    except (DataError, RowError):
        pass
    return None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The file's non-blank lines with their numbers, from 1."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(
            f"{path} is a device or a pipe, and rows are read more than once. Save them in a file."
        )
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}. Check the path under `data`.") from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. A data file must be a readable file."
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {number}: byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8."
        ) from None
    # not splitlines: JSON strings may contain U+2028 and other line separators
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _raise_if(reason: str | None) -> None:
    if reason is not None:
        raise RowError(reason)


def _duplicate(identifier: str, lines: dict[str, int]) -> str | None:
    if identifier not in lines:
        return None
    return (
        f"the id {identifier!r} is already that of line {lines[identifier]}. Give each row an id of its own."
    )


def _without_answer(row: dict[str, Any]) -> dict[str, Any]:
    """The row with an empty completion, and its turns up to the last one of the user."""
    turns = row.get("messages")
    if (
        isinstance(turns, list)
        and turns
        and isinstance(turns[-1], dict)
        and turns[-1].get("role") == "assistant"
    ):
        row = row | {"messages": turns[:-1]}
    return row | {"completion": ""}


def _example(row: dict[str, Any], default_id: str, answers: bool) -> Example:
    row = dict(row)
    row["id"] = _identifier(row.get("id"), default_id)
    if row.get("messages") is not None:
        _unfold_chat(row)
    for key in ("prompt", "completion") if answers else ("prompt",):
        row[key] = _text(row, key)
    return Example.model_validate(row)


def _identifier(value: Any, default: str) -> str:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise RowError(f"`id` is {kind_of(value)}. Write a text or a whole number, or leave it out.")
    return str(value)


def _text(row: dict[str, Any], key: str) -> str:
    if key not in row:
        raise RowError(f"the row has no `{key}`. A row needs `prompt` and `completion`, or `messages`.")
    value = row[key]
    if not isinstance(value, str):
        raise RowError(f"`{key}` is {kind_of(value)}, not text. Put it in quotes.")
    if not value.strip():
        raise RowError(f"`{key}` is empty. Fill it in or remove the row.")
    return value


def _unfold_chat(row: dict[str, Any]) -> None:
    """Split a chat row into its earlier turns, the last user turn as `prompt`, and the `completion`.

    A row that is already split (a `completion`, and messages that end with a user turn) stays as it is.
    """
    turns = _turns(row["messages"])
    if "completion" not in row:
        if turns[-1]["role"] != "assistant":
            raise RowError(
                f"`messages` ends with the {turns[-1]['role']} turn. The last turn must be the assistant's: "
                "it is the completion."
            )
        row["completion"] = turns.pop()["content"]
    elif turns[-1]["role"] == "assistant":
        raise RowError(
            "`messages` ends with an assistant turn, and there is a `completion` too. Remove one of them."
        )
    if not any(turn["role"] == "user" for turn in turns):
        raise RowError("`messages` has no user turn before the completion. Add what the student is asked.")
    if turns[-1]["role"] != "user":
        raise RowError(
            f"the turn before the answer is the {turns[-1]['role']}'s. It must be the user's: join turns of one role, and put "
            "the system turn first."
        )
    row["messages"] = turns
    row.setdefault("prompt", turns[-1]["content"])


def _turns(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise RowError(
            f"`messages` is {kind_of(value)}. Write a list of turns: {{'role': ..., 'content': ...}}."
        )
    return [_turn(turn, number) for number, turn in enumerate(value, 1)]


def _turn(turn: Any, number: int) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise RowError(
            f"turn {number} of `messages` is {kind_of(turn)}. Write {{'role': ..., 'content': ...}}."
        )
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        raise RowError(f"turn {number} of `messages` has the unknown role {role!r}. Use {', '.join(ROLES)}.")
    if not isinstance(content, str):
        raise RowError(f"the `content` of turn {number} of `messages` is {kind_of(content)}, not text.")
    if unused := next((key for key in UNUSED if turn.get(key)), None):
        raise RowError(
            f"turn {number} of `messages` has `{unused}`, which the student would not see. Put what matters into `content`, "
            "or remove the row."
        )
    return {"role": role, "content": content}
