"""When two rows ask the same."""

from __future__ import annotations

import pytest

from app.config.asked import comparable_prompt
from trainer.records import Example
from trainer.text import comparable


@pytest.mark.parametrize("other", ["where is  my parcel", "Where is my parcel?!", '"WHERE is my — parcel."'])
def test_case_punctuation_and_white_space_do_not_count(other: str) -> None:
    assert comparable(other) == comparable("Where is my parcel?")


@pytest.mark.parametrize(("one", "other"), [("2 + 2", "2 - 2"), ("a/b", "a b"), ("!", "?")])
def test_what_changes_the_meaning_counts(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_all_turns_of_a_chat_are_compared() -> None:
    def chat(first: str) -> Example:
        turns = [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "Shall I?"},
            {"role": "user", "content": "yes"},
        ]
        return Example.model_validate({"id": "1", "prompt": "yes", "messages": turns, "completion": "done"})

    assert comparable_prompt(chat("Cancel it.")) == comparable_prompt(chat("cancel it"))
    assert comparable_prompt(chat("Cancel it.")) != comparable_prompt(chat("Keep it."))
