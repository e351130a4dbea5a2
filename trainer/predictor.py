"""Answers rows with one student, by generation or by choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainer.chat import without_thought
from trainer.data import Encoder, Row, reply_limit, stop_tokens
from trainer.data_files import DataError
from trainer.engines import Engine
from trainer.records import Example, Prediction
from trainer.replies import Done, Reply
from trainer.specs import StudentSpec
from trainer.tasks import Task


class Predictor:
    """Answers rows with one student, by generation or by choice, as the task renders them."""

    def __init__(self, engine: Engine, tokenizer: Any, task: Task, student: StudentSpec, done: Done):
        self.engine = engine
        self.tokenizer = tokenizer
        self.task = task
        self.encoder = Encoder(task, tokenizer, student)
        self.stops = stop_tokens(tokenizer, student)
        self.max_length = student.max_length
        self.max_new_tokens = reply_limit(task, student)
        self.done = done

    def answer(
        self, examples: Sequence[Example], *, certainty: bool = False
    ) -> tuple[list[Prediction], list[str]]:
        """A prediction for each example, in order, and the ids of those that are too long to be answered.

        Args:
            certainty: also compute how certain the student is of each reply.

        Raises:
            DataError: a row has an empty choice, whose likelihood says nothing.
        """
        rows = self.encoder.rows(examples)
        over_long = [row.id for row in rows if asked(row) > self.max_length]
        answers = {id: Prediction(id=id, text="", truncated=True) for id in over_long}
        self.done(len(over_long))
        pairs = [pair for pair in zip(examples, rows, strict=True) if pair[1].id not in answers]
        answers |= self._generate([row for _, row in pairs if row.choices is None], certainty)
        answers |= self._choose(
            [(example, row) for example, row in pairs if row.choices is not None], certainty
        )
        return [answers[row.id] for row in rows], over_long

    def _generate(self, rows: list[Row], certainty: bool) -> dict[str, Prediction]:
        replies = self.engine.generate(
            [row.prompt for row in rows],
            max_new_tokens=self.max_new_tokens,
            stops=self.stops,
            done=self.done,
        )
        certain = self._certainties(rows, replies) if certainty else [None] * len(rows)
        return {
            row.id: Prediction(
                id=row.id,
                text=without_thought(self.tokenizer.decode(reply.tokens, skip_special_tokens=True)),
                certainty=probability,
                tokens=len(reply.tokens),
                truncated=reply.truncated,
            )
            for row, reply, probability in zip(rows, replies, certain, strict=True)
        }

    def _certainties(self, rows: list[Row], replies: list[Reply]) -> list[float]:
        """Probability of each reply given its prompt, the token that ends it included: one more pass over both."""
        texts = [[*reply.tokens, *([] if reply.truncated else [self.encoder.end])] for reply in replies]
        scores = self.engine.score(
            [row.prompt for row in rows], [[text] for text in texts], done=lambda _: None
        )
        return [math.exp(logprob) for (logprob,) in scores]

    def _choose(self, pairs: list[tuple[Example, Row]], certainty: bool) -> dict[str, Prediction]:
        choices = [row.choices or [] for _, row in pairs]
        for (_, row), texts in zip(pairs, choices, strict=True):
            if not all(texts):
                raise DataError(f"Row {row.id!r} has an empty choice: give each choice a text.")
        scores = self.engine.score([row.prompt for _, row in pairs], choices, done=self.done)
        return {
            row.id: self._chosen(example, row, score, certainty)
            for (example, row), score in zip(pairs, scores, strict=True)
        }

    def _chosen(self, example: Example, row: Row, logprobs: list[float], certainty: bool) -> Prediction:
        """The likeliest choice; of equals the first."""
        texts = self.task.render(example).choices or []
        sizes = self._sizes(texts, row)
        weighed = [logprob / size for logprob, size in zip(logprobs, sizes, strict=True)]
        choice = weighed.index(max(weighed))
        odds = math.fsum(math.exp(other - weighed[choice]) for other in weighed)
        return Prediction(
            id=row.id,
            text=texts[choice],
            choice=choice,
            choice_logprobs=logprobs,
            certainty=1 / odds if certainty else None,
        )

    def _sizes(self, texts: list[str], row: Row) -> list[int]:
        """What a choice's log-probability is divided by, as the task asks."""
        if self.task.normalize == "tokens":
            return [len(choice) for choice in row.choices or []]
        if self.task.normalize == "characters":
            return [len(text) for text in texts]
        if self.task.normalize == "bytes":
            return [len(text.encode()) for text in texts]
        return [1] * len(texts)


def asked(row: Row) -> int:
    """Tokens of a row that the student must read: its prompt and its longest choice."""
    return len(row.prompt) + max((len(choice) for choice in row.choices or []), default=0)
