"""The embedding worker against sentence-transformers' own `encode`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainer.embed import Embedder, EmbedderError, answer, resolve_embedder

ODD = [
    "",
    "snow",
    "a very long text " * 2000,
    "Grüße, 世界! 🙂🙂 \u202eabc\u0000 \ufeff",
    "   \n\t  ",
    "Snow is white.",
    "snow",
    "middle sized text about bees and what they make of the flowers in the garden",
]

pytestmark = pytest.mark.student


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """One text at a time, float32, by the library."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(resolve_embedder("builtin:minilm"), device="cpu")
    return np.stack([model.encode(text, normalize_embeddings=True) for text in ODD])


def test_vectors_are_the_librarys_in_order(expected: np.ndarray) -> None:
    vectors = Embedder("builtin:minilm", dtype=torch.float32).embed(ODD)
    assert vectors.dtype == np.dtype("<f4")
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4])
def test_the_company_of_a_text_changes_not_one_bit(size: int) -> None:
    embedder = Embedder("builtin:minilm", dtype=torch.float32)
    embedder.batch_size = size
    texts = [" ".join(f"word{n * m}" for m in range(1 + n % 7)) for n in range(30)]
    together = embedder.embed(texts)
    turned = embedder.embed(texts[::-1])[::-1]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(together, turned)
    assert np.array_equal(together, alone)


def test_bf16_keeps_the_direction_and_unit_length(expected: np.ndarray) -> None:
    vectors = Embedder("builtin:minilm", dtype=torch.bfloat16).embed(ODD)
    assert (vectors * expected).sum(1).min() >= 0.999
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_worker_answers_line_by_line_and_ends_with_its_input(expected: np.ndarray) -> None:
    requests = [
        json.dumps({"texts": ODD}),
        "no JSON",
        json.dumps({"texts": "snow"}),
        json.dumps({"texts": []}),
        json.dumps({"texts": ["snow"]}),
    ]
    done = worker("builtin:minilm", "\n".join(requests) + "\n")
    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    assert (decoded(answers[0]) * expected).sum(1).min() >= 0.999
    assert "texts" in answers[1]["error"]
    assert "list of strings" in answers[2]["error"]
    assert answers[3] == {"shape": [0, 384], "data": ""}
    assert float(decoded(answers[4])[0] @ expected[1]) >= 0.999


def test_an_unknown_model_is_one_line(tmp_path: Path) -> None:
    done = worker(str(tmp_path), json.dumps({"texts": ["snow"]}) + "\n")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert str(tmp_path) in json.loads(line)["error"]


@pytest.mark.parametrize("name", ["./no-such-folder", "builtin:nothing"])
def test_a_missing_model_is_named(name: str) -> None:
    with pytest.raises(EmbedderError, match=name):
        resolve_embedder(name)


def test_a_failing_model_is_an_answer() -> None:
    class Failing(Embedder):
        def __init__(self) -> None:
            pass

        def embed(self, texts: list[str]) -> Any:
            raise RuntimeError("not enough memory")

    assert answer(Failing(), '{"texts": ["snow"]}') == {"error": "Embedding failed: not enough memory"}


def worker(name: str, requests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer.embed", name]
    # One thread: several threads and those of this process would spin while they wait for each other.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, input=requests, capture_output=True, text=True, timeout=120, env=environment
    )


def decoded(message: dict[str, Any]) -> np.ndarray:
    vectors = np.frombuffer(base64.b64decode(message["data"]), dtype="<f4")
    return vectors.reshape(message["shape"])
