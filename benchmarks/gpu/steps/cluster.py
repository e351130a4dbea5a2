"""Clustering on the CPU, against scikit-learn, on planted vectors of as many rows as texts were embedded."""

from __future__ import annotations

from benchmarks.clustering import compare, planted
from benchmarks.gpu.check import Check

DIMENSIONS, CENTRES, NOISE = 384, 12, 1.5


def run(check: Check) -> None:
    vectors = planted(check.scale.texts, DIMENSIONS, CENTRES, NOISE, seed=1)
    shape = {
        "rows": check.scale.texts,
        "dimensions": DIMENSIONS,
        "planted": CENTRES,
        "max_k": check.scale.max_k,
    }
    check.put("shape", value=shape)
    check.put("cluster", value=compare(vectors, check.scale.max_k))
