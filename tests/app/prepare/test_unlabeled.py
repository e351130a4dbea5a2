"""Rows without answers as `pada init` writes them, from files of several forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.prepare.layout import Layout
from app.prepare.tables import InputError, ReadOptions
from app.prepare.unlabeled import read_unlabeled


def read(tmp_path: Path, layout: Layout, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    path = tmp_path / "logs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, _ = read_unlabeled(str(path), layout, ReadOptions())
    return [{key: value for key, value in row.items() if key != "place"} for row in found]


def test_the_only_column_is_what_is_asked(tmp_path: Path) -> None:
    found = read(tmp_path, Layout(["text"], "label"), {"message": "hello"}, {"message": "bye"})
    assert found == [{"prompt": "hello"}, {"prompt": "bye"}]


def test_passage_options_and_system_prompt_are_put_as_in_rows_with_answers(tmp_path: Path) -> None:
    row = {
        "passage": "It rains.",
        "question": "Wet?",
        "options": ["yes", "no"],
        "system": "Be brief.",
        "more": 1,
    }
    chosen = read(tmp_path, Layout(["question"], "answer", context="passage", options=["options"]), row)
    assert chosen == [
        {
            "prompt": "It rains.\n\nWet?\n\nA. yes\nB. no\n\nAnswer with the letter of the correct option.",
            "choices": ["yes", "no"],
        }
    ]
    asked = read(tmp_path, Layout(["question"], "answer", system="system"), row)
    assert asked[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Wet?"},
    ]


def test_conversations_end_with_the_last_question(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
        {"from": "human", "value": "And now?"},
    ]
    answered = {"conversations": [*turns, {"from": "gpt", "value": "Nothing."}], "id": 1}
    found = read(
        tmp_path, Layout([], None, chat="conversations"), answered, {"conversations": turns, "id": 2}
    )
    expected = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And now?"},
    ]
    assert [row["messages"] for row in found] == [expected, expected]


def test_other_columns_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--unlabeled: there is no column"):
        read(tmp_path, Layout(["text"], "label"), {"body": "hello", "title": "x"})
