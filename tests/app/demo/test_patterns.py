"""The embedded teacher's analyses fall into clusters that are the planted gaps."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from app.demo.composer import TEAMS
from app.demo.dataset import demo_rows
from app.demo.teacher import analyze
from graphs.analysis.clustering import cluster

pytestmark = pytest.mark.slow


def embed(texts: list[str]) -> NDArray[np.float32]:
    """Vectors of the embedded MiniLM, from the worker process."""
    worker = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "trainer.embed", "builtin:minilm"],
        input=json.dumps({"texts": texts}) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(worker.stdout)
    return np.frombuffer(base64.b64decode(answer["data"]), dtype="<f4").reshape(answer["shape"])


def failures(draw: int) -> list[tuple[str | None, str]]:
    """Gap and analysis of messages that a student might fail on: gaps more often than plain ones."""
    rng = random.Random(draw)
    failed = [row for row in demo_rows("validation") if rng.random() < (0.4 if row["gap"] else 0.15)]
    pairs = []
    for row in failed:
        taken_for = rng.choice([team for team in TEAMS if team != row["completion"]])
        data = {"prompt": row["prompt"], "expected": row["completion"], "predicted": taken_for}
        analysis = analyze(data, rng)
        pairs.append((row["gap"], f"{analysis.root_cause} {analysis.scenario}"))
    return pairs


@pytest.mark.student
def test_clusters_are_the_planted_gaps() -> None:
    """Which messages fail differs from machine to machine, and the elbow may see one cluster less on some of them."""
    draws = [failures(draw) for draw in range(8)]
    vectors = embed([text for draw in draws for _, text in draw])
    complete = pure = start = 0
    for draw in draws:
        own, start = vectors[start : start + len(draw)], start + len(draw)
        clustering = cluster(own, seed=0, max_k=10, min_points=8)
        members = [
            Counter(gap for (gap, _), label in zip(draw, clustering.labels, strict=True) if label == c)
            for c in range(clustering.k)
        ]
        ruling = [counts.most_common(1)[0] for counts in members]
        complete += {gap for gap, _ in ruling} == {"negation", "sarcasm", "quote", "story", None}
        pure += sum(count for _, count in ruling)
    assert complete >= 6
    assert pure >= 0.9 * start
