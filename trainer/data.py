"""Tokenises examples and decides which ones share a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.chat import UNWRITABLE, ChatTemplate, ControlTokens, reason_of, uses_chat
from trainer.data_files import DataError
from trainer.records import Example, Message
from trainer.specs import StudentSpec
from trainer.tasks.base import Rendered, Task
from trainer.weights import ModelError

GROUP = 32
"""Number of batches whose shuffled rows are sorted by length together."""


@dataclass(frozen=True)
class Row:
    """One example in tokens. Training uses `prompt + completion`; generation starts after `prompt`."""

    id: str
    prompt: list[int]
    completion: list[int]
    """The reference and the token that ends a reply. The loss covers these tokens."""
    choices: list[list[int]] | None = None
    """For tasks with choices: the tokens of each choice, without the token that ends a reply."""

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.completion)


class UnwritableRowError(DataError):
    """A row whose turns the chat template refuses, such as two turns of the user one after the other."""

    def __init__(self, name: str, reason: str):
        self.reason = reason
        super().__init__(
            f"The student's chat template cannot write row {name!r}: {reason.rstrip('.')}. Change its turns, or set "
            "`student.template: plain`."
        )


class Encoder:
    """Tokenises examples the same way for training, generation and choice scoring.

    Prompt and completion are tokenised separately and joined as tokens. So training sees exactly the prompt tokens after
    which generation starts.

    Args:
        task: renders the examples.
        tokenizer: the student's, a Hugging Face tokenizer.
        student: `template` selects the chat template or plain text.
    """

    def __init__(self, task: Task, tokenizer: Any, student: StudentSpec):
        self.task = task
        self.tokenizer = tokenizer
        self.template = ChatTemplate(tokenizer, student) if uses_chat(tokenizer, student) else None
        self.end = end_of_reply(tokenizer, self.template, student)
        self.control = self.template.control if self.template else ControlTokens.of(tokenizer)
        """What would control the student in what it is asked, if it were not read as text."""

    @property
    def chat(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.template is not None

    def rows(self, examples: Sequence[Example]) -> list[Row]:
        """One `Row` for each example, in order, regardless of its length."""
        return [self.row(example) for example in examples]

    def row(self, example: Example) -> Row:
        """One example in tokens. What it says is text, also where it spells a token that controls the student.

        Raises:
            UnwritableRowError: the chat template cannot write the example's turns.
        """
        rendered = self.task.render(example)
        turns = _turns(example, rendered)
        prompt = "\n\n".join(turn["content"] for turn in turns)
        # lm-evaluation-harness separates a choice from its context by a space even if the choice begins with one.
        tokenize = self._separated if rendered.choices else self._reply
        return Row(
            id=example.id,
            prompt=self._asked(example.id, turns) if self.template else self._tokens(prompt, special=True),
            completion=[*tokenize(prompt, rendered.completion), self.end],
            choices=[tokenize(prompt, choice) for choice in rendered.choices] if rendered.choices else None,
        )

    def _asked(self, name: str, turns: list[dict[str, str]]) -> list[int]:
        """The turns by the chat template, which writes its own special tokens; plain text gets the tokenizer's."""
        assert self.template
        try:
            return self.template.tokens(turns)
        except UNWRITABLE as error:
            raise UnwritableRowError(name, reason_of(error)) from error

    def _reply(self, prompt: str, text: str) -> list[int]:
        """Tokens of a reply. In plain text, its own white space or one space separates it from the prompt."""
        return self._tokens(text, special=False) if text[:1].isspace() else self._separated(prompt, text)

    def _separated(self, prompt: str, text: str) -> list[int]:
        """Tokens of a text. In plain text, one space separates it from a prompt that ends without white space."""
        needs_space = not self.chat and not prompt[-1:].isspace()
        return self._tokens(f" {text}" if needs_space else text, special=False)

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        found = self.tokenizer(text, add_special_tokens=special, split_special_tokens=True)
        return list(found["input_ids"])


def encode(
    examples: Sequence[Example], task: Task, tokenizer: Any, student: StudentSpec
) -> tuple[list[Row], list[str]]:
    """Tokenise training rows. Rows longer than `student.max_length` are left out and reported, never cut.

    Returns:
        The rows that fit, and the ids of those that do not, both in the order of `examples`.
    """
    rows = Encoder(task, tokenizer, student).rows(examples)
    fitting = [row for row in rows if row.length <= student.max_length]
    return fitting, [row.id for row in rows if row.length > student.max_length]


def length_warnings(rows: Sequence[Row], over_long: int, task: Task, student: StudentSpec) -> list[str]:
    """Warnings about rows that were left out, and about rows whose answers exceed the reply limit; one sentence each.

    Args:
        rows: the training rows that fit.
        over_long: number of training rows that do not fit.
    """
    warnings = []
    if over_long:
        warnings.append(
            f"{over_long:,} of {len(rows) + over_long:,} training rows are left out: they are longer than "
            f"`student.max_length` ({student.max_length:,} tokens)."
        )
    limit = reply_limit(task, student)
    # the token that ends a reply does not count against the limit
    answers = [len(row.completion) - 1 for row in rows if row.choices is None]
    if cut := [length for length in answers if length > limit]:
        warnings.append(
            f"{len(cut):,} of {len(answers):,} training rows have answers that the student cannot give: its replies are cut "
            f"at {limit:,} tokens. Set `student.max_new_tokens` to {max(cut):,} or more."
        )
    return warnings


def reply_limit(task: Task, student: StudentSpec) -> int:
    """Maximum number of tokens of a generated reply."""
    return student.max_new_tokens or task.max_new_tokens


def stop_tokens(tokenizer: Any, student: StudentSpec) -> list[int]:
    """The tokens at which generation stops: the end of a reply and the end of text."""
    template = ChatTemplate(tokenizer, student) if uses_chat(tokenizer, student) else None
    end_of_text = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    return sorted({*end_of_text, end_of_reply(tokenizer, template, student)})


def end_of_reply(tokenizer: Any, template: ChatTemplate | None, student: StudentSpec) -> int:
    """The token that ends a reply: what the chat template writes after one, or else the end-of-text token.

    Raises:
        ModelError: there is neither.
    """
    end = template.end_of_reply() if template else None
    if end is None and tokenizer.eos_token_id is None:
        raise ModelError(
            f"The tokenizer of {student.model!r} has no end-of-text token, so no reply would end. Set `eos_token` in its "
            "tokenizer_config.json."
        )
    return int(tokenizer.eos_token_id) if end is None else end


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """Number of tokens that all sequences start with."""
    if not sequences:
        return 0
    # Every list between the first and the last in sorted order shares what these two share.
    first, last = min(sequences), max(sequences)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return shared


def batches(lengths: Sequence[int], batch_size: int, *, steps: int, seed: int) -> Iterator[list[int]]:
    """The global batches of a training run, as indices of rows. They depend only on the arguments.

    Each epoch uses every row once. Rows are shuffled, then sorted by length within groups of `GROUP` batches, then the
    batches are shuffled. So the rows of a batch have similar lengths, and the order stays random.

    Args:
        lengths: number of tokens of each row.
        batch_size: rows per batch. The last batch of an epoch may have fewer.
        steps: number of batches. A partial epoch uses the first part of its batches.
        seed: determines the order, together with the number of the epoch.
    """
    per_epoch = math.ceil(len(lengths) / batch_size)
    for epoch, start in enumerate(range(0, steps, per_epoch)):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        yield from _epoch(lengths, batch_size, generator)[: steps - start]


def _epoch(lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> list[list[int]]:
    order: list[int] = torch.randperm(len(lengths), generator=generator).tolist()
    span = batch_size * GROUP
    grouped = [
        index
        for start in range(0, len(order), span)
        for index in sorted(order[start : start + span], key=lambda index: lengths[index])
    ]
    cut = [grouped[start : start + batch_size] for start in range(0, len(grouped), batch_size)]
    return [cut[index] for index in torch.randperm(len(cut), generator=generator).tolist()]


def _turns(example: Example, rendered: Rendered) -> list[dict[str, str]]:
    """The turns before the reply: earlier ones as they are, the last user turn as the task renders it."""
    messages = list(example.messages or [])
    if messages and messages[-1].role == "assistant":
        messages.pop()
    if messages and messages[-1].role == "user":
        messages.pop()
    messages.append(Message(role="user", content=rendered.prompt))
    return [message.model_dump() for message in messages]
