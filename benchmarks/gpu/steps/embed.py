"""Texts through the embedding worker, as a run asks it, against `encode` of sentence-transformers."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import texts
from trainer.precision import pick_device, pick_dtype
from trainer.specs import StudentSpec

LIBRARY_BATCH = 64


def run(check: Check) -> None:
    found = texts(check.scale.texts, check.scale.text_words)
    vectors = ours(check, found)
    np.save(check.work / "vectors.npy", vectors, allow_pickle=False)
    reference, seconds = library(check, found)
    check.put("library", value={"texts_per_second": len(found) / seconds, "batch_size": LIBRARY_BATCH})
    check.put("times_library", value=check.figure("embed", "ours", "texts_per_second") * seconds / len(found))
    cosines = (vectors * reference).sum(axis=1)
    check.put("lowest_cosine", value=float(cosines.min()))


def ours(check: Check, found: list[str]) -> NDArray[np.float32]:
    """The worker's vectors; its start is timed apart."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "trainer.embed", str(check.model("embedder"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        ask(child, found[:1])
        started = time.perf_counter()
        answer = ask(child, found)
        seconds = time.perf_counter() - started
        assert child.stdin
        child.stdin.close()
    check.put("ours", value={"texts_per_second": len(found) / seconds, "start_seconds": started - began})
    return np.frombuffer(base64.b64decode(answer["data"]), dtype="<f4").reshape(answer["shape"])


def ask(child: subprocess.Popen[str], found: list[str]) -> dict[str, Any]:
    """One request and its answer."""
    assert child.stdin
    assert child.stdout
    child.stdin.write(json.dumps({"texts": found}) + "\n")
    child.stdin.flush()
    answer: dict[str, Any] = json.loads(child.stdout.readline())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer


def library(check: Check, found: list[str]) -> tuple[NDArray[np.float32], float]:
    """The library's own batches, sorted by length, in the same precision."""
    device = pick_device()
    options = {"use_safetensors": True, "dtype": pick_dtype(StudentSpec(), device)}
    model = SentenceTransformer(str(check.model("embedder")), device=str(device), model_kwargs=options)
    model.encode(found[:LIBRARY_BATCH], batch_size=LIBRARY_BATCH)
    began = time.perf_counter()
    vectors = model.encode(found, batch_size=LIBRARY_BATCH, convert_to_tensor=True)
    unit: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
    return unit, time.perf_counter() - began
