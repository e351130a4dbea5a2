"""Answers as models write them: what is read, and what is not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from graphs.schemas import BlindAnswers, ErrorAnalysis, QualityReport, SampleBatch
from graphs.teacher.answer import UnfitAnswerError, parse_answer

GOOD = '{"root_cause": "It guesses.", "scenario": "Cards."}'
ROW = '{"prompt": "Where is my card?", "completion": "card_arrival"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Here it is:\n```json\n{GOOD}\n```\nAnything else {{or not}}?",
        f"<think>Perhaps {{this}} or {{}}?</think>{GOOD}",
        f"Perhaps {{this}}?</think>\n{GOOD}",
        f"<think>One.</think>{GOOD}<think>Was that right? {{",
        f"As [1] says, {GOOD}",
        '{"Root Cause": "It guesses.", "SCENARIO": "Cards."}',
        '{"rootCause": "It guesses.", "scenario": "Cards.", "confidence": 3}',
    ],
    ids=["plain", "fence", "thoughts", "no opening", "open at the end", "a reference", "case", "camel"],
)
def test_the_answer_is_found(text: str) -> None:
    assert parse_answer(ErrorAnalysis, text) == ErrorAnalysis(root_cause="It guesses.", scenario="Cards.")


@pytest.mark.parametrize(
    "text", [f'{{"samples": [{ROW}]}}', f"[{ROW}]", f"Rows:\n[{ROW}]", ROW.join(['{"Samples": [', "]}"])]
)
def test_rows_may_come_without_the_object_around_them(text: str) -> None:
    (row,) = parse_answer(SampleBatch, text).samples
    assert (row.prompt, row.completion) == ("Where is my card?", "card_arrival")


def test_keys_of_rows_may_be_written_otherwise() -> None:
    text = '{"samples": [{"Prompt": "Where?", "COMPLETION": "card_arrival"}]}'
    assert parse_answer(SampleBatch, text).samples[0].completion == "card_arrival"


@pytest.mark.parametrize(
    ("given", "score"), [("8/10", 8), ("8", 8), (8.5, 8), (7.6, 8), (0, 1), (11, 10), ("9 / 10", 9), (-3, 1)]
)
def test_scores_are_read_as_judges_write_them(given: Any, score: int) -> None:
    report = {"adherence": given, "utility": 5, "relevance": 5, "rejected": ["1", 2], "feedback": "Sound."}
    found = QualityReport.model_validate(report)
    assert (found.adherence, found.rejected) == (score, [1, 2])


@pytest.mark.parametrize("given", ["4/5", "good", None, True, float("nan"), [8]])
def test_what_is_no_score_out_of_ten_is_refused(given: Any) -> None:
    report = {"adherence": given, "utility": 5, "relevance": 5, "rejected": [], "feedback": ""}
    with pytest.raises(ValueError, match="adherence"):
        QualityReport.model_validate(report)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("I would rather not.", "no JSON object"),
        (f"<think>{GOOD}", "no JSON object"),
        ('{"root_cause": "It guesses."', "no JSON object"),
        ('{"verdict": "fine"}', "root_cause: Field required"),
        ("[1, 2]", "valid dictionary|object"),
        ('{"root_cause": "Half of a sign: \\ud800", "scenario": "x"}', "half a character"),
        ('{"root_cause": "", "scenario": " \\n"}', "empty"),
        ('{"root_cause": "It reads caf\\u0000e9.", "scenario": "x"}', "a NUL"),
    ],
)
def test_what_does_not_fit_says_where(text: str, reason: str) -> None:
    with pytest.raises(UnfitAnswerError, match=reason):
        parse_answer(ErrorAnalysis, text)


def test_a_flood_of_brackets_is_given_up_soon() -> None:
    began = time.process_time()
    for flood in ("[" * 200_000, "{" * 200_000, '{"a":' * 50_000):
        with pytest.raises(UnfitAnswerError):
            parse_answer(BlindAnswers, flood)
    assert time.process_time() - began < 20
