"""What a client makes of the replies of odd servers."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage

from graphs.teacher.client import read_usage
from graphs.teacher.failures import classify


@pytest.mark.parametrize(("prompt", "answer", "total"), [(10**30, 5, 15), (10, 10**30, 15), (10, 5, 10**30)])
def test_usage_that_nobody_has_counted_is_none(prompt: int, answer: int, total: int) -> None:
    message = AIMessage(
        "x", usage_metadata={"input_tokens": prompt, "output_tokens": answer, "total_tokens": total}
    )
    assert read_usage(message) is None


def test_a_body_that_is_nested_too_deeply_is_no_chat_completion() -> None:
    failure = classify(RecursionError("maximum recursion depth exceeded"))
    assert "is no chat completion" in str(failure)
