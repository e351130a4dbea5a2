"""Classification: what counts as a label, macro F1 as in scikit-learn, and explanations for the teacher."""

import random

import pytest
from sklearn.metrics import f1_score

from trainer.records import Example, Prediction
from trainer.tasks.classification import Classification


def row(label: str, identifier: str = "a") -> Example:
    return Example(id=identifier, prompt="p", completion=label)


def reply(text: str, truncated: bool = False) -> Prediction:
    return Prediction(id="a", text=text, truncated=truncated)


TASK = Classification([row("card lost"), row("Refund"), row("Refund"), row("why?")])


@pytest.mark.parametrize(
    "text", ["Refund", " refund\n", "REFUND.", '"Refund"', "**refund**", "'refund'.", "refund\nBecause ..."]
)
def test_forms_of_a_label(text: str) -> None:
    assert TASK.score(row("Refund"), reply(text)).correct
    assert not TASK.score(row("card lost"), reply(text)).correct


@pytest.mark.parametrize("text", ["", "refunds", "the refund", "Label: Refund", "card lost or refund"])
def test_what_is_no_label(text: str) -> None:
    assert TASK.label(text) is None


def test_labels_that_punctuation_tells_apart() -> None:
    task = Classification([row("really"), row("really?"), row("no")])
    assert [task.label(text) for text in ("Really?", "really", "'really!'", "no.")] == [
        "really?",
        "really",
        None,
        "no",
    ]


def test_explanations() -> None:
    def explanation(label: str, text: str, truncated: bool = False) -> str:
        return TASK.score(row(label), reply(text, truncated)).explanation

    assert explanation("Refund", "refund") == "The label 'Refund' is right."
    confused = "The label should be 'Refund', and the student confused it with 'card lost'."
    assert explanation("Refund", "Card lost") == confused
    assert explanation("Refund", "") == "The label should be 'Refund', and the reply is empty."
    unknown = "The label should be 'Refund', and the reply 'mon' (cut off by the token limit) is none of the 3 known"
    assert explanation("Refund", "mon", truncated=True).startswith(unknown)


def test_new_rows_must_have_a_known_label_as_it_is_written() -> None:
    assert TASK.new_row_error("p", "Refund") is None
    assert TASK.new_row_error("p", "money") == "The completion 'money' is not one of the 3 known labels."
    assert (
        TASK.new_row_error("p", "refund.")
        == "The completion 'refund.' must be written exactly as the label: 'Refund'."
    )


def test_unseen_and_stratum() -> None:
    assert TASK.unknown_label(row("refund")) is None
    assert TASK.unknown_label(row("money")) == "the label 'money'"
    assert TASK.stratify_key(row("refund ")) == "Refund"


def test_confusions_by_hand() -> None:
    expected = ["Refund", "Refund", "Refund", "card lost", "card lost", "why?"]
    replies = ["refund", "card lost", "card lost", "Refund", "card lost", "because"]
    summary = TASK.summarize([row(label) for label in expected], [reply(text) for text in replies])
    # F1: card lost 2*1/(2+3), Refund 2*1/(3+2), why? 0/(1+0)
    assert summary["macro_f1"] == pytest.approx((0.4 + 0.4 + 0) / 3)
    assert summary["per_class"]["card lost"] == {
        "n": 2,
        "predicted": 3,
        "correct": 1,
        "f1": pytest.approx(0.4),
    }
    assert summary["unknown_replies"] == 1
    assert summary["confusions"] == [
        {"expected": "Refund", "predicted": "card lost", "count": 2},
        {"expected": "card lost", "predicted": "Refund", "count": 1},
        {"expected": "why?", "predicted": None, "count": 1},
    ]


@pytest.mark.parametrize("seed", range(10))
def test_macro_f1_is_scikit_learns(seed: int) -> None:
    rng = random.Random(seed)
    labels = [f"label {n}" for n in range(8)]
    task = Classification([row(label) for label in labels])
    expected = rng.choices(labels[:6], k=50)
    given = [rng.choice([label, rng.choice(labels), "nonsense"]) for label in expected]
    known = sorted({*expected, *given} - {"nonsense"})
    summary = task.summarize([row(label) for label in expected], [reply(text) for text in given])
    reference = f1_score(expected, given, labels=known, average="macro", zero_division=0)
    assert summary["macro_f1"] == pytest.approx(reference)
