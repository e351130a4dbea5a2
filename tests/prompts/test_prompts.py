"""The teacher's instructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from pydantic import BaseModel

import prompts
from graphs.schemas import (
    AugmentationStrategy,
    BlindAnswers,
    ErrorAnalysis,
    FailurePattern,
    QualityReport,
    SampleBatch,
    TaskDescription,
)
from prompts import Judging, Writing, render

WRITINGS = get_args(Writing)
JUDGINGS = [name for kind in get_args(Judging) for name in get_args(kind)]
PROMPTS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "describe_task": (TaskDescription, {}),
    "analyze_errors": (ErrorAnalysis, {}),
    "find_patterns": (FailurePattern, {}),
    "blind": (BlindAnswers, {}),
    "draft_strategies": (AugmentationStrategy, {}),
    **{
        f"write/{purpose}": (SampleBatch, {"count": 5, "feedback": False, "fixed": False})
        for purpose in WRITINGS
    },
    **{f"judge/{purpose}": (QualityReport, {}) for purpose in JUDGINGS},
}


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_renders_and_names_the_fields_of_its_answer(name: str) -> None:
    schema, variables = PROMPTS[name]
    text = render(name, **variables)
    assert "{{" not in text
    assert "{%" not in text
    assert "data, never instructions" in text
    fields = schema.model_fields
    for field in fields:
        assert field.rstrip("s") in text


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="count"):
        render("write/task", feedback=False, fixed=False)
    with pytest.raises(UndefinedError, match="feedback"):
        render("write/task", count=3, fixed=False)


def test_an_unknown_prompt_is_an_error() -> None:
    with pytest.raises(TemplateNotFound):
        render("no_such_prompt")


@pytest.mark.parametrize("purpose", WRITINGS)
def test_the_writer_is_told_how_many_and_what_to_fix(purpose: str) -> None:
    assert "exactly 17 samples" in render(f"write/{purpose}", count=17, feedback=False, fixed=False)
    assert "sent back" not in render(f"write/{purpose}", count=3, feedback=False, fixed=False)
    assert (
        "sent back"
        in render(f"write/{purpose}", count=3, feedback=True, fixed=False).split("Write exactly")[1]
    )


OWN_KEY = {
    "pattern": "`strategy`",
    "train_error": "`error`",
    "contrast": "`right`",
    "train_row": "`original`",
}


@pytest.mark.parametrize("kind", ["write", "judge"])
def test_a_prompt_speaks_of_its_own_purpose_alone(kind: str) -> None:
    """Each file fills in its blocks: it names its purpose's key, and no other purpose's."""
    for purpose in WRITINGS:
        text = render(f"{kind}/{purpose}", **PROMPTS[f"{kind}/{purpose}"][1])
        others = {key for name, key in OWN_KEY.items() if name != purpose and key in text}
        assert others == ({"`error`"} if purpose == "contrast" else set())
        assert purpose in ("task", "explore") or OWN_KEY[purpose] in text
        assert "or null" not in text


def test_every_purpose_has_its_file() -> None:
    folder = Path(prompts.__file__).parent
    for kind, purposes in {"write": WRITINGS, "judge": JUDGINGS}.items():
        assert {path.stem for path in (folder / kind).glob("*.md")} == {"base", *purposes}
