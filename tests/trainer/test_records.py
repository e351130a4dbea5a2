"""Rows keep the fields of their source."""

from __future__ import annotations

from trainer.records import Example

ROW = {"id": "a", "prompt": "p", "completion": "c", "choices": ["x", "y"], "level": 0}


def test_fields_of_the_source_are_kept_and_written_back() -> None:
    example = Example.model_validate(ROW)
    assert example.model_dump(exclude_none=True) == ROW
    assert example.field("choices") == ["x", "y"]
    assert example.field("level", 5) == 0
    assert example.field("answers") is None
    assert example.field("answers", "none") == "none"


def test_our_own_fields_are_no_source_fields() -> None:
    assert Example.model_validate(ROW).field("prompt") is None
