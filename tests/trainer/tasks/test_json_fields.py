"""Objects compared field by field."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction
from trainer.tasks.json_fields import JsonFields, parse


def row(fields: dict[str, Any], prompt: str = "p") -> Example:
    return Example(id="a", prompt=prompt, completion=json.dumps(fields))


def reply(fields: Any, truncated: bool = False) -> Prediction:
    text = fields if isinstance(fields, str) else json.dumps(fields)
    return Prediction(id="a", text=text, truncated=truncated)


TASK = JsonFields([row({"time": "8pm", "people": "4"}, "at 8pm for 4"), row({}, "hello")])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"a": 1}', {"a": 1}),
        (' \n{"a": 1}\n', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a":\n 1}\n``` \n', {"a": 1}),
        ('```json\n{"a": "```"}\n```', {"a": "```"}),
        ("{}", {}),
        ("", None),
        ("[1]", None),
        ('Sure: {"a": 1}', None),
        ('{"a": 1} {"b": 2}', None),
        ("{'a': 1}", None),
        ("[" * 100_000, None),
    ],
)
def test_parse(text: str, fields: dict[str, Any] | None) -> None:
    assert parse(text) == fields


@pytest.mark.parametrize(
    ("expected", "got", "correct", "f1"),
    [
        ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}, True, 1.0),
        ({}, {}, True, 1.0),
        ({"a": 1}, {"a": 1.0}, True, 1.0),
        ({"a": 1}, {"a": True}, False, 0.0),
        ({"a": "1"}, {"a": 1}, False, 0.0),
        ({"a": ["x"]}, {"a": ["x"]}, True, 1.0),
        ({"a": "x", "b": "y"}, {"a": "x"}, False, 2 / 3),  # P 1, R 1/2
        ({"a": "x"}, {"a": "x", "b": "y", "c": "z"}, False, 1 / 2),  # P 1/3, R 1
        ({"a": "x", "b": "y"}, {"a": "x", "b": "z"}, False, 1 / 2),  # P 1/2, R 1/2
        ({"a": "x"}, {}, False, 0.0),
        ({}, {"a": "x"}, False, 0.0),
        ({}, "no idea", False, 0.0),
    ],
)
def test_score(expected: dict[str, Any], got: Any, correct: bool, f1: float) -> None:
    score = TASK.score(row(expected), reply(got))
    assert (score.correct, score.value) == (correct, float(correct))
    assert score.detail["f1"] == pytest.approx(f1)


def test_explanations() -> None:
    def explanation(expected: dict[str, Any], got: Any, truncated: bool = False) -> str:
        return TASK.score(row(expected), reply(got, truncated)).explanation

    assert explanation({"time": "8pm"}, {"time": "8pm"}) == "All fields are right."
    assert explanation({}, {}) == "The reply is rightly the empty object."
    assert explanation({"time": "8pm", "people": "4"}, {"people": "5", "date": "today"}) == (
        "In the reply 'time' ('8pm') is missing, 'people' should be '4' and is '5', "
        "'date' ('today') should not be there."
    )
    assert explanation({}, "eight") == "The reply is not one JSON object."
    cut = "The reply is not one JSON object because the token limit cut it off."
    assert explanation({}, '{"time": "8', truncated=True) == cut


def test_summary_by_hand() -> None:
    expected = [{"time": "8pm", "people": "4"}, {"time": "9pm"}, {"people": "2"}, {}]
    got: list[Any] = [{"time": "8pm", "people": "5"}, {"time": "9pm", "date": "today"}, "?", {}]
    summary = TASK.summarize([row(fields) for fields in expected], [reply(fields) for fields in got])
    assert summary["fields"]["time"] == {"expected": 2, "given": 2, "precision": 1, "recall": 1, "f1": 1}
    assert summary["fields"]["people"] == {"expected": 2, "given": 1, "precision": 0, "recall": 0, "f1": 0}
    assert summary["fields"]["date"] == {"expected": 0, "given": 1, "precision": 0, "recall": 0, "f1": 0}
    # 4 expected, 4 given, 2 right
    assert summary["micro"] == {"expected": 4, "given": 4, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert summary["not_json"] == 1


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ('{"time": "9pm"}', None),
        ("{}", None),
        ("9pm", "The completion is not one JSON object."),
        ('{"hour": "9pm"}', "The field 'hour' never occurs in the training rows."),
        ('{"time": 9}', "The field 'time' is a number; in the training rows it is text."),
        ('{"time": ["9pm"]}', "The field 'time' is a list; in the training rows it is text."),
        ('{"time": null}', "The field 'time' is null; in the training rows it is text."),
        (
            '{"time": "21:00"}',
            "The value '21:00' of 'time' must be copied from the prompt, and is not in it.",
        ),
    ],
)
def test_new_rows(completion: str, reason: str | None) -> None:
    assert TASK.new_row_error("a table at 9pm", completion) == reason


def test_values_need_not_be_copied_where_train_does_not() -> None:
    task = JsonFields([row({"city": "Paris"}, "to Paris"), row({"city": "London"}, "to the big smoke")])
    assert task.new_row_error("to the city of light", '{"city": "Paris"}') is None


def test_a_data_row_must_be_an_object(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "completion": "{}"}\n{"prompt": "q", "completion": "8pm"}\n')
    with pytest.raises(DataError, match=r"line 2: the completion '8pm' is not one JSON object"):
        TASK.load(path)


def test_stratum_is_the_set_of_fields() -> None:
    assert TASK.stratify_key(row({"b": 1, "a": 2})) == TASK.stratify_key(row({"a": 3, "b": 4})) == "a, b"
    assert TASK.stratify_key(row({})) == "no field"
