"""Answers questions to trained students, one at a time: `python -m trainer.serve` is a worker process of the service.

It reads `Question`s and `Cancel`s from standard input, one JSON object a line, and writes `AnswerLine`s. It ends when
its input closes. A student answers as in its run: with the same rendering, template, stop tokens and precision.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from pydantic import TypeAdapter

from trainer.choices import score_choices
from trainer.data import Encoder, UnwritableRowError, reply_limit, stop_tokens
from trainer.data_files import DataError, read_examples
from trainer.engines import TorchEngine
from trainer.json_grammar import JsonGrammar, SchemaError
from trainer.line_protocol import own_stdout, write_line
from trainer.memory import PREDICT_ROWS
from trainer.predictor import Predictor
from trainer.records import Example
from trainer.reply_text import ReplyText
from trainer.sampling import Chosen, Sampling, reply_tokens
from trainer.serving import AnswerEnd, AnswerLine, Cancel, ChosenToken, Question, TokenLogprob
from trainer.students import Students
from trainer.tasks import Task, load_task
from trainer.weights import ModelError

LINE: TypeAdapter[Question | Cancel] = TypeAdapter(Question | Cancel)


class Refused(Exception):  # noqa: N818 - the question is at fault, not this process
    """A question that cannot be answered; the message says what to change."""


class Inbox:
    """The questions that wait, read in a thread, so that a cancelled one is noticed while its answer is written."""

    def __init__(self, lines: IO[str]):
        self._lines = lines
        self._waiting: SimpleQueue[Question | None] = SimpleQueue()
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[Question]:
        while (question := self._waiting.get()) is not None:
            if question.id not in self._cancelled:
                yield question
            self._cancelled.discard(question.id)

    def is_cancelled(self, question: Question) -> bool:
        """Whether nobody waits for the answer any more."""
        return question.id in self._cancelled

    def _read(self) -> None:
        for line in self._lines:
            message = LINE.validate_json(line)
            if isinstance(message, Cancel):
                self._cancelled.add(message.cancel)
            else:
                self._waiting.put(message)
        self._waiting.put(None)


class Answerer:
    """Answers one question.

    Args:
        model, tokenizer: the student's.
        wanted: whether somebody still waits for the answer.
    """

    def __init__(self, model: Any, tokenizer: Any, question: Question, wanted: Callable[[], bool]):
        self._model, self._tokenizer, self._question, self._wanted = model, tokenizer, question, wanted
        self._task = task_of(question.task, tuple(question.train))
        self._encoder = Encoder(self._task, tokenizer, question.student)

    def lines(self) -> Iterator[AnswerLine]:
        """The answer.

        Raises:
            Refused: the input cannot be used, or is too long.
        """
        question = self._question
        if question.raw:
            yield from self._generated(self._tokenizer(question.example.prompt)["input_ids"])
            return
        try:
            row = self._encoder.row(question.example)
        except (KeyError, ValueError, TypeError, IndexError, UnwritableRowError) as error:
            raise Refused(f"The task {question.task} cannot read this input: {error}.") from error
        if row.choices is None:
            yield from self._generated(row.prompt)
        elif question.json_schema is not None:
            raise Refused("This student answers with one of the options, so not with JSON.")
        else:
            yield self._chosen(len(row.prompt))

    def _generated(self, prompt: list[int]) -> Iterator[AnswerLine]:
        question, limit = self._question, self._limit(prompt)
        sampling = Sampling(question.temperature, question.top_p, question.seed, question.top_logprobs)
        ends = set(stop_tokens(self._tokenizer, question.student))
        grammar = self._grammar(ends)
        text, size, reason = ReplyText(self._tokenizer, question.stop), 0, "length"
        unsent: list[ChosenToken] = []
        for chosen in reply_tokens(self._model, prompt, limit, sampling, grammar):
            if chosen.token in ends or not self._wanted():
                reason = "stop"
                break
            size += 1
            if question.top_logprobs is not None:
                unsent.append(self._token(chosen))
            if piece := text.add(chosen.token):
                yield AnswerLine(id=question.id, text=piece, tokens=unsent)
                unsent = []
            if text.stopped:
                reason = "stop"
                break
        rest = "" if text.stopped else text.finish()
        if rest or unsent:
            yield AnswerLine(id=question.id, text=rest, tokens=unsent)
        end = {"finish_reason": reason, "prompt_tokens": len(prompt), "completion_tokens": size}
        yield AnswerLine(
            id=question.id, end=AnswerEnd.model_validate(end | {"options": self._labels(prompt)})
        )

    def _grammar(self, ends: set[int]) -> JsonGrammar | None:
        """What the reply must follow."""
        schema = self._question.json_schema
        if schema is None:
            return None
        vocabulary = self._model.config.get_text_config().vocab_size
        return JsonGrammar(self._tokenizer, sorted(ends), vocabulary, schema)

    def _limit(self, prompt: list[int]) -> int:
        """Longest reply to a prompt, in tokens."""
        question = self._question
        reach = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        room = int(reach or 2 * question.student.max_length) - len(prompt)
        if not prompt:
            raise Refused("The input is empty.")
        if len(prompt) > question.student.max_length:
            raise Refused(
                f"The input has {len(prompt):,} tokens; this student was trained on at most "
                f"{question.student.max_length:,} (`student.max_length`)."
            )
        if room < (question.max_tokens or 1):
            raise Refused(
                f"This student has room for {max(0, room):,} tokens after this input; ask for fewer."
            )
        return question.max_tokens or min(room, reply_limit(self._task, question.student))

    def _token(self, chosen: Chosen) -> ChosenToken:
        top = [self._named(token, logprob) for token, logprob in chosen.top]
        return ChosenToken(**self._named(chosen.token, chosen.logprob).model_dump(), top=top)

    def _named(self, token: int, logprob: float) -> TokenLogprob:
        return TokenLogprob(token=self._tokenizer.decode([token]), logprob=max(logprob, -9999.0))

    def _labels(self, prompt: list[int]) -> dict[str, float]:
        """Label -> its probability among all labels, as whole replies."""
        labels = list(self._task.answer_facts().labels) if self._question.labels and self._wanted() else []
        if not labels:
            return {}
        examples = [self._question.example.model_copy(update={"completion": label}) for label in labels]
        replies = [self._encoder.row(example).completion for example in examples]
        return shares(labels, score_choices(self._model, [prompt], [replies], batch_size=1)[0])

    def _chosen(self, size: int) -> AnswerLine:
        """The likeliest of a row's options, as predictions choose it."""
        question = self._question
        engine = TorchEngine(self._model, PREDICT_ROWS)
        predictor = Predictor(engine, self._tokenizer, self._task, question.student, lambda rows: None)
        (prediction,), over_long = predictor.answer([question.example])
        if over_long:
            raise Refused(
                f"The input is longer than {question.student.max_length:,} tokens (`student.max_length`)."
            )
        options = shares(self._task.render(question.example).choices or [], prediction.choice_logprobs or [])
        end = AnswerEnd(finish_reason="stop", prompt_tokens=size, completion_tokens=0, options=options)
        return AnswerLine(id=question.id, text=prediction.text, end=end)


def shares(names: Sequence[str], logprobs: Sequence[float]) -> dict[str, float]:
    """Name -> its probability among all of them, the likeliest first."""
    best = max(logprobs, default=0.0)
    weights = [math.exp(logprob - best) for logprob in logprobs]
    found = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    return dict(sorted(found.items(), key=lambda each: -each[1]))


@lru_cache(maxsize=16)
def task_of(name: str, train: tuple[Path, ...]) -> Task:
    """A run's task, which has read its training rows. They do not change while a run goes on."""
    rows: list[Example] = [example for path in train for example in read_examples(path)]
    return load_task(name, rows)


def answer(students: Students, question: Question, wanted: Callable[[], bool]) -> Iterator[AnswerLine]:
    """The lines of an answer; an error is a line, too."""
    try:
        with students.student(question.student, question.adapter) as (model, tokenizer):
            for line in Answerer(model, tokenizer, question, wanted).lines():
                yield line
                if not wanted():
                    return
    except SchemaError as error:
        yield AnswerLine(id=question.id, error=f"The JSON schema cannot be used: {error}", refused=True)
    except Refused as error:
        yield AnswerLine(id=question.id, error=str(error), refused=True)
    except (ModelError, DataError, OSError) as error:
        yield AnswerLine(id=question.id, error=" ".join(str(error).split()))


def main() -> int:
    """Serve questions from standard input until it closes; returns the exit status."""
    answers = own_stdout()
    students, inbox = Students(), Inbox(sys.stdin)
    for question in inbox:

        def wanted(asked: Question = question) -> bool:
            return not inbox.is_cancelled(asked)

        for line in answer(students, question, wanted):
            write_line(answers, line.model_dump(mode="json", exclude_defaults=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
