"""The embedding worker against sentence-transformers' own `encode`."""

from __future__ import annotations

import base64
import json
import os
import shutil
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


SPOKEN = [
    "บัตรของฉันหาย",
    "ฉันต้องการเงินคืน",
    "मेरा कार्ड खो गया है",
    "カードをなくしました",
    "Ich habe meine Karte verloren",
    "我的卡丢了",
    " (x) ",
    "snow " * 700,
]


def make_e5(folder: Path) -> Path:
    """A random model of multilingual-e5-small's architecture: BERT with the tokenizer of XLM-RoBERTa, mean pooling, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import BertConfig, BertModel, XLMRobertaTokenizerFast

    learned = SentencePieceUnigramTokenizer()
    learned.train_from_iterator(
        SPOKEN * 4, vocab_size=200, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer = XLMRobertaTokenizerFast(
        vocab=[(piece, score) for piece, score in json.loads(learned.to_str())["model"]["vocab"]]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    body = Transformer(str(folder / "bert"), max_seq_length=512)
    made = folder / "multilingual-e5-small"
    SentenceTransformer(modules=[body, Pooling(32, pooling_mode="mean"), Normalize()]).save(str(made))
    return made


@pytest.fixture(scope="module")
def e5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_e5(tmp_path_factory.mktemp("e5"))


def test_a_multilingual_model_reads_all_scripts_with_the_prefix_that_it_wants(e5: Path) -> None:
    """Against transformers: prefix, mask, mean over tokens, length, limit."""
    from transformers import AutoModel, AutoTokenizer

    embedder = Embedder(str(e5), dtype=torch.float32)
    embedder.batch_size = 4
    vectors = embedder.embed(SPOKEN)
    tokenizer, model = AutoTokenizer.from_pretrained(e5), AutoModel.from_pretrained(e5).eval()
    for text, vector in zip(SPOKEN, vectors, strict=True):
        inputs = tokenizer("query: " + text.strip(), truncation=True, max_length=512, return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(vector, torch.nn.functional.normalize(mean, dim=0), atol=1e-5)
    assert np.array_equal(vectors[0], embedder.embed([SPOKEN[0]])[0])


def test_a_model_says_itself_what_it_wants_before_a_text(e5: Path, tmp_path: Path) -> None:
    own = shutil.copytree(e5, tmp_path / "own")
    config = json.loads((own / "config_sentence_transformers.json").read_text())
    prompts = {"prompts": {"same": "same meaning: "}, "default_prompt_name": "same"}
    (own / "config_sentence_transformers.json").write_text(json.dumps(config | prompts))
    assert Embedder(str(own)).prompt == "same meaning: "
    assert Embedder("builtin:minilm").prompt is None


def test_texts_that_a_model_cannot_read_are_near_to_nothing() -> None:
    """All Thai words are the same unknown token to an English tokenizer, and so would all texts be."""
    vectors = Embedder("builtin:minilm", dtype=torch.float32).embed(
        [*SPOKEN[:2], "I lost my card", SPOKEN[5]]
    )
    assert not vectors[[0, 1, 3]].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[2]), 1, atol=1e-6)
