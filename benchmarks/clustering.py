"""Choosing k by k-means: ours against scikit-learn's KMeans, on the same vectors and the same range of k.

    python benchmarks/clustering.py [--rows 20000] [--dimensions 384] [--max-k 30]

Vectors are unit vectors around planted centres, like embeddings of error analyses. Both run in one process, one after
the other, and each uses the cores in its own way. Inertia is computed in the same way for both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine
from graphs.analysis.clustering import cluster, elbow

RESULTS = Path(__file__).parent / "results" / "clustering.json"


def planted(rows: int, dimensions: int, centres: int, noise: float, seed: int) -> NDArray[np.float32]:
    """Unit vectors, shape (rows, dimensions): centres of unit variance, and noise with this standard deviation."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(centres, dimensions))
    vectors = means[rng.integers(centres, size=rows)] + noise * rng.normal(size=(rows, dimensions))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def compare(vectors: NDArray[np.float32], max_k: int) -> dict[str, float | int]:
    """Seconds and inertia of both searches."""
    started = time.perf_counter()
    ours = cluster(vectors, seed=0, max_k=max_k, min_points=2, horizon=max_k)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    theirs = {k: float(KMeans(k, random_state=0).fit(vectors).inertia_) for k in range(2, max_k + 1)}
    reference = time.perf_counter() - started
    ratios = [ours.inertia[k] / theirs[k] for k in theirs]
    return {
        "seconds": round(seconds, 2),
        "sklearn_seconds": round(reference, 2),
        "times_as_fast": round(reference / seconds, 2),
        "inertia_ratio_mean": round(float(np.mean(ratios)), 4),
        "inertia_ratio_worst": round(max(ratios), 4),
        "k": ours.k,
        "sklearn_k": elbow({1: ours.inertia[1], **theirs}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--max-k", type=int, default=30)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    shapes = [
        ("large", options.rows, 12, 1.5, options.max_k),
        ("large", options.rows, 200, 1.5, options.max_k),
        ("small", 200, 8, 1.5, 10),
        ("small", 60, 5, 1.5, 10),
    ]
    before, cases = machine(), []
    for name, rows, centres, noise, max_k in shapes:
        vectors = planted(rows, options.dimensions, centres, noise, seed=1)
        case = {"case": name, "rows": rows, "planted": centres, "max_k": max_k, **compare(vectors, max_k)}
        print(json.dumps(case))
        cases.append(case)
    result = {"dimensions": options.dimensions, **before, "cases": cases}
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
