"""A row of RESTAURANTS-8K is converted."""

from __future__ import annotations

import json

from trainer.tasks import load_task


def test_a_row_of_the_source() -> None:
    task = load_task("restaurant8k_slots")
    labels = [
        {"slot": "time", "valueSpan": {"startIndex": 16, "endIndex": 26}},
        {"slot": "date", "valueSpan": {"startIndex": None, "endIndex": 3}},
    ]
    row = {"userInput": {"text": "any tables free in an hour"}, "context": None, "labels": labels}
    converted = task.convert(row)
    assert converted
    assert json.loads(converted["completion"]) == {"date": "any", "time": "in an hour"}
    assert list(converted["slots"]) == ["date", "time"]
    assert converted["prompt"] == (
        "Extract the booking details from the customer message as a JSON object. Use only the keys date, time, people, "
        "first_name, last_name, copy the values exactly from the message, and leave out keys that are not mentioned."
        "\n\nMessage: any tables free in an hour"
    )
    asked = task.convert(
        {"userInput": {"text": "13"}, "context": {"requestedSlots": ["time"]}, "labels": None}
    )
    assert asked
    assert asked["prompt"].endswith("mentioned.\n\nThe agent asked for: time\n\nMessage: 13")
    assert asked["completion"] == "{}"
