"""Near duplicates among many short texts of any script: shared runs of characters, found by MinHash and then compared exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from graphs.checks.template import Template
from trainer.text import comparable

RUN = 4
"""Characters of one run (shingle)."""
THRESHOLDS = (0.6, 0.7, 0.8, 0.9)
"""Lowest Jaccard similarity of near duplicates; a higher one is taken where chains of them would join too many rows."""
LARGEST = 0.15
"""Largest share of the rows that a chain of near duplicates may join."""
TEMPLATE = 0.2
"""A run in more than this share of the texts belongs to a template and tells nothing."""
TEMPLATE_TEXTS = 30
"""With fewer texts nothing is taken for a template."""
BINS = 1 << 24
"""Runs are told apart by so many values of their hash."""
MOST_RUNS = 30_000_000
"""More runs than this are thinned out by their hash (Irber et al. 2022, FracMinHash), the same ones in every text."""
BANDS, BAND = 32, 4
"""MinHash signatures are compared in so many bands of so many hashes (Broder 1997; Leskovec et al., Mining of Massive
Datasets, 3.4): two texts of similarity 0.6 meet with probability 0.988, of 0.7 with 0.9998."""
CHUNK = 60_000
"""Runs hashed at once: they stay in the processor's cache."""
PAIRS = 200_000
"""Pairs compared at once: bounds the memory."""

Ints = NDArray[np.int64]


def near_prompts(prompts: Sequence[str]) -> tuple[list[int], float]:
    """A number for each prompt, the same for those that are nearly the same; and the threshold that was taken.

    The order of the prompts makes no difference: `pada init`, which keeps such rows in one split, and `pada check`, which
    reads the rows split by split, find the same.
    """
    template = Template.ends_of(prompts)
    texts = [comparable(template.strip(prompt)) for prompt in prompts]
    counts = Counter(texts)
    unique = sorted(counts)
    groups, threshold = near_groups(unique, [counts[text] for text in unique])
    found = dict(zip(unique, groups.tolist(), strict=True))
    return [found[text] for text in texts], threshold


def near_groups(texts: Sequence[str], weights: Sequence[int] | None = None) -> tuple[Ints, float]:
    """A number for each text, the same for texts joined by near duplicates; and the threshold that was taken.

    Args:
        texts: normalised texts, each only once.
        weights: how many rows each stands for.

    Returns:
        Groups of shape (n,), and the Jaccard similarity of runs of four characters from which two texts count
        as near duplicates.
    """
    count = len(texts)
    rows = np.asarray(weights if weights is not None else np.ones(count), dtype=np.int64)
    if count < 2:
        return np.arange(count), THRESHOLDS[0]
    runs = _runs(texts)
    pairs = _candidates(runs)
    groups, threshold = np.arange(count), THRESHOLDS[0]
    for threshold in THRESHOLDS:
        groups = _join(runs, pairs, threshold)
        if np.bincount(groups, rows).max() <= max(LARGEST * rows.sum(), 2 * rows.max(), 5):
            break
    return groups, threshold


def _runs(texts: Sequence[str]) -> sparse.csr_array:
    """Which text has which run, shape (texts, `BINS`); runs of a template are left out."""
    owner, hashes = _hashes(texts)
    bins = (hashes >> np.uint64(64 - BINS.bit_length() + 1)).astype(np.int32)
    bounds = np.searchsorted(owner, np.arange(len(texts) + 1)).astype(np.int32)
    found = sparse.csr_array((np.ones(len(bins), dtype=np.int32), bins, bounds), shape=(len(texts), BINS))
    found.sum_duplicates()
    found.data[:] = 1
    if len(texts) >= TEMPLATE_TEXTS:
        frequency = np.bincount(found.indices, minlength=BINS)
        found.data[frequency[found.indices] > max(TEMPLATE * len(texts), 5)] = 0
        found.eliminate_zeros()
    return found


def _hashes(texts: Sequence[str]) -> tuple[Ints, NDArray[np.uint64]]:
    """The text and the hash of every run; a text shorter than a run is one."""
    padded = [f" {text} ".ljust(RUN) for text in texts]
    signs = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    owner = np.repeat(np.arange(len(texts)), lengths)
    hashes = np.zeros(len(signs) - RUN + 1, dtype=np.uint64)
    for place in range(RUN):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + signs[place : len(signs) - RUN + 1 + place]
        hashes ^= hashes >> np.uint64(29)
    # the last sign must reach the upper bits too
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    inside = owner[: len(hashes)] == owner[RUN - 1 :]
    owner, hashes = owner[: len(hashes)][inside], hashes[inside]
    if len(hashes) > MOST_RUNS:
        keep = (hashes & np.uint64(2**32 - 1)) < np.uint64(MOST_RUNS / len(hashes) * 2**32)
        owner, hashes = owner[keep], hashes[keep]
    return owner, hashes


def _join(runs: sparse.csr_array, pairs: Ints, threshold: float) -> Ints:
    """Connected components of the texts whose similarity reaches the threshold."""
    groups = np.arange(runs.shape[0])
    sizes = np.diff(runs.indptr)
    for start in range(0, len(pairs), PAIRS):
        one, other = pairs[start : start + PAIRS].T
        apart = groups[one] != groups[other]
        one, other = one[apart], other[apart]
        if len(one):
            common = np.asarray(runs[one].multiply(runs[other]).sum(axis=1)).ravel()
            alike = common >= threshold * (sizes[one] + sizes[other] - common)
            groups = _connect(groups, one[alike], other[alike])
    return groups


def _candidates(runs: sparse.csr_array) -> Ints:
    """Pairs of texts that agree in a band of their signatures, shape (pairs, 2), each pair once."""
    signatures, texts = _signatures(runs)
    found = []
    for band in range(BANDS):
        part = signatures[:, band * BAND : (band + 1) * BAND].astype(np.uint64)
        keys = np.zeros(len(part), dtype=np.uint64)
        for column in part.T:
            keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(32)
        order = np.argsort(keys, kind="stable")
        same = keys[order][1:] == keys[order][:-1]
        first = np.maximum.accumulate(np.where(np.r_[True, ~same], np.arange(len(keys)), 0))
        after = np.flatnonzero(same) + 1
        # with the neighbour and with the first of the bucket: enough to join a bucket of texts that are alike
        found += [np.c_[order[after - 1], order[after]], np.c_[order[first[after]], order[after]]]
    pairs = np.sort(texts[np.concatenate(found)], axis=1)
    keys = np.unique(pairs[:, 0] * np.int64(runs.shape[0]) + pairs[:, 1])
    return np.stack(np.divmod(keys, runs.shape[0]), axis=1)


def _signatures(runs: sparse.csr_array) -> tuple[NDArray[np.uint32], Ints]:
    """MinHash signatures of the texts that have runs, shape (texts, BANDS * BAND); and which texts these are."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2**32, BANDS * BAND, dtype=np.uint32) | np.uint32(1)
    terms = rng.integers(0, 2**32, BANDS * BAND, dtype=np.uint32)
    # spread over all 32 bits
    values = (runs.indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)).astype(
        np.uint32
    )
    texts = np.flatnonzero(np.diff(runs.indptr))
    starts = runs.indptr[texts].astype(np.int64)
    signatures = np.empty((len(texts), len(factors)), dtype=np.uint32)
    begin = 0
    while begin < len(texts):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + CHUNK)))
        stop = starts[end] if end < len(texts) else len(values)
        part, offsets = values[starts[begin] : stop], starts[begin:end] - starts[begin]
        for number, (factor, term) in enumerate(zip(factors, terms, strict=True)):
            signatures[begin:end, number] = np.minimum.reduceat(part * factor + term, offsets)
        begin = end
    return signatures, texts


def _connect(groups: Ints, one: Ints, other: Ints) -> Ints:
    """Groups after joining those of the pairs."""
    if not len(one):
        return groups
    count = len(groups)
    edges = sparse.coo_array(
        (np.ones(len(one), dtype=np.int8), (groups[one], groups[other])), shape=(count, count)
    )
    _, joined = connected_components(edges, directed=False)
    return np.asarray(joined[groups], dtype=np.int64)
