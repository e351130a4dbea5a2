"""Which unlabelled rows are answered: uncertain, near to the patterns' failures, and different from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphs.nodes.choose_unlabeled import choose


def at(*degrees: float) -> dict[str, NDArray[np.float32]]:
    """Unit vectors at these angles, by `row-<place>`."""
    return {
        f"row-{place}": np.array([np.cos(np.radians(x)), np.sin(np.radians(x))], np.float32)
        for place, x in enumerate(degrees)
    }


def nowhere(count: int) -> dict[str, tuple[str, float]]:
    """Without patterns."""
    return {f"row-{place}": ("", 0.0) for place in range(count)}


def test_the_least_certain_rows_are_chosen() -> None:
    vectors = at(*range(0, 100, 10))
    certainty = {name: 0.1 + 0.05 * place for place, name in enumerate(reversed(vectors))}
    chosen = choose(1, vectors, certainty, nowhere(10), {}, 0)
    assert chosen[""][0] in {"row-9", "row-8", "row-7", "row-6"}, "one of the four least certain"


def test_of_uncertain_rows_those_are_chosen_that_represent_them() -> None:
    """Three groups of uncertain rows, far from each other; one of each stands for it."""
    vectors = at(0, 1, 2, 90, 91, 92, 180, 181, 182)
    certainty = dict.fromkeys(vectors, 0.5)
    (chosen,) = choose(3, vectors, certainty, nowhere(9), {}, 0).values()
    assert sorted(chosen) == ["row-1", "row-4", "row-7"]


def test_each_pattern_gets_its_share_of_the_rows_nearest_to_it() -> None:
    vectors = at(*range(0, 120, 10))
    near = {f"row-{place}": ("p0" if place < 6 else "p1", 0.5) for place in range(12)}
    chosen = choose(4, vectors, dict.fromkeys(vectors, 0.5), near, {"p0": 3.0, "p1": 1.0}, 0)
    assert {pattern: len(names) for pattern, names in chosen.items()} == {"p0": 3, "p1": 1}
    assert all(near[name][0] == pattern for pattern, names in chosen.items() for name in names)


def test_a_row_that_is_near_comes_before_one_as_uncertain_that_is_far() -> None:
    vectors = at(*range(0, 100, 10))
    near = {f"row-{place}": ("p0", 0.9 if place in (2, 5, 6, 8) else 0.1) for place in range(10)}
    chosen = choose(1, vectors, dict.fromkeys(vectors, 0.5), near, {"p0": 1.0}, 0)
    assert chosen["p0"][0] in {"row-2", "row-5", "row-6", "row-8"}


def test_other_patterns_fill_the_places_of_one_with_too_few_rows() -> None:
    vectors = at(*range(0, 60, 10))
    near = {f"row-{place}": ("p0" if place < 1 else "p1", 0.5) for place in range(6)}
    chosen = choose(4, vectors, dict.fromkeys(vectors, 0.5), near, {"p0": 3.0, "p1": 1.0}, 0)
    assert {pattern: len(names) for pattern, names in chosen.items()} == {"p0": 1, "p1": 3}


def test_rows_that_are_too_long_for_the_student_are_left_out() -> None:
    vectors = at(0, 10, 20)
    chosen = choose(3, vectors, {"row-1": 0.5}, nowhere(3), {}, 0)
    assert chosen == {"": ["row-1"]}


def test_rows_that_look_alike_are_chosen_all_the_same_if_there_are_no_others() -> None:
    vectors = at(0, 0, 0, 0)
    (chosen,) = choose(3, vectors, dict.fromkeys(vectors, 0.5), nowhere(4), {}, 0).values()
    assert len(set(chosen)) == 3


def test_no_rows_give_no_choice() -> None:
    assert choose(3, {}, {}, {}, {}, 0) == {"": []}
