"""Questions with lettered options: the student generates the letter, or the likeliest option is chosen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from string import ascii_uppercase
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Rendered, Task

_OPTION = re.compile(r"(?:^|\s)\(?([A-Z])[.):]\s", re.MULTILINE)
"""A letter that starts an option in a prompt: `A. `, `(A) `, `A: `."""
_LINE = re.compile(r"^\(?([A-Z])[.):][ \t]+", re.MULTILINE)
"""The same at the start of a line."""
_BARE = re.compile(r"[\W_]*([A-Za-z])(?:[^\w\s]+(?:\s.*)?|\s*)")
"""A first line that is a letter, or starts with a letter and punctuation: `B`, `b.`, `(b)`, `**B**`, `B. water`."""
_ANNOUNCED = re.compile(r"(?i:\b(?:answer|option|choice)\b(?:\s+is)?)[^\w\n]*(?:([A-Z])\b|([a-z])\W*$)")
"""A letter after a word that announces it: `Answer: B`, `the answer is B because`, `option b`."""


class MultipleChoice(Task):
    """Accuracy of the letter that the reply names, as `B`, `B.`, `(b)`, `B. water` or `Answer: B`.

    The options are the row's `choices` (texts, or ARC's `{"label": [...], "text": [...]}`), else the letters
    that start options in the prompt.
    """

    name = "multiple_choice"
    metric = "accuracy"
    max_new_tokens = 8

    def __init__(self, train: Sequence[Example] = ()):
        super().__init__(train)
        self._bare = all(len(example.completion.strip()) == 1 for example in train)

    def options(self, example: Example) -> list[str]:
        """The possible answers, in order: letters. All 26 if the row does not show which."""
        letters = list(ascii_uppercase)
        of_texts = letters[: len(choice_texts(example))]
        return choice_labels(example) or of_texts or offered_letters(example.prompt) or letters

    def option_index(self, example: Example, text: str) -> int | None:
        """Index of the option that a reply or a completion names, or None."""
        options = self.options(example)
        answer = text.strip() if text.strip() in options else parse_letter(text)
        return options.index(answer) if answer in options else None

    def answer(self, example: Example, prediction: Prediction) -> int | None:
        """Index of the option that the student chose, or None."""
        return self.option_index(example, prediction.text)

    def stratify_key(self, example: Example) -> str:
        return _index_letter(self.option_index(example, example.completion))

    def row_error(self, example: Example) -> str | None:
        if self.option_index(example, example.completion) is None:
            options = ", ".join(self.options(example))
            return f"the completion {example.completion!r} is none of the options {options}. Correct the row."
        return None

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        options = offered_letters(prompt)
        if len(options) < 2:
            return "The prompt offers no lettered options, such as a line 'A. ...' and a line 'B. ...'."
        if parse_letter(completion) not in options:
            return f"The completion {completion!r} is none of the letters offered: {', '.join(options)}."
        if self._bare and len(completion.strip()) > 1:
            return f"The completion must be the letter alone, not {completion!r}."
        return None

    def answer_facts(self) -> AnswerFacts:
        return AnswerFacts(
            judged="Right if the reply names the right one of the options that the prompt offers.",
            form="The letter of the right option alone."
            if self._bare
            else "The right option, as in the examples.",
        )

    def score(self, example: Example, prediction: Prediction) -> Score:
        expected, got = self.option_index(example, example.completion), self.answer(example, prediction)
        correct = got is not None and got == expected
        return Score(
            id=example.id,
            value=float(correct),
            correct=correct,
            explanation=self._explain(example, prediction, got),
        )

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Counts by letter (`n`, `predicted`, `correct`), which show a position bias, and `unclear_replies`."""
        pairs = Counter(
            (self.stratify_key(example), _index_letter(self.answer(example, prediction)))
            for example, prediction in zip(examples, predictions, strict=True)
        )
        letters = sorted({letter for pair in pairs for letter in pair if letter})
        return {
            "by_letter": {
                letter: {
                    "n": sum(count for (expected, _), count in pairs.items() if expected == letter),
                    "predicted": sum(count for (_, got), count in pairs.items() if got == letter),
                    "correct": pairs[letter, letter],
                }
                for letter in letters
            },
            "unclear_replies": sum(count for (_, got), count in pairs.items() if not got),
        }

    def _explain(self, example: Example, prediction: Prediction, got: int | None) -> str:
        expected = self.option_index(example, example.completion)
        right = self._describe(example, expected)
        if got is None:
            reply = prediction.text.strip()
            return f"The answer should be {right}, and the reply {reply!r} names no option offered."
        if got == expected:
            return f"The answer {right} is right."
        return f"The answer should be {right}, and the student chose {self._describe(example, got)}."

    def _describe(self, example: Example, index: int | None) -> str:
        """An option, with its text if the row has it."""
        option = self.options(example)[index] if index is not None else example.completion
        text = dict(enumerate(choice_texts(example))).get(-1 if index is None else index, option)
        return f"{option!r} ({text!r})" if text != option else repr(option)


class MultipleChoiceLoglikelihood(MultipleChoice):
    """Accuracy of the likeliest option. Nothing is generated.

    The options are compared as texts if the completions are texts, else as letters.
    """

    name = "multiple_choice_loglikelihood"
    max_new_tokens = 1

    def __init__(self, train: Sequence[Example] = ()):
        super().__init__(train)
        self._texts = any(example.completion in choice_texts(example) for example in train)

    def options(self, example: Example) -> list[str]:
        texts = choice_texts(example)
        return texts if example.completion in texts else super().options(example)

    def render(self, example: Example) -> Rendered:
        return Rendered(prompt=example.prompt, completion=example.completion, choices=self.options(example))

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        # a new row has only a prompt and a completion; if completions are texts, its other options are unknown
        return None if self._texts else super().new_row_error(prompt, completion)


def parse_letter(text: str) -> str | None:
    """The option letter that a reply names, upper case, or None."""
    line = text.strip().split("\n", 1)[0].strip()
    match = _BARE.fullmatch(line) or _ANNOUNCED.search(line)
    return next(group for group in match.groups() if group).upper() if match else None


def offered_letters(prompt: str) -> list[str]:
    """The letters that start options in a prompt: A, B, ... without a gap."""
    letters = set(_OPTION.findall(prompt))
    return list(takewhile(letters.__contains__, ascii_uppercase))


def prompt_with_options(question: str, options: Sequence[str]) -> str:
    """A prompt that asks for the letter of one of these options."""
    lines = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "\n".join([question, "", *lines, "", "Answer with the letter of the correct option."])


def split_options(prompt: str) -> tuple[str, list[str]]:
    """Split a prompt into its question and the texts of its options. Each option must start a line.

    Text after the last option and a blank line, such as an instruction, is left out.
    """
    starts: list[re.Match[str]] = []
    for match in _LINE.finditer(prompt):
        if match[1] == ascii_uppercase[len(starts)]:
            starts.append(match)
    if not starts:
        return prompt.strip(), []
    ends = [match.start() for match in starts[1:]] + [len(prompt)]
    options = [prompt[match.end() : end].strip() for match, end in zip(starts, ends, strict=True)]
    options[-1] = options[-1].split("\n\n", 1)[0].strip()
    return prompt[: starts[0].start()].strip(), options


def choice_texts(example: Example) -> list[str]:
    """The texts of the row's `choices`, if any."""
    choices = example.field("choices") or []
    return [str(text) for text in (choices.get("text", []) if isinstance(choices, dict) else choices)]


def choice_labels(example: Example) -> list[str]:
    """The labels of the row's `choices` in ARC's form, if any."""
    choices = example.field("choices")
    return [str(label) for label in choices.get("label", [])] if isinstance(choices, dict) else []


def _index_letter(index: int | None) -> str:
    return "" if index is None else chr(ord("A") + index)
