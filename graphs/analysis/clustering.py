"""Clusters of similar error analyses: k-means with faiss, with k at the elbow of the inertia curve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]

ROUNDING = 1e-6
"""Vectors count as equal if their variance is at most this share of their mean square."""
TOLERANCE = 1e-4
"""Lloyd's algorithm has converged if an iteration lowers inertia by a smaller share."""
ITERATIONS = 300
SPLIT_ITERATIONS = 5
TRIALS = 6
"""Points tried for each new centre of a start, in k-means++."""
RESTARTS = 10
RESTART_POINTS = 2_000
"""Maximum number of vectors for `RESTARTS`. In larger sets the split of the clusters before was as good as any other start."""
SILHOUETTE_SAMPLE = 2_000
ELBOW_HORIZON = 30
"""Clusters up to which the inertia curve is drawn. The elbow depends on where the curve ends, so it is no setting of a run."""


@dataclass(frozen=True)
class Clustering:
    """A partition of n vectors into k clusters, none of them empty."""

    labels: Indices
    """Cluster of each vector, shape (n,)."""
    centroids: Vectors
    """Shape (k, d), not normalised."""
    inertia: dict[int, float]
    """k -> sum of squared distances to the nearest centroid, for every k that was tried. 1 is always among them."""
    silhouette: float | None
    """Mean silhouette (Rousseeuw 1987), of large sets on a seeded sample. None for one cluster."""
    k: int


def cluster(
    vectors: Vectors,
    *,
    seed: int,
    max_k: int,
    min_points: int,
    k: int | None = None,
    horizon: int = ELBOW_HORIZON,
) -> Clustering:
    """Partition vectors by k-means, with the given k, or with k at the elbow, and at most `max_k`.

    There is one cluster if there are fewer than `min_points` vectors or if all are equal. The elbow is that of the curve up to
    `horizon` clusters or half the number of vectors, whatever `max_k` is. The same input and seed give the same answer.

    Args:
        vectors: shape (n, d), n >= 1.
        k: number of clusters, capped at `max_k` and n. None takes the elbow.

    Raises:
        ValueError: no vectors.
    """
    points = np.ascontiguousarray(vectors, dtype=np.float32)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"clustering needs at least one vector, not an array of shape {points.shape}")
    one = points.mean(axis=0, keepdims=True)
    inertia = {1: float(((points - one) ** 2).sum(dtype=np.float64))}
    largest = min(max_k, k, len(points)) if k else min(horizon, len(points) // 2)
    all_equal = inertia[1] <= ROUNDING * float((points**2).sum(dtype=np.float64))
    if len(points) < min_points or min(largest, max_k) < 2 or all_equal:
        return Clustering(np.zeros(len(points), dtype=np.int64), one, inertia, None, 1)
    rng = np.random.default_rng(seed)
    centroids = {1: one}
    for count in range(2, largest + 1):
        centroids[count], inertia[count] = _best(points, centroids[count - 1], rng)
    return _finish(points, centroids[largest if k else min(max_k, elbow(inertia))], inertia, seed)


def elbow(inertia: dict[int, float]) -> int:
    """The knee of a falling convex curve, by Kneedle (Satopaa et al. 2011), offline, for one knee.

    Both axes are scaled to 0..1, and the knee is where the curve is farthest below its chord. The first and the last k
    are never the knee, so the curve should begin at k = 1. With fewer than three points, the last k is returned.
    """
    ks = np.array(sorted(inertia))
    if len(ks) < 3:
        return int(ks[-1])
    curve = np.minimum.accumulate([inertia[int(k)] for k in ks])
    fall = curve[0] - curve[-1]
    below = (curve[0] - curve) / (fall if fall > 0 else 1.0) - (ks - ks[0]) / (ks[-1] - ks[0])
    return int(ks[1 + np.argmax(below[1:-1])])


def representatives(vectors: Vectors, count: int, seed: int) -> Indices:
    """Indices of `count` vectors that stand for all: of each of `count` k-means clusters, the member nearest to its centre.

    Fewer if there are fewer different vectors. The same input and seed give the same answer.

    Args:
        vectors: shape (n, d), n >= count >= 1.
    """
    points = np.ascontiguousarray(vectors, dtype=np.float32)
    centres, _ = _lloyd(points, _seed(points, count, np.random.default_rng(seed)))
    distances, labels = _assign(points, centres)
    order = np.argsort(distances, kind="stable")
    _, first = np.unique(labels[order], return_index=True)
    return np.sort(order[first])


def nearest(clustering: Clustering, vectors: Vectors, label: int, count: int) -> Indices:
    """Indices of up to `count` members of a cluster, the nearest to its centroid first."""
    return _members_by_distance(clustering, vectors, label)[:count]


def farthest(clustering: Clustering, vectors: Vectors, label: int, count: int) -> Indices:
    """Indices of up to `count` members of a cluster, the farthest from its centroid first."""
    return _members_by_distance(clustering, vectors, label)[::-1][:count]


def project(vectors: Vectors) -> NDArray[np.float64]:
    """Coordinates on the two principal axes, shape (n, 2). The largest loading of each axis is positive."""
    centred = np.asarray(vectors, dtype=np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    size = centred.shape[1]
    # only two axes, because all of them take a second if other processes use the CPU
    _, axes = linalg.eigh(centred.T @ centred, subset_by_index=[max(0, size - 2), size - 1])
    axes = axes[:, ::-1]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    flat = np.zeros((len(centred), 2))
    flat[:, : axes.shape[1]] = centred @ axes
    return flat


def _members_by_distance(clustering: Clustering, vectors: Vectors, label: int) -> Indices:
    members = np.flatnonzero(clustering.labels == label)
    distances = ((vectors[members] - clustering.centroids[label]) ** 2).sum(axis=1)
    return members[np.argsort(distances, kind="stable")]


def _best(points: Vectors, previous: Vectors, rng: np.random.Generator) -> tuple[Vectors, float]:
    """Centroids and inertia of the best k-means with one cluster more than `previous` has."""
    starts = [_split(points, previous, rng)]
    for _ in range(RESTARTS if len(points) <= RESTART_POINTS else 0):
        starts.append(_seed(points, len(previous) + 1, rng))
    return min((_lloyd(points, start) for start in starts), key=lambda result: result[1])


def _split(points: Vectors, centres: Vectors, rng: np.random.Generator) -> Vectors:
    """Split one cluster in two, the one whose split lowers inertia most.

    Adding a single point as a centroid would not do. In many dimensions a point is farther from its own neighbours than
    from the centroid of another cluster, so it would attract almost nothing.
    """
    distances, labels = _assign(points, centres)
    best, gain = np.vstack([centres, points[rng.integers(len(points), size=1)]]), 0.0
    for label in range(len(centres)):
        members = points[labels == label]
        if len(members) < 2:
            continue
        halves, inertia = _lloyd(members, _seed(members, 2, rng), SPLIT_ITERATIONS)
        lowered = float(distances[labels == label].sum(dtype=np.float64)) - inertia
        if lowered > gain:
            best, gain = np.vstack([np.delete(centres, label, axis=0), halves]), lowered
    return best


def _seed(points: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    """Choose k points as centres by greedy k-means++ (Arthur and Vassilvitskii 2007).

    Points are drawn with a probability proportional to their squared distance. Of `TRIALS` of them, the one that lowers
    inertia most becomes the next centre.
    """
    squares = (points**2).sum(axis=1)
    chosen = [int(rng.integers(len(points)))]
    distances = _squared_distances(points, squares, points[chosen])[:, 0]
    while len(chosen) < k:
        weights = distances.astype(np.float64)
        total = weights.sum()
        trials = rng.choice(len(points), size=TRIALS, p=weights / total if total > 0 else None)
        lowered = np.minimum(_squared_distances(points, squares, points[trials]), distances[:, None])
        best = int(lowered.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(trials[best]))
        distances = lowered[:, best]
    return points[chosen]


def _squared_distances(points: Vectors, squares: Vectors, centres: Vectors) -> Vectors:
    """Shape (points, centres), never below 0."""
    products = points @ centres.T
    distances: Vectors = np.maximum(squares[:, None] - 2 * products + (centres**2).sum(axis=1), 0)
    return distances


def _lloyd(points: Vectors, centres: Vectors, iterations: int = ITERATIONS) -> tuple[Vectors, float]:
    """Centroids and inertia after Lloyd's algorithm, by faiss, from these centres to convergence."""
    means: Any = faiss.Kmeans(
        points.shape[1],
        len(centres),
        niter=iterations,
        early_stop_threshold=TOLERANCE,
        # by default faiss trains on 256 points for each centroid, and warns below 39
        max_points_per_centroid=len(points),
        min_points_per_centroid=1,
    )
    with _one_thread():
        means.train(points, init_centroids=centres)
    return means.centroids, float(_assign(points, means.centroids)[0].sum(dtype=np.float64))


def _assign(points: Vectors, centres: Vectors) -> tuple[Vectors, Indices]:
    """Squared distance to the nearest centre, and the index of that centre, each of shape (n,)."""
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(centres)
    with _one_thread():
        distances, labels = index.search(points, 1)
    return distances[:, 0], labels[:, 0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run faiss on one core, so that the answer is the same on any machine.

    OpenMP's waiting threads also spin, which on a busy machine makes k-means on some hundred points a thousand times
    slower.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _finish(points: Vectors, centres: Vectors, inertia: dict[int, float], seed: int) -> Clustering:
    """Assign every point, drop centres without points (copies of one vector), and compute the silhouette."""
    used, labels = np.unique(_assign(points, centres)[1], return_inverse=True)
    score = _silhouette(points, labels, seed) if len(used) > 1 else None
    return Clustering(labels.astype(np.int64), centres[used], inertia, score, len(used))


def _silhouette(points: Vectors, labels: Indices, seed: int) -> float:
    """Mean over points of (b - a) / max(a, b). A point in a cluster of its own counts 0.

    a is the mean distance to the point's own cluster, b that to the nearest other one.
    """
    if len(points) > SILHOUETTE_SAMPLE:
        sample = np.random.default_rng(seed).choice(len(points), SILHOUETTE_SAMPLE, replace=False)
        points, labels = points[sample], labels[sample]
    used, labels = np.unique(labels, return_inverse=True)
    if len(used) < 2:
        return 0.0
    exact = points.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * exact @ exact.T, 0))
    np.fill_diagonal(distances, 0)
    members = np.eye(len(used))[labels]
    sizes = members.sum(axis=0)
    sums = distances @ members
    rows = np.arange(len(points))
    own = sums[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    means = sums / sizes
    means[rows, labels] = np.inf
    other = means.min(axis=1)
    scores = (other - own) / np.maximum(np.maximum(own, other), np.finfo(np.float64).tiny)
    return float(np.where(sizes[labels] > 1, scores, 0.0).mean())
