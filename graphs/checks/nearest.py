"""Exact nearest-neighbour search by cosine."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray


class Neighbours:
    """Rows that are searched by their embeddings.

    Args:
        ids: one for each row.
        vectors: unit vectors, shape (len(ids), dimensions).

    Raises:
        ValueError: ids and vectors differ in number.
    """

    def __init__(self, ids: Sequence[str], vectors: NDArray[np.float32]):
        if vectors.ndim != 2 or len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids need as many vectors, not an array of shape {vectors.shape}")
        self._ids = list(ids)
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(
        self, vectors: NDArray[np.float32], count: int, exclude: Collection[str] = ()
    ) -> list[tuple[str, float]]:
        """Up to `count` (id, cosine), the most similar first. Ties are in the order of the rows.

        Args:
            vectors: one unit vector, shape (d,), or several, shape (n, d). With several, a row ranks by the one
                nearest to it.
            exclude: ids to leave out.
        """
        queries = np.ascontiguousarray(np.atleast_2d(vectors), dtype=np.float32)
        depth = min(count + len(set(exclude)), len(self))
        if depth <= 0 or count <= 0 or not len(queries):
            return []
        similarities, rows = self._index.search(queries, depth)
        best: dict[int, float] = {}
        for row, similarity in zip(rows.ravel().tolist(), similarities.ravel().tolist(), strict=True):
            best[row] = max(similarity, best.get(row, -np.inf))
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        unwanted = set(exclude)
        return [(self._ids[row], value) for row, value in ranked if self._ids[row] not in unwanted][:count]
