"""Structured extraction: the reply is one JSON object, which is compared field by field."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Task

_FENCE = re.compile(r"```\w*\s*\n(.*?)\n?\s*```", re.DOTALL)

Fields = dict[str, Any]


class JsonFields(Task):
    """Right if the parsed reply equals the expected object. The order of keys does not count.

    A field with a wrong value counts as one miss and one false positive, as in slot filling.
    """

    name = "json_fields"
    metric = "exact_match"
    max_new_tokens = 128

    def __init__(self, train: Sequence[Example] = ()):
        super().__init__(train)
        self._kinds: dict[str, set[str]] = {}
        copied = []
        for example in train:
            for key, value in (parse(example.completion) or {}).items():
                self._kinds.setdefault(key, set()).add(_kind(value))
                copied.append(_is_copied(value, example.prompt))
        self._copies = bool(copied) and all(copied)

    def row_error(self, example: Example) -> str | None:
        if parse(example.completion) is None:
            return f"the completion {example.completion!r} is not one JSON object. Correct or remove the row."
        return None

    def stratify_key(self, example: Example) -> str:
        """The set of fields that the row has."""
        return ", ".join(sorted(parse(example.completion) or {})) or "no field"

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        fields = parse(completion)
        if fields is None:
            return "The completion is not one JSON object."
        return next((reason for reason in self._wrong_fields(prompt, fields)), None)

    def _wrong_fields(self, prompt: str, fields: Fields) -> Iterator[str]:
        for key, value in fields.items():
            kinds = self._kinds.get(key)
            if kinds is None:
                yield f"The field {key!r} never occurs in the training rows."
            elif _kind(value) not in kinds:
                known = " or ".join(sorted(kinds))
                yield f"The field {key!r} is {_kind(value)}; in the training rows it is {known}."
            elif self._copies and not _is_copied(value, prompt):
                yield f"The value {value!r} of {key!r} must be copied from the prompt, and is not in it."

    def answer_facts(self) -> AnswerFacts:
        copied = " Every value is copied from the prompt." if self._copies else ""
        return AnswerFacts(
            judged="Right if the reply is one JSON object with exactly the expected fields and values. The order of fields "
            "does not count.",
            form=f"One JSON object with those of the fields that the prompt speaks of.{copied}",
            fields={key: " or ".join(sorted(kinds)) for key, kinds in sorted(self._kinds.items())},
        )

    def score(self, example: Example, prediction: Prediction) -> Score:
        expected, got = parse(example.completion) or {}, parse(prediction.text)
        correct = got is not None and not _differences(expected, got)
        f1 = 0.0 if got is None else _rates(_total(_field_counts([(expected, got)])))["f1"]
        return Score(
            id=example.id,
            value=float(correct),
            correct=correct,
            explanation=_explain(expected, got, prediction),
            detail={"f1": f1},
        )

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Precision, recall and F1 per field (`fields`) and over all fields (`micro`); `not_json` replies."""
        replies = [parse(prediction.text) for prediction in predictions]
        pairs = [
            (parse(example.completion) or {}, got or {})
            for example, got in zip(examples, replies, strict=True)
        ]
        counts = _field_counts(pairs)
        return {
            "micro": _rates(_total(counts)),
            "fields": {key: _rates(counts[key]) for key in sorted(counts)},
            "not_json": replies.count(None),
        }


def parse(text: str) -> Fields | None:
    """Parse a text that is one JSON object, with or without a code fence around it; None for anything else."""
    fenced = _FENCE.fullmatch(text.strip())
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _kind(value: Any) -> str:
    """A JSON value's type, as messages show it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {str: "text", dict: "an object", list: "a list"}
    return names.get(type(value), "a number")


def _is_copied(value: Any, prompt: str) -> bool:
    return isinstance(value, str) and value in prompt


def _differences(expected: Fields, got: Fields) -> list[str]:
    """One phrase for each missing, wrong or extra field."""
    missing = [f"{key!r} ({value!r}) is missing" for key, value in expected.items() if key not in got]
    wrong = [
        f"{key!r} should be {value!r} and is {got[key]!r}"
        for key, value in expected.items()
        if key in got and not _same(value, got[key])
    ]
    extra = [f"{key!r} ({value!r}) should not be there" for key, value in got.items() if key not in expected]
    return missing + wrong + extra


def _explain(expected: Fields, got: Fields | None, prediction: Prediction) -> str:
    if got is None:
        cut = " because the token limit cut it off" if prediction.truncated else ""
        return f"The reply is not one JSON object{cut}."
    differences = _differences(expected, got)
    if differences:
        return f"In the reply {', '.join(differences)}."
    return "All fields are right." if expected else "The reply is rightly the empty object."


def _field_counts(pairs: Sequence[tuple[Fields, Fields]]) -> dict[str, Counter[str]]:
    """Field -> how often it is `expected`, `given`, and `right`."""
    counts: dict[str, Counter[str]] = {}
    for expected, got in pairs:
        for key in expected.keys() | got.keys():
            count = counts.setdefault(key, Counter())
            count["expected"] += key in expected
            count["given"] += key in got
            count["right"] += key in expected and key in got and _same(expected[key], got[key])
    return counts


def _total(counts: dict[str, Counter[str]]) -> Counter[str]:
    return sum(counts.values(), Counter())


def _rates(count: Counter[str]) -> dict[str, float]:
    """The counts with precision, recall and F1. All three are 1 if nothing is expected and nothing given."""
    expected, given, right = count["expected"], count["given"], count["right"]
    nothing = float(not expected and not given)
    return {
        "expected": expected,
        "given": given,
        "precision": right / given if given else nothing,
        "recall": right / expected if expected else nothing,
        "f1": 2 * right / (given + expected) if given + expected else 1.0,
    }
