"""Log-likelihoods of choices against plain forward passes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.reference_model import INSTRUCTION, QUESTIONS, chat_prompts, reference_logprob
from trainer.choices import ChoiceTree, score_choices


@pytest.mark.parametrize("batch_size", [1, 3])
def test_choices_score_as_plain_forward_passes(tiny: Any, batch_size: int) -> None:
    model, tokenizer = tiny
    contexts = [tokenizer(INSTRUCTION + text)["input_ids"] for text in QUESTIONS[:4]]
    texts = [
        [" Paris", " a small town in the north of France"],
        [" white", " black", " it is white as milk"],
        [" cow"],
        [" honey", " honey and wax", " honey", " milk", " nothing"],
    ]
    choices = [[tokenizer(text)["input_ids"] for text in row] for row in texts]
    scores = score_choices(model, contexts, choices, batch_size=batch_size)
    for context, row, logprobs in zip(contexts, choices, scores, strict=True):
        expected = [reference_logprob(model, context, choice) for choice in row]
        assert logprobs == pytest.approx(expected, abs=1e-4)
    assert scores[3][0] == pytest.approx(scores[3][2], abs=1e-5), "a choice must not see the others"


@pytest.mark.student
def test_choices_of_the_real_student(real: Any) -> None:
    model, tokenizer = real
    contexts = chat_prompts(tokenizer, QUESTIONS[:2])
    choices = [
        [tokenizer(text)["input_ids"] for text in row] for row in (["Paris", "Berlin city"], ["White", "Red"])
    ]
    scores = score_choices(model, contexts, choices, batch_size=2)
    for context, row, logprobs in zip(contexts, choices, scores, strict=True):
        assert logprobs == pytest.approx(
            [reference_logprob(model, context, choice) for choice in row], abs=1e-3
        )


def test_a_tree_has_its_context_once_and_each_choice_after_it() -> None:
    tree = ChoiceTree.of([7, 8], [[1, 2], [3]])
    # the last token of a choice is only ever a target
    assert tree.tokens == [7, 8, 1]
    assert tree.branches == [0, 0, 1]
    assert tree.depths == [0, 1, 2]
    assert tree.scored == [False, True, True]
    # position 0 among the scored ones is the end of the context, position 1 is the token 1
    assert tree.targets == [[(0, 1), (1, 2)], [(0, 3)]]
