"""Classification: the reply is one label of the set that the training rows show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Task
from trainer.text import bare, fold

LISTED_CONFUSIONS = 30


class Classification(Task):
    """Accuracy over the label set of the training rows.

    Only the first line of a reply counts. Case, and quotes and punctuation around the line, are ignored.
    """

    name = "classification"
    metric = "accuracy"
    max_new_tokens = 32

    def __init__(self, train: Sequence[Example] = ()):
        super().__init__(train)
        self.labels = sorted({example.completion.strip() for example in train})
        self._exact = {fold(_first_line(label)): label for label in self.labels}
        bare = Counter(_bare(label) for label in self._exact.values())
        # labels that differ only in punctuation, such as C and C++, must match exactly
        self._bare = {_bare(label): label for label in self._exact.values() if bare[_bare(label)] == 1}

    def label(self, text: str) -> str | None:
        """The known label that matches a reply or a completion, or None."""
        return self._exact.get(fold(_first_line(text))) or self._bare.get(_bare(text))

    def stratify_key(self, example: Example) -> str:
        return self.label(example.completion) or example.completion.strip()

    def unknown_label(self, example: Example) -> str | None:
        return None if self.label(example.completion) else f"the label {example.completion.strip()!r}"

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        label = self.label(completion)
        if label is None:
            return f"The completion {completion!r} is not one of the {len(self.labels)} known labels."
        if completion.strip() not in self.labels:
            return f"The completion {completion!r} must be written exactly as the label: {label!r}."
        return None

    def answer_facts(self) -> AnswerFacts:
        counts = Counter(example.completion.strip() for example in self.train)
        return AnswerFacts(
            judged="Right if the first line of the reply is the expected label. Case, and quotes and punctuation around "
            "it, do not count.",
            form="One of the labels, written exactly so, and nothing else.",
            labels={label: counts[label] for label in self.labels},
        )

    def score(self, example: Example, prediction: Prediction) -> Score:
        expected, got = self.stratify_key(example), self._answer(prediction)
        correct = expected == got
        return Score(
            id=example.id,
            value=float(correct),
            correct=correct,
            explanation=self._explain(expected, got, prediction),
        )

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """`macro_f1`, counts `per_class`, the most frequent `confusions`, and `unknown_replies`.

        Macro F1 is the mean over the labels that occur among the references or the known replies. A reply that is
        no label lowers the recall of the expected label.
        """
        pairs = Counter(
            (self.stratify_key(example), self._answer(prediction))
            for example, prediction in zip(examples, predictions, strict=True)
        )
        classes = _per_class(pairs)
        confused = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
        return {
            "macro_f1": sum(row["f1"] for row in classes.values()) / len(classes) if classes else 0.0,
            "unknown_replies": sum(count for (_, got), count in pairs.items() if got is None),
            "per_class": classes,
            "confusions": [
                {"expected": expected, "predicted": got, "count": count}
                for (expected, got), count in confused[:LISTED_CONFUSIONS]
            ],
        }

    def _answer(self, prediction: Prediction) -> str | None:
        """The label that the reply means. Without training rows, any text counts as a label."""
        return self.label(prediction.text) if self.labels else prediction.text.strip()

    def _explain(self, expected: str, got: str | None, prediction: Prediction) -> str:
        if got == expected:
            return f"The label {expected!r} is right."
        if got is not None:
            return f"The label should be {expected!r}, and the student confused it with {got!r}."
        if not prediction.text.strip():
            return f"The label should be {expected!r}, and the reply is empty."
        cut = " (cut off by the token limit)" if prediction.truncated else ""
        return (
            f"The label should be {expected!r}, and the reply {prediction.text.strip()!r}{cut} "
            f"is none of the {len(self.labels)} known labels."
        )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip()


def _bare(text: str) -> str:
    return fold(bare(_first_line(text)))


def _per_class(pairs: Counter[tuple[str, str | None]]) -> dict[str, dict[str, float]]:
    """Label -> `n` (references), `predicted`, `correct`, `f1` = 2 correct / (n + predicted)."""
    expected: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    for (reference, got), count in pairs.items():
        expected[reference] += count
        if got is not None:
            predicted[got] += count
    return {
        label: {
            "n": expected[label],
            "predicted": predicted[label],
            "correct": pairs[label, label],
            "f1": 2 * pairs[label, label] / (expected[label] + predicted[label]),
        }
        for label in sorted(expected | predicted)
    }
