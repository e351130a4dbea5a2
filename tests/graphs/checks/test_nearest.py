"""Search for the nearest rows."""

from __future__ import annotations

import numpy as np
import pytest

from graphs.checks.nearest import Neighbours


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_one_query_ranks_by_cosine() -> None:
    rows = Neighbours(["a", "b", "c", "d"], on_circle(0, 30, 90, 180))
    neighbours = rows.nearest(on_circle(10)[0], 3)
    assert [name for name, _ in neighbours] == ["a", "b", "c"]
    assert [value for _, value in neighbours] == pytest.approx(np.cos(np.radians([10, 20, 80])), abs=1e-6)


def test_excluded_rows_leave_their_place_to_the_next() -> None:
    rows = Neighbours(["a", "b", "c", "d"], on_circle(0, 30, 90, 180))
    assert [name for name, _ in rows.nearest(on_circle(10), 2, exclude={"a", "unknown"})] == ["b", "c"]


def test_several_queries_rank_by_the_nearest_of_them() -> None:
    rows = Neighbours(["a", "b", "c", "d"], on_circle(0, 40, 90, 180))
    assert [name for name, _ in rows.nearest(on_circle(175, 1), 2)] == ["a", "d"]


def test_more_than_there_is_and_nothing_at_all() -> None:
    rows = Neighbours(["a", "b"], on_circle(0, 90))
    assert len(rows.nearest(on_circle(0), 10)) == len(rows) == 2
    assert rows.nearest(on_circle(0), 0) == []
    assert Neighbours([], np.zeros((0, 2), np.float32)).nearest(on_circle(0), 3) == []


def test_ids_without_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="3 ids"):
        Neighbours(["a", "b", "c"], on_circle(0, 90))


def test_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = Neighbours([str(i) for i in range(500)], vectors)
    expected = np.argsort(-(vectors @ vectors[7]))[1:21]
    assert [int(name) for name, _ in rows.nearest(vectors[7], 20, exclude=["7"])] == expected.tolist()
