"""Multiple choice without letters: the answer is the option whose text is the most likely. Nothing is generated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import Rendered
from trainer.tasks.multiple_choice import MultipleChoice, choice_texts, split_options


class Cloze(MultipleChoice):
    """Accuracy of the option with the highest log-likelihood after the question, as in lm-evaluation-harness.

    Rows are those of `multiple_choice`: a prompt with lettered options, and the letter of the right one. So a teacher
    that sees only prompts and completions can write new rows. The student gets `context` as its prompt and learns the
    text of the right option.
    """

    name = "multiple_choice_cloze"
    max_new_tokens = 1
    source = "lm-evaluation-harness 0.4, `multiple_choice`: `acc` and `acc_norm`"

    def context(self, example: Example) -> str:
        """The text that the options continue."""
        return f"Question: {split_options(example.prompt)[0]}\nAnswer:"

    def texts(self, example: Example) -> list[str]:
        """The options' texts, in order."""
        return choice_texts(example) or split_options(example.prompt)[1]

    def render(self, example: Example) -> Rendered:
        texts, index = self.texts(example), self.option_index(example, example.completion)
        completion = example.completion if index is None else texts[index]
        return Rendered(prompt=self.context(example), completion=completion, choices=texts)

    def row_error(self, example: Example) -> str | None:
        if not all(self.texts(example)) or len(self.texts(example)) < 2:
            return "the row has no two options with texts, as `choices` or as prompt lines such as `A. ...`. Add them."
        return super().row_error(example)

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        texts = split_options(prompt)[1]
        if len(texts) < 2 or not all(texts):
            return "The prompt offers no lettered options, each on a line of its own, such as 'A. ...' and 'B. ...'."
        return super().new_row_error(prompt, completion)

    def answer(self, example: Example, prediction: Prediction) -> int | None:
        return prediction.choice

    def score(self, example: Example, prediction: Prediction) -> Score:
        """`detail` has the results of both ways to choose, `accuracy` and `accuracy_norm`, whichever one the task uses."""
        expected = self.option_index(example, example.completion)
        plain, normalized = self._likeliest(example, prediction)
        detail = {"accuracy": float(plain == expected), "accuracy_norm": float(normalized == expected)}
        return super().score(example, prediction).model_copy(update={"detail": detail})

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """`accuracy` and `accuracy_norm` (by characters), and the counts of `multiple_choice`."""
        details = [self.score(*pair).detail for pair in zip(examples, predictions, strict=True)]
        means = {
            name: sum(detail[name] for detail in details) / max(len(details), 1)
            for name in ("accuracy", "accuracy_norm")
        }
        return means | super().summarize(examples, predictions)

    def _likeliest(self, example: Example, prediction: Prediction) -> tuple[int, int]:
        """Indices of the likeliest option, plain and per character; -1 for a row without an answer."""
        logprobs = prediction.choice_logprobs
        if not logprobs:
            return -1, -1
        rates = [logprob / len(text) for logprob, text in zip(logprobs, self.texts(example), strict=True)]
        return logprobs.index(max(logprobs)), rates.index(max(rates))


class ClozeNorm(Cloze):
    """Divides each log-likelihood by the number of characters of its option, so that short options have no advantage."""

    name = "multiple_choice_cloze_norm"
    metric = "accuracy_norm"
    normalize = "characters"
