"""Which errors are analysed when there are too many."""

from __future__ import annotations

import random
from collections import Counter

from graphs.nodes.evaluate import stratified
from trainer.records import Example
from trainer.tasks.classification import Classification

TASK = Classification([Example(id=x, prompt=x, completion=x) for x in "abcd"])


def examples(labels: str) -> list[Example]:
    return [Example(id=str(n), prompt=f"p{n}", completion=label) for n, label in enumerate(labels)]


def test_all_when_there_are_few_in_the_order_given() -> None:
    rows = examples("abca")
    assert stratified(rows, TASK, 10, "s") == rows


def test_groups_take_turns() -> None:
    """Seven of 18, 3 and 1: turns a b c, a b, a b."""
    rows = examples("a" * 18 + "b" * 3 + "c")
    random.Random(0).shuffle(rows)
    chosen = stratified(rows, TASK, 7, "s")
    assert Counter(row.completion for row in chosen) == {"a": 3, "b": 3, "c": 1}
    assert [rows.index(row) for row in chosen] == sorted(rows.index(row) for row in chosen)


def test_with_fewer_turns_than_groups_the_frequent_ones_are_seen() -> None:
    rows = examples("a" + "b" * 5 + "c" * 4 + "d" * 2)
    assert Counter(row.completion for row in stratified(rows, TASK, 2, "s")) == {"b": 1, "c": 1}


def test_the_seed_decides_which() -> None:
    rows = examples("a" * 50)
    first, again, other = (stratified(rows, TASK, 10, seed) for seed in ("0/1", "0/1", "0/2"))
    assert first == again != other


def test_none_of_none() -> None:
    assert stratified([], TASK, 5, "s") == []
