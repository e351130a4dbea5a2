"""Predictions by llama.cpp, which serves a `.gguf` file inside this process. No torch here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from trainer.replies import Done, Reply, reply_of

MISSING = "llama.cpp is not installed here (pip install 'pada[gguf]')"


class LlamaCppError(Exception):
    """llama.cpp cannot load the file, or refuses a prompt."""


def installed() -> bool:
    """Whether the `gguf` extra is there."""
    return importlib.util.find_spec("xllamacpp") is not None


class LlamaCppEngine:
    """Answers prompts with the student of a `.gguf` file.

    Args:
        client: for the server's root.
        tokenizer: the student's; prompts go to llama.cpp as text, so that the file's own tokenizer is used too.
    """

    name = "llama.cpp"

    def __init__(self, client: httpx.Client, tokenizer: Any):
        self._client = client
        self._tokenizer = tokenizer
        self._control = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
        self.other_tokens = 0
        """Prompts that the file's tokenizer has cut into other tokens than the student's."""

    def generate(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, stops: Sequence[int], done: Done
    ) -> list[Reply]:
        """Greedy replies, in the order of `prompts`.

        Raises:
            LlamaCppError: a prompt is refused.
        """
        replies = []
        for prompt in prompts:
            tokens = self.tokens(prompt)
            self.other_tokens += tokens != prompt
            body = {
                "prompt": tokens,
                "n_predict": max_new_tokens,
                "temperature": 0,
                "return_tokens": True,
                "cache_prompt": False,  # a prompt's answer must not depend on the prompts before it
            }
            answer = self._post("/completion", body)
            generated = answer["tokens"]
            end = next((place for place, token in enumerate(generated) if token in stops), None)
            reply = reply_of(generated if end is None else generated[: end + 1], stops)
            reply.truncated = end is None and answer.get("stop_type") == "limit"
            replies.append(reply)
            done(1)
        return replies

    def score(
        self, contexts: Sequence[list[int]], choices: Sequence[list[list[int]]], *, done: Done
    ) -> list[list[float]]:
        """Nothing for no rows: llama.cpp's server tells no log-probability of a given text.

        Raises:
            LlamaCppError: there are rows with choices.
        """
        if contexts:
            raise LlamaCppError("llama.cpp's server does not score given choices")
        return []

    def tokens(self, prompt: Sequence[int]) -> list[int]:
        """A prompt by the file's tokenizer: its control tokens as such, and what is between them as text."""
        found: list[int] = []
        for control, run in groupby(prompt, self._control.__contains__):
            text = self._tokenizer.decode(list(run), skip_special_tokens=False)
            body = {"content": text, "add_special": False, "parse_special": control}
            found += self._post("/tokenize", body)["tokens"]
        return found

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(path, json=body)
        if answer.is_error:
            raise LlamaCppError(f"llama.cpp refuses {path}: {' '.join(answer.text.split())[:300]}")
        return answer.json()


@contextmanager
def loaded(file: Path, tokenizer: Any, context: int) -> Iterator[LlamaCppEngine]:
    """A `.gguf` file loaded on the CPU.

    Args:
        file: the model.
        tokenizer: the student's own.
        context: longest prompt and reply, in tokens.

    Raises:
        LlamaCppError: the file cannot be loaded.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = context
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.cpuparams.poll = params.cpuparams_batch.poll = (
        0  # idle threads sleep; other programs want the cores too
    )
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise LlamaCppError(f"llama.cpp cannot load {file.name}: {error}") from error
    # the server ends with the object
    with httpx.Client(base_url=server.listening_address, timeout=600, trust_env=False) as client:
        yield LlamaCppEngine(client, tokenizer)
