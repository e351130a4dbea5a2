"""Rows made by code: the same words for everybody, lengths drawn evenly between two bounds."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.loop_teacher import WORDS

INSTRUCTION = "Read the notes of the conversation and write down what the customer asked for, in plain words."
"""Opens every prompt, as a task's instruction does: about 20 tokens that all rows share."""

CHOICES = 4
CHOICE_WORDS = (3, 10)

LABELS = ("refund", "delivery", "login", "invoice")


def text(draw: random.Random, bounds: tuple[int, int]) -> str:
    """Common words, so many as a draw between the bounds says."""
    return " ".join(draw.choices(WORDS, k=draw.randint(*bounds)))


def training_rows(
    count: int, prompt_words: tuple[int, int], completion_words: tuple[int, int]
) -> list[dict[str, Any]]:
    """Rows of `exact_match`."""
    draw = random.Random(1)
    return [
        {
            "id": f"row-{number}",
            "prompt": f"{INSTRUCTION}\n\n{text(draw, prompt_words)}",
            "completion": text(draw, completion_words),
        }
        for number in range(count)
    ]


def questions(count: int, words: tuple[int, int]) -> list[dict[str, Any]]:
    """Rows of `multiple_choice_loglikelihood`: the texts of the choices are what is compared."""
    draw = random.Random(2)
    rows = []
    for number in range(count):
        choices = [text(draw, CHOICE_WORDS) for _ in range(CHOICES)]
        rows.append(
            {
                "id": f"question-{number}",
                "prompt": f"{INSTRUCTION}\n\n{text(draw, words)}",
                "completion": choices[0],
                "choices": choices,
            }
        )
    return rows


def texts(count: int, words: tuple[int, int]) -> list[str]:
    """Texts to embed, no two alike."""
    draw = random.Random(3)
    return [f"{number} {text(draw, words)}" for number in range(count)]


def labelled_rows(split: str, count: int) -> list[dict[str, Any]]:
    """Rows of `classification`: the label is the one of its words among random ones."""
    draw = random.Random(split)
    rows = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        words = [*text(draw, (8, 16)).split(), label]
        draw.shuffle(words)
        rows.append({"id": f"{split}-{number}", "prompt": " ".join(words), "completion": label})
    return rows
