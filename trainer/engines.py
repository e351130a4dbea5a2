"""What answers prompts: the student here by our loop or the library's paged attention, or a vLLM server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from transformers import GenerationConfig

from trainer.choices import score_choices
from trainer.decoding import generate
from trainer.fitting import is_out_of_memory
from trainer.memory import PREDICT_ROWS, rows_at_once
from trainer.replies import Done, Reply, reply_of
from trainer.specs import StudentSpec


class Engine(Protocol):
    """Answers prompts in tokens."""

    name: str

    def generate(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, stops: Sequence[int], done: Done
    ) -> list[Reply]:
        """Greedy replies, in the order of `prompts`."""

    def score(
        self, contexts: Sequence[list[int]], choices: Sequence[list[list[int]]], *, done: Done
    ) -> list[list[float]]:
        """Log-probability (nats) of each choice given its context, summed over its tokens."""


class TorchEngine:
    """Our own loop, which computes what prompts share once (`trainer.decoding`, `trainer.choices`).

    Where memory does not suffice, batches are halved, down to one row.
    """

    name = "torch"

    def __init__(self, model: Any, batch_size: int):
        self.model = model
        self.batch_size = batch_size

    def generate(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, stops: Sequence[int], done: Done
    ) -> list[Reply]:
        counted = Once(done)
        while True:
            with self._halved(counted):
                return generate(
                    self.model,
                    prompts,
                    max_new_tokens=max_new_tokens,
                    stops=stops,
                    batch_size=self.batch_size,
                    done=counted,
                )

    def score(
        self, contexts: Sequence[list[int]], choices: Sequence[list[list[int]]], *, done: Done
    ) -> list[list[float]]:
        counted = Once(done)
        while True:
            with self._halved(counted):
                return score_choices(self.model, contexts, choices, batch_size=self.batch_size, done=counted)

    @contextlib.contextmanager
    def _halved(self, counted: Once) -> Iterator[None]:
        """Where memory runs out within, make batches half as large for another try."""
        try:
            yield
            return
        except (RuntimeError, MemoryError) as error:
            if self.batch_size == 1 or not is_out_of_memory(error):
                raise
        self.batch_size //= 2
        counted.again()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()


class Once:
    """Counts rows that are done, each once, also where some are done again."""

    def __init__(self, done: Done):
        self._done = done
        self._told = 0
        self._now = 0

    def __call__(self, rows: int) -> None:
        self._now += rows
        if self._now > self._told:
            self._done(self._now - self._told)
            self._told = self._now

    def again(self) -> None:
        """All rows begin anew."""
        self._now = 0


class PagedEngine(TorchEngine):
    """The library's continuous batching, `generate_batch`: a row that ends makes room for the next at once.

    Where it fails, our loop answers instead, and says so on standard error. Choices are scored by our loop.
    """

    name = "paged"

    def generate(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, stops: Sequence[int], done: Done
    ) -> list[Reply]:
        try:
            replies = self._paged(prompts, max_new_tokens, stops)
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            sys.stderr.write(f"generate_batch failed ({reason}): our own loop answers instead.\n")
            return super().generate(prompts, max_new_tokens=max_new_tokens, stops=stops, done=done)
        done(len(prompts))
        return replies

    def _paged(self, prompts: Sequence[list[int]], limit: int, stops: Sequence[int]) -> list[Reply]:
        config = GenerationConfig(
            max_new_tokens=limit, do_sample=False, eos_token_id=list(stops), pad_token_id=stops[0]
        )
        before = self.model.config._attn_implementation
        try:
            found = self.model.generate_batch(
                inputs=[list(prompt) for prompt in prompts], generation_config=config
            )
        finally:
            if self.model.config._attn_implementation != before:
                self.model.set_attn_implementation(before)
        outputs = list(found.values())
        failed = [output.error for output in outputs if output.error is not None]
        if failed or len(outputs) != len(prompts):
            raise RuntimeError(failed[0] if failed else f"{len(prompts) - len(outputs)} replies are missing")
        return [reply_of(output.generated_tokens, stops) for output in outputs]


def local_engine(model: Any, student: StudentSpec) -> TorchEngine:
    """The engine for a student in this process.

    `auto` is our loop, which answered five times as many prompts a second as the library's on the GPU that was measured.
    """
    rows = student.predict_batch_size or _rows(model, student)
    if student.engine == "paged":
        return PagedEngine(model, rows)
    return TorchEngine(model, rows)


def _rows(model: Any, student: StudentSpec) -> int:
    if model.device.type != "cuda":
        return PREDICT_ROWS
    memory = torch.cuda.get_device_properties(model.device).total_memory
    return rows_at_once(model.config.to_dict(), student, memory, model.dtype.itemsize)
