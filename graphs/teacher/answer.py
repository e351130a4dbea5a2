"""Reads the answer to a call from what a model wrote around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from graphs.ports import Answer
from trainer.strict import holds_unstorable

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")
MOST_BRACKETS = 1000
"""In a text that are tried as the beginning of an answer: a text of brackets alone would take minutes."""

_JSON = json.JSONDecoder()


class UnfitAnswerError(ValueError):
    """An answer that does not fit its schema; the message says where."""


def parse_answer(schema: type[Answer], text: str) -> Answer:
    """The first JSON value in `text` that fits, also from a code fence, after the model's thoughts, or among prose.

    Keys may be written in another case (`Root Cause`), and a schema with one field may have that field's value alone.

    Raises:
        UnfitAnswerError: there is no JSON object in it, or none fits, or it says nothing, or a text in it can be in no file
            or database.
    """
    fault = "it holds no JSON object"
    for value in json_values(without_thoughts(text)):
        if holds_unstorable(value):
            fault = "a text in it holds a NUL or half a character (a lone surrogate)"
            continue
        try:
            answer = schema.model_validate_json(json.dumps(renamed(wrapped(value, schema), schema)))
        except ValidationError as error:
            fault = first_fault(error)
            continue
        if not says_nothing(answer):
            return answer
        fault = "all its texts are empty"
    raise UnfitAnswerError(fault)


def says_nothing(answer: BaseModel) -> bool:
    """Whether an answer is made of texts alone, and all are blank."""
    values = answer.model_dump().values()
    return all(isinstance(value, str) and not value.strip() for value in values)


def first_fault(error: ValidationError) -> str:
    """Where an answer does not fit, and why."""
    found = error.errors(include_url=False, include_input=False)[0]
    location = ".".join(str(part) for part in found["loc"])
    return f"{location}: {found['msg']}" if location else found["msg"]


def without_thoughts(text: str) -> str:
    """The text after a reasoning model's thoughts. Some templates open them in the prompt; cut ones have no end."""
    after = _THOUGHT.sub("", text).rpartition("</think>")[2]
    return after.partition("<think>")[0]


def json_values(text: str) -> Iterator[Any]:
    """The outermost JSON objects and arrays in a text, in order."""
    place = 0
    for _ in range(MOST_BRACKETS):
        bracket = _BRACKET.search(text, place)
        if bracket is None:
            return
        try:
            value, place = _JSON.raw_decode(text, bracket.start())
        except (ValueError, RecursionError):
            place = bracket.start() + 1
        else:
            yield value


def wrapped(value: Any, schema: type[BaseModel]) -> Any:
    """An array where the schema has one field, which is a list: as that field."""
    if isinstance(value, list) and len(schema.model_fields) == 1:
        return {next(iter(schema.model_fields)): value}
    return value


def renamed(value: Any, schema: type[BaseModel]) -> Any:
    """Keys as the schema writes them, where they differ in case, spaces or hyphens alone."""
    if not isinstance(value, dict):
        return value
    names = {_plain(name): name for name in schema.model_fields}
    found = {names.get(_plain(key), key): each for key, each in value.items()}
    for name, field in schema.model_fields.items():
        kinds = [
            kind
            for kind in get_args(field.annotation)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if kinds and isinstance(found.get(name), list):
            found[name] = [renamed(each, kinds[0]) for each in found[name]]
    return found


def _plain(key: str) -> str:
    return re.sub(r"[\W_]", "", key).lower()
