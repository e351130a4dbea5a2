"""Replies that follow a JSON schema: llguidance says which tokens may come next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor

SPACE = r" |\n {0,20}"
"""Between two tokens of JSON. Without a bound, small students write spaces until the limit."""


class SchemaError(ValueError):
    """A schema that replies cannot be held to; the message says why."""


class JsonGrammar:
    """The place of one reply in the grammar of a JSON schema.

    Args:
        tokenizer: the student's.
        stops: tokens that end a reply. They are allowed where the JSON value is complete.
        vocabulary: number of the model's logits.

    Raises:
        SchemaError: the schema is wrong, or has what llguidance does not know.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[int], vocabulary: int, schema: dict[str, Any]):
        try:
            words = _words(tokenizer, tuple(stops), vocabulary)
            grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_pattern": SPACE})
            self._matcher = LLMatcher(words, grammar, log_level=0)
        except ValueError as error:
            raise SchemaError(_line(error)) from None
        self._check()

    def allowed(self, logits: Tensor) -> Tensor:
        """The logits, shape (vocabulary,), without those of tokens that may not come next."""
        bias = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        self._check()
        return logits.masked_fill(bias.to(logits.device) == 0, -torch.inf)

    def take(self, token: int) -> None:
        """Go on after this token, which was allowed."""
        self._matcher.consume_token(token)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise SchemaError(_line(self._matcher.get_error()))


def _line(error: object) -> str:
    return " ".join(str(error).split())[:500]


@lru_cache(maxsize=4)
def _words(tokenizer: Any, stops: tuple[int, ...], vocabulary: int) -> LLTokenizer:
    """The tokens as texts; making this takes a second."""
    return from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(stops))
