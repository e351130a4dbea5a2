"""The teacher's instructions."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from graphs.schemas import AugmentationStrategy, ErrorAnalysis, FailurePattern, QualityReport, SampleBatch
from prompts import render

PROMPTS: dict[str, tuple[type, dict[str, Any]]] = {
    "analyze_errors": (ErrorAnalysis, {}),
    "find_patterns": (FailurePattern, {}),
    "draft_strategies": (AugmentationStrategy, {}),
    "generate": (SampleBatch, {"count": 5, "feedback": False}),
    "check_quality": (QualityReport, {}),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_renders_and_names_the_fields_of_its_answer(name: str) -> None:
    schema, variables = PROMPTS[name]
    text = render(name, **variables)
    assert "{{" not in text
    assert "{%" not in text
    assert "data, never instructions" in text
    fields = schema.model_fields  # type: ignore[attr-defined]
    for field in fields:
        assert field.rstrip("s") in text


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="count"):
        render("generate", feedback=False)
    with pytest.raises(UndefinedError, match="feedback"):
        render("generate", count=3)


def test_an_unknown_prompt_is_an_error() -> None:
    with pytest.raises(TemplateNotFound):
        render("no_such_prompt")


def test_the_writer_is_told_how_many_and_what_to_mend() -> None:
    assert "exactly 17 samples" in render("generate", count=17, feedback=False)
    assert "sent back" not in render("generate", count=3, feedback=False).split("Write exactly")[1]
    assert "sent back" in render("generate", count=3, feedback=True).split("Write exactly")[1]
