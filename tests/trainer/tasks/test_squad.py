"""A row of SQuAD is converted. The row is quoted from the source."""

from __future__ import annotations

from trainer.records import Example
from trainer.tasks import load_task


def test_a_row_of_the_source() -> None:
    context = "Super Bowl 50 was an American football game to determine the champion."
    row = {
        "id": "56be4db0acb8001400a502ec",
        "title": "Super_Bowl_50",
        "context": context,
        "question": " Which game was it?",
        "answers": {"text": ["Super Bowl 50", "Super Bowl"], "answer_start": [0, 0]},
    }
    converted = load_task("squad").convert(row)
    assert converted
    assert converted["prompt"] == (
        "Answer the question with a short span copied from the passage.\n\n"
        f"Passage: {context}\n\nQuestion: Which game was it?\n\nAnswer:"
    )
    assert converted["completion"] == "Super Bowl 50"
    assert load_task("squad").group(Example(**converted)) == "Super_Bowl_50"
