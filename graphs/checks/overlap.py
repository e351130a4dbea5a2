"""How much wording texts share: words, n-grams, near duplicates, and copies of guarded texts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

NEAR_WORDS = 3
"""Words of a gram for near duplicates."""
LEAK_WORDS = 5
"""Words of a gram for copies of guarded texts."""
EXCERPT_WORDS = 7
"""A shorter guarded text counts as copied only as a whole: it has one or two 5-grams, which also occur by chance."""
REWORDED = 0.7
"""Least similarity of two texts for one to count as the other with some words replaced."""
REWORDED_WORDS = 10
"""Shorter texts with two words replaced look like two people asking the same."""

Grams = frozenset[int]


def grams(tokens: Sequence[str], n: int) -> Grams:
    """Hashes of the runs of n words of a text. A shorter text is one run. The hashes are valid in this process only."""
    if len(tokens) <= n:
        return frozenset([hash(tuple(tokens))] if tokens else [])
    return frozenset(map(hash, zip(*(tokens[start:] for start in range(n)), strict=False)))


def jaccard(a: Grams, b: Grams) -> float:
    """Size of the intersection over size of the union. 0 for two empty sets."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length computation")."""
    positions: dict[str, int] = defaultdict(int)
    for position, word in enumerate(b):
        positions[word] |= 1 << position
    everything = (1 << len(b)) - 1
    row = everything
    for word in a:
        matches = row & positions.get(word, 0)
        row = ((row + matches) | (row - matches)) & everything
    return len(b) - row.bit_count()


class NearDuplicates:
    """Texts whose word 3-grams overlap, found by prefix filtering.

    Sort the grams of two sets in the same order. If their Jaccard similarity is t or more, they share a gram among the
    first n - ceil(t n) + 1 of each (Bayardo et al. 2007, "Scaling up all pairs similarity search"). Rare grams come
    first, which keeps the lists short, so that the time for one text hardly grows with the number of texts.

    Args:
        threshold: lowest Jaccard similarity of near duplicates.
        frequency: gram -> number of texts with it. A sample is enough: it affects the speed, not the result.
    """

    def __init__(self, threshold: float, frequency: Mapping[int, int]):
        self._threshold = threshold
        self._frequency = frequency
        self._texts: list[NDArray[np.int64]] = []
        self._index: dict[int, list[int]] = defaultdict(list)

    def add(self, hashes: Grams) -> None:
        """Add one text. It gets the next index, from 0."""
        for gram in self._prefix(hashes):
            self._index[gram].append(len(self._texts))
        self._texts.append(np.fromiter(hashes, np.int64, len(hashes)))

    def find(self, hashes: Grams, wanted: Callable[[int], bool]) -> tuple[int, float] | None:
        """Index and similarity of the most similar text at or above the threshold.

        Args:
            wanted: whether the text with this index may be returned.
        """
        best: tuple[int, float] | None = None
        for index in sorted(self._candidates(hashes)):
            text = self._texts[index]
            sizes = sorted((len(text), len(hashes)))
            if sizes[0] < self._threshold * sizes[1] or not wanted(index):
                continue
            similarity = jaccard(hashes, frozenset(text.tolist()))
            if similarity >= self._threshold and (best is None or similarity > best[1]):
                best = index, similarity
        return best

    def _candidates(self, hashes: Grams) -> set[int]:
        return {index for gram in self._prefix(hashes) for index in self._index.get(gram, ())}

    def _prefix(self, hashes: Grams) -> list[int]:
        length = len(hashes) - math.ceil(self._threshold * len(hashes)) + 1
        return sorted(hashes, key=lambda gram: (self._frequency.get(gram, 0), gram))[:length]


class GuardedTexts:
    """Texts that must not be copied, whole, in part, or with some words replaced.

    What occurs in train too is no sign of a copy, because the writer has seen train. So 5-grams that occur in train do
    not count as shared, and a word weighs by its rarity in train (inverse document frequency).

    Args:
        texts: the guarded texts' words.
        train: the training texts' words.
        threshold: least share of a guarded text's 5-grams for a text to count as a copy.
    """

    def __init__(self, texts: Sequence[Sequence[str]], train: Sequence[Sequence[str]], threshold: float):
        self._texts = [list(text) for text in texts]
        self._threshold = threshold
        self._train_grams: set[int] = set()
        frequency: Counter[str] = Counter()
        for tokens in train:
            self._train_grams |= grams(tokens, LEAK_WORDS)
            frequency.update(set(tokens))
        self._idf = {word: math.log((len(train) + 2) / (count + 1)) for word, count in frequency.items()}
        self._unseen = math.log(len(train) + 2)
        self._texts_by_gram: dict[int, list[int]] = defaultdict(list)
        self._texts_by_word: dict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(self._texts):
            self._add(index, text)
        self._arrays = {word: np.array(indices) for word, indices in self._texts_by_word.items()}
        self._sizes = np.array([len(grams(text, LEAK_WORDS)) for text in self._texts])
        self._weights = np.array([self._weight(set(text)) for text in self._texts])
        self._long = np.array([len(text) >= REWORDED_WORDS for text in self._texts], dtype=np.bool_)

    def contained(self, tokens: Sequence[str]) -> tuple[int, float] | None:
        """The guarded text of which this text contains the largest share, at or above the threshold, and that share."""
        own = grams(tokens, LEAK_WORDS)
        shared = Counter(index for gram in own for index in self._texts_by_gram.get(gram, ()))
        unknown = Counter(
            index for gram in own - self._train_grams for index in self._texts_by_gram.get(gram, ())
        )
        shares = {index: self._share(index, shared[index], unknown[index]) for index in shared}
        best = max(shares, key=lambda index: shares[index], default=None)
        return (
            (best, shares[best]) if best is not None and shares[best] >= self._threshold_for(best) else None
        )

    def reworded(self, tokens: Sequence[str]) -> tuple[int, float] | None:
        """The most similar guarded text with nearly the same words in nearly the same order, and the similarity.

        The similarity is Dice's coefficient of the weighted words. The order is compared by the longest common
        subsequence.
        """
        if len(tokens) < REWORDED_WORDS or not self._texts:
            return None
        common = np.zeros(len(self._texts))
        for word in set(tokens):
            if (indices := self._arrays.get(word)) is not None:
                common[indices] += self._idf.get(word, self._unseen)
        similarity = 2 * common / np.maximum(self._weights + self._weight(set(tokens)), 1e-9)
        similar = np.flatnonzero(self._long & (similarity >= REWORDED))
        for index in similar[np.argsort(-similarity[similar], kind="stable")].tolist():
            text = self._texts[index]
            if 2 * common_subsequence(tokens, text) >= REWORDED * (len(tokens) + len(text)):
                return index, float(similarity[index])
        return None

    def _add(self, index: int, text: list[str]) -> None:
        if len(text) >= LEAK_WORDS:
            for gram in grams(text, LEAK_WORDS):
                self._texts_by_gram[gram].append(index)
        for word in set(text):
            self._texts_by_word[word].append(index)

    def _share(self, index: int, shared: int, unknown: int) -> float:
        """The share of a guarded text that is copied. A long text that is contained whole counts 1.

        Args:
            shared: number of its 5-grams that the other text has.
            unknown: number of those that train does not have.
        """
        whole = shared == self._sizes[index] and len(self._texts[index]) >= EXCERPT_WORDS
        return 1.0 if whole else unknown / float(self._sizes[index])

    def _threshold_for(self, index: int) -> float:
        return self._threshold if len(self._texts[index]) >= EXCERPT_WORDS else 1.0

    def _weight(self, tokens: set[str]) -> float:
        return sum(self._idf.get(word, self._unseen) for word in tokens)
