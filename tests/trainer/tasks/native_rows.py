"""Generated rows in the form of each benchmark's source, and right, wrong and unusual replies to them."""

from __future__ import annotations

import random
from typing import Any

NOUNS = [
    "river",
    "castle",
    "engine",
    "market",
    "painter",
    "violin",
    "comet",
    "harbour",
    "senate",
    "orchid",
    "glacier",
    "treaty",
]
NAMES = ["Łódź", "José-María", "O’Brien", "McCarthy-Jones", "U.S.", "Zürich", "北京", "Ångström"]
FILLERS = [
    "the",
    "a",
    "an",
    "The",
    "of",
    "in",
    "1945",
    "42,719",
    "3.5%",
    "(sic)",
    "—",
    "“quoted”",
    "don't",
    "A.D.",
    "£5",
]


def phrase(rng: random.Random, least: int, most: int) -> str:
    return " ".join(rng.choice(NOUNS + NAMES + FILLERS) for _ in range(rng.randint(least, most)))


def squad_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As `rajpurkar/squad` has them: one to three answers each."""
    rng = random.Random(f"squad/{seed}")
    rows = []
    for number in range(count):
        words = phrase(rng, 20, 40).split()
        spans = []
        for _ in range(rng.randint(1, 3)):
            start = rng.randrange(len(words))
            spans.append(" ".join(words[start : start + rng.randint(1, 6)]))
        context = " ".join(words)
        answers = {"text": spans, "answer_start": [context.index(span) for span in spans]}
        rows.append(
            {
                "id": f"{seed}-{number}",
                "title": f"Article {seed}-{number // 5}",
                "context": context,
                "question": f"What about {number} of {seed}?",
                "answers": answers,
            }
        )
    return rows


def squad_reply(row: dict[str, Any], rng: random.Random) -> str:
    answer: str = rng.choice(row["answers"]["text"])
    words = answer.split()
    return rng.choice(
        [
            answer,
            f" {answer.upper()}.\n",
            f"The {answer}",
            f'"{answer}"!',
            words[0],
            " ".join(words[:-1]),
            f"{phrase(rng, 1, 3)} {answer} {phrase(rng, 1, 3)}",
            " ".join(reversed(words)),
            answer.replace(" ", "-"),
            phrase(rng, 1, 8),
            f"{answer} {answer}",
            "the",
            "",
            "...",
            " \t\n",
        ]
    )


def gsm8k_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As `openai/gsm8k` has them: whole, negative and large answers."""
    rng = random.Random(f"gsm8k/{seed}")
    rows = []
    for number in range(count):
        one, other = rng.randint(2, 5000), rng.randint(-50, 60)
        steps = f"They make {one}*{other}=$<<{one}*{other}={one * other}>>{one * other:,}.\nSo it is that."
        question = f"Case {seed}-{number}: {one} boxes with {other} things?"
        rows.append({"question": question, "answer": f"{steps}\n#### {one * other:,}"})
    return rows


def gsm8k_reply(row: dict[str, Any], rng: random.Random) -> str:
    answer: str = row["answer"]
    right = answer.rsplit("#### ", 1)[1]
    number = rng.choice([right, right.replace(",", ""), right[1:] or "7", str(rng.randint(-99, 99))])
    return rng.choice(
        [
            answer,
            f"#### {number}",
            f"#### {number}.",
            f"#### {number}.00",
            f"#### ${number}",
            f"####{number}",
            f"#### {number} apples and 3 pears",
            f"#### {number}\n\nQuestion: and 5?\n#### 5",
            f"So 3 + 4.\nThe answer is {number}.",
            f"The answer is ${number}.",
            f"{number}",
            f"It is **{number}** dollars",
            f"about {number}%, or 1/{number}",
            f"#### minus {number}",
            "#### .",
            "#### ,,",
            "$",
            "..",
            "",
            "no number here",
            "#### twelve",
            "١٢ and ½",
            f"a-{number}-b",
            f"That is {number} , as was said .",
        ]
    )


def arc_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As `allenai/ai2_arc` has them: three to five options, some with digits for letters."""
    rng = random.Random(f"arc/{seed}")
    rows = []
    for number in range(count):
        size = rng.choice([3, 4, 4, 4, 5])
        labels = list("ABCDE" if rng.random() < 0.8 else "12345")[:size]
        texts = [phrase(rng, 1, 7) for _ in labels]
        if rng.random() < 0.1:
            texts[-1] = texts[0]
        rows.append(
            {
                "id": f"Made_{seed}_{number}",
                "question": f"Which {phrase(rng, 2, 8)} is right in {number} of {seed}?",
                "choices": {"text": texts, "label": labels},
                "answerKey": rng.choice(labels),
            }
        )
    return rows


def hellaswag_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As `Rowan/hellaswag` has them: captions, and articles with markers."""
    rng = random.Random(f"hellaswag/{seed}")
    rows = []
    for number in range(count):
        article = rng.random() < 0.5
        first = f"[header] How to {phrase(rng, 2, 4)} [title] {phrase(rng, 2, 5)} [step] {phrase(rng, 3, 9)}."
        first = f"{first if article else phrase(rng, 4, 12)} No. {number} of {seed}."
        second = "" if article else rng.choice(["he", "the dog", "ÉMILE then"])
        marker = "[substeps] " if article else ""
        rows.append(
            {
                "ind": number,
                "activity_label": "Food and  Drink" if article else "Playing violin",
                "ctx_a": first,
                "ctx_b": second,
                "ctx": f"{first} {second}".strip(),
                "endings": [f"{marker}{phrase(rng, 2, 12)} [title] {phrase(rng, 1, 3)}." for _ in range(4)],
                "source_id": f"made~{seed}-{number // 3}",
                "split": "train",
                "split_type": "indomain",
                "label": str(rng.randrange(4)),
            }
        )
    return rows


def banking_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As `PolyAI/banking77` has them, except that labels are names: three, in turn."""
    rng = random.Random(f"banking/{seed}")
    labels = ("card_arrival", "Refund_not_showing_up", "reverted_card_payment?")
    return [
        {"text": f" {phrase(rng, 3, 9)} {number} of {seed}?\n", "label": labels[number % 3]}
        for number in range(count)
    ]


def restaurant_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """As the files of RESTAURANTS-8K have them: empty and zero values are left out."""
    rng = random.Random(f"restaurant/{seed}")
    rows: list[dict[str, Any]] = []
    for number in range(count):
        text, labels = f"{rng.randint(1, 12)} pm", []
        labels.append({"slot": "time", "valueSpan": {"endIndex": len(text)}})
        if rng.random() < 0.5:
            start = len(text) + 5
            text = f"{text} for {rng.randint(1, 9)}"
            labels.append({"slot": "people", "valueSpan": {"startIndex": start, "endIndex": len(text)}})
        text = f"{text}, please ({seed}-{number})"
        row: dict[str, Any] = {"userInput": {"text": text}}
        if rng.random() < 0.5:
            row["context"] = {"requestedSlots": ["time"]}
        rows.append(row if rng.random() < 0.2 else row | {"labels": labels})
    return rows
