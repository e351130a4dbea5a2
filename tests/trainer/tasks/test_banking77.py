"""A row of Banking77 is converted."""

from __future__ import annotations

from trainer.tasks import load_task


def test_a_row_of_the_source() -> None:
    converted = load_task("banking77").convert({"text": " My card?\n", "label": "card_arrival"})
    assert converted
    assert converted["prompt"] == (
        "Classify the banking customer query into one intent label.\n\nQuery: My card?\n\nIntent:"
    )
    assert converted["completion"] == "card_arrival"
