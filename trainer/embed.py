"""Turns texts into unit vectors. `python -m trainer.embed MODEL` is a worker process that serves one run.

It reads one JSON object per line, `{"texts": [...]}`, and replies with one per line: `{"shape": [n, d], "data": "..."}`,
where `data` is base64 of little-endian float32 in row-major order, or `{"error": "..."}`. It ends when its input closes.
If the model cannot be loaded, it writes one error line and exits with status 1.
"""

from __future__ import annotations

import base64
import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from trainer.hub_models import HubError, fetch
from trainer.line_protocol import own_stdout, write_line
from trainer.precision import pick_device, pick_dtype
from trainer.presets import BUILTIN_EMBEDDERS, is_path, split_revision
from trainer.specs import StudentSpec

BATCH_SIZE = {"cpu": 1, "cuda": 64}
"""Rows of every batch, by device. A single text needs a whole batch too: with MiniLM in float32 on 2 cores, it takes
26 ms in a batch of 1 and 52 ms in a batch of 4. With many texts, these sizes embed 39 and 43 texts a second."""


E5 = re.compile(r"(?:^|/)(?:multilingual-)?e5-(?:small|base|large)(?:-v2)?/?$")
"""Names of models that want a prefix which their files do not tell (Wang et al. 2022, arXiv 2212.03533; model cards)."""
E5_PROMPT = "query: "
"""For comparing texts with each other, by their authors."""


class EmbedderError(Exception):
    """The embedder cannot be loaded or used. The message says what to do."""


def resolve_embedder(name: str) -> str:
    """The folder of an embedded model, of a model on the hub, or of the name as it is.

    The package is never imported. Only its metadata is read, to find its files.

    Raises:
        EmbedderError: there is no such folder or model, or its package is not installed.
    """
    if not name.startswith("builtin:"):
        local = Path(name).expanduser()
        if local.is_dir():
            return str(local)
        if is_path(name):
            raise EmbedderError(f"There is no embedder folder {name}.")
        try:
            return str(fetch(name))
        except HubError as error:
            raise EmbedderError(str(error)) from error
    package = BUILTIN_EMBEDDERS.get(name)
    if package is None:
        raise EmbedderError(
            f"There is no embedded embedder {name!r}; there is {', '.join(BUILTIN_EMBEDDERS)}."
        )
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
        dtype: default: bf16 if the device is fast at it, else float32. On 2 cores with AVX512-BF16, bf16 is 1.8 times
            as fast, and the cosine between a vector and its float32 counterpart is at least 0.9999.

    Raises:
        EmbedderError: the model is missing or cannot be loaded.
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
        own = self.model.prompts.get(self.model.default_prompt_name or "")
        self.prompt: str | None = own or (E5_PROMPT if E5.search(split_revision(name)[0]) else None)
        """What the model wants before each text."""

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors, float32, shape (len(texts), dimensions), in the order of `texts`.

        The library cuts a text that is longer than the model's limit.

        A text that the tokenizer cannot read, such as Thai for an English one, has the zero vector, which is near to no other.
        It would be a row of unknown tokens, and all such texts alike.

        The vector of a text does not depend on the other texts of the call, to the last bit. A run that was killed embeds
        its texts again in other groups, and must find the same neighbours and clusters. So all batches have the same
        number of rows, and the rows of a batch have the same length.
        """
        embeddings = np.zeros((len(texts), self.model.get_embedding_dimension() or 0), dtype="<f4")
        lengths, readable = self._look_at(texts)
        for group in batches_of([lengths[place] for place in readable], self.batch_size):
            places = [readable[each] for each in group]
            batch = [texts[place] for place in places]
            batch += batch[-1:] * (self.batch_size - len(batch))
            vectors = self.model.encode(
                batch,
                prompt=self.prompt,
                batch_size=self.batch_size,
                show_progress_bar=False,
                convert_to_tensor=True,
            )
            # Normalised after the cast: in bf16 a unit vector's norm is off by up to 0.4 %.
            unit = torch.nn.functional.normalize(vectors.float(), dim=1)
            embeddings[places] = unit[: len(places)].cpu().numpy()
        return embeddings

    def _look_at(self, texts: list[str]) -> tuple[list[int], list[int]]:
        """Number of tokens of each text, up to the model's limit; and the places of texts of which most are known."""
        everything = list(range(len(texts)))
        features = self.model.preprocess(texts, prompt=self.prompt) if texts else {}
        mask, tokens = features.get("attention_mask"), features.get("input_ids")
        if mask is None:  # a model without a mask, such as static word vectors, does not pad
            return [0] * len(texts), everything
        lengths = mask.sum(dim=1)
        tokenizer = self.model.tokenizer
        unknown = getattr(tokenizer, "unk_token_id", None)
        if tokens is None or unknown in (None, tokenizer.pad_token_id, tokenizer.eos_token_id):
            return lengths.tolist(), everything
        words = lengths - tokenizer.num_special_tokens_to_add()
        missed = ((tokens == unknown) & mask.bool()).sum(dim=1)
        readable = (2 * missed < words) | (missed == 0)
        return lengths.tolist(), torch.nonzero(readable).flatten().tolist()


def batches_of(lengths: list[int], size: int) -> list[list[int]]:
    """Batches of at most `size` texts of the same length, as indices."""
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
    answers = own_stdout()
    try:
        if len(sys.argv) != 2:
            raise EmbedderError("Usage: python -m trainer.embed MODEL")
        embedder = Embedder(sys.argv[1])
    except EmbedderError as error:
        write_line(answers, {"error": str(error)})
        return 1
    for line in sys.stdin:
        if line.strip():
            write_line(answers, answer(embedder, line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
