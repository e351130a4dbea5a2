"""Clusters of planted structure, against scikit-learn where it is the judge."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from graphs.analysis.clustering import (
    ELBOW_HORIZON,
    Clustering,
    cluster,
    elbow,
    farthest,
    nearest,
    project,
    representatives,
)


def planted(
    rows: int, centres: int, noise: float, seed: int = 0, d: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around random centres, and the centre of each."""
    rng = np.random.default_rng(seed)
    truth = np.arange(rows) % centres
    vectors = rng.normal(size=(centres, d))[truth] + noise * rng.normal(size=(rows, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth


@pytest.mark.parametrize(("rows", "centres"), [(20, 2), (30, 3), (60, 5), (200, 8)])
def test_planted_groups_are_found(rows: int, centres: int) -> None:
    vectors, truth = planted(rows, centres, noise=0.4)
    clustering = cluster(vectors, seed=0, max_k=20, min_points=8)
    assert clustering.k == centres
    assert adjusted_rand_score(truth, clustering.labels) == 1


@pytest.mark.parametrize(
    ("rows", "centres", "noise"), [(25, 3, 1.0), (80, 12, 1.0), (200, 6, 1.5), (600, 40, 1.0)]
)
def test_inertia_is_as_good_as_scikit_learns(rows: int, centres: int, noise: float) -> None:
    vectors, _ = planted(rows, centres, noise, seed=rows)
    clustering = cluster(vectors, seed=0, max_k=10, min_points=8)
    assert sorted(clustering.inertia) == list(range(1, min(ELBOW_HORIZON, rows // 2) + 1))
    for k, inertia in clustering.inertia.items():
        assert inertia <= 1.01 * KMeans(k, random_state=0).fit(vectors).inertia_


def test_inertia_and_silhouette_are_those_of_the_labels() -> None:
    vectors, _ = planted(90, 4, noise=1.0)
    clustering = cluster(vectors, seed=0, max_k=8, min_points=8)
    distances = ((vectors[:, None] - clustering.centroids) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == clustering.labels).all()
    assert clustering.inertia[clustering.k] == pytest.approx(distances.min(axis=1).sum(), rel=1e-4)
    assert clustering.inertia[1] == pytest.approx(((vectors - vectors.mean(axis=0)) ** 2).sum(), rel=1e-4)
    assert clustering.silhouette == pytest.approx(silhouette_score(vectors, clustering.labels), abs=1e-4)


def test_silhouette_of_a_large_set_is_near_the_full_one() -> None:
    vectors, _ = planted(4000, 3, noise=0.8, d=16)
    clustering = cluster(vectors, seed=0, max_k=5, min_points=8)
    assert clustering.silhouette == pytest.approx(silhouette_score(vectors, clustering.labels), abs=0.02)


def test_all_rows_count_in_a_large_set() -> None:
    """faiss would train on 256 points a centroid: a group of one in a thousand would be lost."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9000, 8)).astype(np.float32) * 0.05
    vectors[:, 0] += np.where(np.arange(9000) % 2, 1.0, -1.0)
    vectors[::1000] = [0, 30, 0, 0, 0, 0, 0, 0]
    clustering = cluster(vectors, seed=0, max_k=6, min_points=8)
    assert len(set(clustering.labels[::1000])) == 1
    assert (clustering.labels == clustering.labels[0]).sum() == 9


def test_the_same_seed_gives_the_same_answer() -> None:
    vectors, _ = planted(120, 10, noise=1.5)
    first, second = (cluster(vectors, seed=3, max_k=10, min_points=8) for _ in range(2))
    assert first.inertia == second.inertia
    assert (first.labels == second.labels).all()
    assert first.centroids.tobytes() == second.centroids.tobytes()


def test_as_many_clusters_as_asked_for() -> None:
    vectors, _ = planted(60, 5, noise=0.4)
    assert cluster(vectors, seed=0, max_k=40, min_points=8, k=20).k == 20
    assert cluster(vectors, seed=0, max_k=7, min_points=8, k=20).k == 7
    assert cluster(vectors, seed=0, max_k=90, min_points=8, k=50).k == 50
    assert cluster(vectors, seed=0, max_k=90, min_points=8, k=80).k == 60, "no more than there are vectors"
    assert cluster(vectors[:6], seed=0, max_k=40, min_points=8, k=3).k == 1


def test_few_points_are_one_cluster() -> None:
    vectors, _ = planted(7, 2, noise=0.1)
    clustering = cluster(vectors, seed=0, max_k=10, min_points=8)
    assert (clustering.k, clustering.silhouette, list(clustering.inertia)) == (1, None, [1])
    assert clustering.labels.tolist() == [0] * 7
    np.testing.assert_allclose(clustering.centroids, vectors.mean(axis=0, keepdims=True), rtol=1e-5)


def test_vectors_all_alike_are_one_cluster() -> None:
    one, _ = planted(1, 1, noise=0.1)
    vectors = np.repeat(one, 40, axis=0) + np.random.default_rng(0).normal(size=(40, 64)).astype(
        np.float32
    ) * np.float32(1e-7)
    assert cluster(vectors, seed=0, max_k=10, min_points=8).k == 1
    assert cluster(np.zeros((40, 4), np.float32), seed=0, max_k=10, min_points=8).k == 1
    assert cluster(one, seed=0, max_k=10, min_points=1).k == 1


@pytest.mark.parametrize("distinct", [2, 3])
def test_copies_leave_no_cluster_empty(distinct: int) -> None:
    values, _ = planted(distinct, distinct, noise=0.1)
    vectors = np.repeat(values, 20, axis=0)
    clustering = cluster(vectors, seed=0, max_k=10, min_points=8)
    sizes = np.bincount(clustering.labels, minlength=clustering.k)
    assert clustering.k == len(clustering.centroids) == distinct
    assert sizes.tolist() == [20] * distinct


def test_no_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        cluster(np.zeros((0, 4), np.float32), seed=0, max_k=10, min_points=8)


def test_elbow_of_known_curves() -> None:
    assert elbow({1: 100, 2: 60, 3: 20, 4: 18, 5: 16, 6: 14}) == 3
    assert elbow({1: 100, 2: 20, 3: 18, 4: 16}) == 2
    # 1/k from 1 to 9 has its largest distance from the chord at sqrt(1 * 9) = 3
    assert elbow({k: 1 / k for k in range(1, 10)}) == 3
    assert elbow({1: 100, 2: 50}) == 2


def test_members_by_distance() -> None:
    vectors = np.array([[0, 0], [3, 0], [1, 0], [10, 0], [2, 0]], np.float32)
    clustering = Clustering(np.array([0, 0, 0, 1, 0]), np.array([[0, 0], [10, 0]], np.float32), {}, None, 2)
    assert nearest(clustering, vectors, 0, 2).tolist() == [0, 2]
    assert farthest(clustering, vectors, 0, 2).tolist() == [1, 4]
    assert nearest(clustering, vectors, 1, 5).tolist() == [3]


def test_projection_keeps_the_two_widest_directions() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(100, 2)) * [5.0, 2.0]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0][:2]
    there = project((flat @ turn).astype(np.float32))
    centred = flat - flat.mean(axis=0)
    np.testing.assert_allclose(there @ there.T, centred @ centred.T, atol=1e-3)
    assert there[:, 0].var() > there[:, 1].var()
    assert (project((flat @ turn).astype(np.float32)) == there).all()


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (4, 3)])
def test_projection_of_small_shapes(shape: tuple[int, int]) -> None:
    assert project(np.ones(shape, np.float32)).shape == (shape[0], 2)


def test_representatives_are_one_of_each_planted_group() -> None:
    vectors, truth = planted(60, 5, noise=0.2)
    chosen = representatives(vectors, 5, seed=0)
    assert sorted(truth[chosen]) == [0, 1, 2, 3, 4]
    for place in chosen:
        group = vectors[truth == truth[place]]
        distances = ((group - group.mean(axis=0)) ** 2).sum(axis=1)
        assert ((vectors[place] - group.mean(axis=0)) ** 2).sum() == pytest.approx(distances.min())
    assert representatives(vectors, 5, seed=0).tolist() == chosen.tolist()


def test_representatives_of_as_many_as_there_are_are_all_of_them() -> None:
    vectors, _ = planted(12, 3, noise=1.0)
    assert representatives(vectors, 12, seed=0).tolist() == list(range(12))


def test_representatives_of_copies_are_fewer() -> None:
    assert len(representatives(np.ones((6, 4), np.float32), 3, seed=0)) == 1


def test_the_elbow_does_not_depend_on_the_most_clusters() -> None:
    vectors, _ = planted(200, 12, noise=1.6)
    free = cluster(vectors, seed=0, max_k=100, min_points=8)
    assert free.k > 3
    assert cluster(vectors, seed=0, max_k=free.k, min_points=8).k == free.k
    assert cluster(vectors, seed=0, max_k=free.k - 1, min_points=8).k == free.k - 1
