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
from graphs.clustering import cluster

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


@pytest.mark.student
def test_clusters_are_the_planted_gaps() -> None:
    rng = random.Random(7)
    failed = [row for row in demo_rows("validation") if rng.random() < (0.4 if row["gap"] else 0.15)]
    analyses = [
        analyze(
            {
                "prompt": row["prompt"],
                "expected": row["completion"],
                "predicted": rng.choice([team for team in TEAMS if team != row["completion"]]),
            },
            rng,
        )
        for row in failed
    ]
    found = cluster(
        embed([f"{analysis.root_cause} {analysis.scenario}" for analysis in analyses]),
        seed=0,
        max_k=10,
        min_points=8,
    )
    members = [
        Counter(row["gap"] for row, label in zip(failed, found.labels, strict=True) if label == c)
        for c in range(found.k)
    ]
    ruling = [counts.most_common(1)[0] for counts in members]
    assert {gap for gap, _ in ruling} >= {"negation", "sarcasm", "quote", "story"}
    assert sum(count for _, count in ruling) >= 0.85 * len(failed)
