"""The model card of an exported student."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from app.report.card import Export, base_model, render_card
from tests.app.report.html_page import Page
from tests.app.report.report_example import STATES


def test_card_is_read_by_the_hub_library() -> None:
    card: Any = ModelCard(render_card(STATES["finished"], export=Export("adapter")))
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (card.data.library_name, card.data.license) == ("peft", "apache-2.0")
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", 0.703, "test")
    assert result.metric_args["ci95"] == [0.052, 0.145]
    assert "trained on 423 rows, of which 192 were written by the teacher" in card.text
    assert "| Round 2 | 71.4" in card.text


def test_card_of_a_baseline_claims_the_baselines_score() -> None:
    card: Any = ModelCard(
        render_card(STATES["nothing-helped"], export=Export("merged", compared=400, same=399))
    )
    assert card.data.library_name == "transformers"
    assert card.data.eval_results[0].metric_value == 0.605
    assert "of which none was written by the teacher" in card.text
    assert "agree on 399 of 400 validation rows" in card.text


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("form", ["adapter", "merged", "full"])
def test_card_holds_no_markup_of_its_rows(name: str, form: Any) -> None:
    text = ModelCard(render_card(STATES[name], export=Export(form))).text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tags = {tag for tag, _ in Page(html).elements}
    assert not tags & {"script", "img", "b"}
    assert "None" not in text


def test_card_without_a_test_claims_nothing() -> None:
    card: Any = ModelCard(render_card(STATES["paused"], export=Export("adapter")))
    assert card.data.eval_results is None
    assert "The sealed test has not been scored: nothing is claimed." in card.text


def test_local_student_keeps_its_path_to_itself() -> None:
    report = STATES["finished"].model_copy(update={"student": "/home/someone/secret-project/base-v2"})
    text = render_card(report, export=Export("adapter"))
    assert "secret-project" not in text
    assert "base-v2 (local)" in text
    card: Any = ModelCard(text)
    assert card.data.base_model is None
    assert "The licence of the base model is not known here" in text


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("./models/qwen", None),
        ("models/qwen.gguf", None),
        ("/models/qwen", None),
        ("tests/app", None),
    ],
)
def test_base_model_is_a_hub_name_or_nothing(student: str, expected: str | None) -> None:
    assert base_model(student)[0] == expected
