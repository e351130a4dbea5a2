"""A row of ARC-Challenge is converted. The row is quoted from the source."""

from __future__ import annotations

from trainer.tasks import load_task


def test_arc_challenge_with_digits_for_letters() -> None:
    row = {
        "id": "MCAS_2000_4_6",
        "question": "Which technology was developed most recently?",
        "choices": {"text": ["cellular telephone", "television", "refrigerator"], "label": ["1", "2", "3"]},
        "answerKey": "1",
    }
    converted = load_task("arc_challenge").convert(row)
    assert converted
    assert converted["prompt"] == (
        "Which technology was developed most recently?\n\nA. cellular telephone\nB. television\nC. refrigerator\n\n"
        "Answer with the letter of the correct option."
    )
    assert (converted["completion"], converted["choices"]["label"]) == ("A", ["A", "B", "C"])
