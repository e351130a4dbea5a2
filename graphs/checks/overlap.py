"""How much wording texts share: words, n-grams, near duplicates, and copies of guarded texts."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Scripts without spaces between words (kana, Han, Hangul): each character counts as a word.
WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+")
APOSTROPHE = re.compile(r"(?<=\w)['’`](?=\w)")
NEAR_WORDS = 3
LEAK_WORDS = 5
EXCERPT = 7
"""Guarded texts of fewer words must be contained whole: they have one or two 5-grams, which also occur by
chance."""
REWORDED = 0.7
"""Similarity of two whole texts from which one is the other with some words replaced."""
REWORDED_WORDS = 10
"""Shorter texts with two words replaced cannot be told from two people asking the same."""

Grams = frozenset[int]


def words(text: str) -> list[str]:
    """The words of a text for comparison: Unicode NFKC, lower case, without punctuation ("Don't" is "dont").

    A text without words, such as "?!" or an emoji, counts as its characters.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(APOSTROPHE.sub("", folded)) or [c for c in folded if not c.isspace()]


def grams(tokens: Sequence[str], n: int) -> Grams:
    """Hashes of the runs of n words of a text; a shorter text is one run. They hold within this process
    only."""
    if len(tokens) <= n:
        return frozenset([hash(tuple(tokens))] if tokens else [])
    return frozenset(map(hash, zip(*(tokens[i:] for i in range(n)), strict=False)))


def jaccard(a: Grams, b: Grams) -> float:
    """Size of the intersection over size of the union; 0 for two empty sets."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length
    computation")."""
    positions: dict[str, int] = defaultdict(int)
    for place, word in enumerate(b):
        positions[word] |= 1 << place
    everything = (1 << len(b)) - 1
    row = everything
    for word in a:
        matches = row & positions.get(word, 0)
        row = ((row + matches) | (row - matches)) & everything
    return len(b) - row.bit_count()


class NearDuplicates:
    """Texts whose word 3-grams overlap, found by prefix filtering.

    Two sets of Jaccard similarity t or more share a gram among the first n - ceil(t n) + 1 of each, when both
    are sorted by one order (Bayardo et al. 2007, "Scaling up all pairs similarity search"). Sorting by rarity
    keeps the lists short, so that the time for one text hardly grows with the number of texts.

    Args:
        threshold: lowest Jaccard similarity.
        frequency: in how many texts a gram occurs; from a sample, it decides on speed and not on the result.
    """

    def __init__(self, threshold: float, frequency: Mapping[int, int]):
        self._threshold = threshold
        self._frequency = frequency
        self._texts: list[NDArray[np.int64]] = []
        self._index: dict[int, list[int]] = defaultdict(list)

    def add(self, hashes: Grams) -> None:
        """Add one text; it gets the next index, from 0."""
        for gram in self._prefix(hashes):
            self._index[gram].append(len(self._texts))
        self._texts.append(np.fromiter(hashes, np.int64, len(hashes)))

    def find(self, hashes: Grams, wanted: Callable[[int], bool]) -> tuple[int, float] | None:
        """Number and similarity of the most similar text at or above the threshold of those that are
        wanted."""
        best: tuple[int, float] | None = None
        for index in sorted({n for gram in self._prefix(hashes) for n in self._index.get(gram, ())}):
            text = self._texts[index]
            sizes = sorted((len(text), len(hashes)))
            if sizes[0] < self._threshold * sizes[1] or not wanted(index):
                continue
            similarity = jaccard(hashes, frozenset(text.tolist()))
            if similarity >= self._threshold and (best is None or similarity > best[1]):
                best = index, similarity
        return best

    def _prefix(self, hashes: Grams) -> list[int]:
        length = len(hashes) - math.ceil(self._threshold * len(hashes)) + 1
        return sorted(hashes, key=lambda gram: (self._frequency.get(gram, 0), gram))[:length]


class GuardedTexts:
    """Texts that must not be copied, whole, in part, or with some words replaced.

    What train has too tells nothing: anyone may write it who has seen train. So 5-grams that occur in train
    do not count as shared, and a word weighs by its rarity in train (inverse document frequency).

    Args:
        texts: the guarded texts' words.
        train: the training texts' words.
        threshold: share of a guarded text's 5-grams from which a text contains it.
    """

    def __init__(self, texts: Sequence[Sequence[str]], train: Sequence[Sequence[str]], threshold: float):
        self._texts = [list(text) for text in texts]
        self._threshold = threshold
        self._known: set[int] = set()
        frequency: Counter[str] = Counter()
        for tokens in train:
            self._known |= grams(tokens, LEAK_WORDS)
            frequency.update(set(tokens))
        self._idf = {word: math.log((len(train) + 2) / (count + 1)) for word, count in frequency.items()}
        self._unseen = math.log(len(train) + 2)
        self._grams: dict[int, list[int]] = defaultdict(list)
        self._words: dict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(self._texts):
            self._add(index, text)
        self._lists = {word: np.array(numbers) for word, numbers in self._words.items()}
        self._sizes = np.array([len(grams(text, LEAK_WORDS)) for text in self._texts])
        self._weights = np.array([self._weight(set(text)) for text in self._texts])
        self._long = np.array([len(text) >= REWORDED_WORDS for text in self._texts], dtype=np.bool_)

    def contained(self, tokens: Sequence[str]) -> tuple[int, float] | None:
        """The guarded text of which the largest part stands in this text, at or above the threshold; and that
        part."""
        own = grams(tokens, LEAK_WORDS)
        shared = Counter(index for gram in own for index in self._grams.get(gram, ()))
        telling = Counter(index for gram in own - self._known for index in self._grams.get(gram, ()))
        shares = {index: self._share(index, shared[index], telling[index]) for index in shared}
        best = max(shares, key=lambda index: shares[index], default=None)
        return (best, shares[best]) if best is not None and shares[best] >= self._least(best) else None

    def reworded(self, tokens: Sequence[str]) -> tuple[int, float] | None:
        """The most similar guarded text that has nearly the same words in nearly the same order; and the
        similarity.

        It is Dice's coefficient of the weighted words; the order is that of the longest common subsequence.
        """
        if len(tokens) < REWORDED_WORDS or not self._texts:
            return None
        common = np.zeros(len(self._texts))
        for word in set(tokens):
            if (numbers := self._lists.get(word)) is not None:
                common[numbers] += self._idf.get(word, self._unseen)
        similarity = 2 * common / np.maximum(self._weights + self._weight(set(tokens)), 1e-9)
        alike = np.flatnonzero(self._long & (similarity >= REWORDED))
        for index in alike[np.argsort(-similarity[alike], kind="stable")].tolist():
            text = self._texts[index]
            if 2 * common_subsequence(tokens, text) >= REWORDED * (len(tokens) + len(text)):
                return index, float(similarity[index])
        return None

    def _add(self, index: int, text: list[str]) -> None:
        if len(text) >= LEAK_WORDS:
            for gram in grams(text, LEAK_WORDS):
                self._grams[gram].append(index)
        for word in set(text):
            self._words[word].append(index)

    def _share(self, index: int, shared: int, telling: int) -> float:
        """What part of a guarded text is told; a long one that stands there whole is, whatever train has."""
        whole = shared == self._sizes[index] and len(self._texts[index]) >= EXCERPT
        return 1.0 if whole else telling / float(self._sizes[index])

    def _least(self, index: int) -> float:
        return self._threshold if len(self._texts[index]) >= EXCERPT else 1.0

    def _weight(self, tokens: set[str]) -> float:
        return sum(self._idf.get(word, self._unseen) for word in tokens)
