"""How much can the choice of new rows matter? Compares rules for choosing them on a quick student.

    python benchmarks/row_choice.py --data FOLDER/banking77 [--rows 150] [--per-class 3] [--draws 6]
    python benchmarks/row_choice.py --data FOLDER/restaurant8k_slots --train 150

The student is a logistic regression on sentence embeddings with balanced class weights, so every rule can be tried on
many draws of rows in seconds. Each rule adds the same number of rows from the pool to the same training rows. Gains are
accuracy points on pool rows that no rule may choose. Test rows are not read. Rules named `oracle` know something that no
real method can know: the errors on those held-out rows. Rules named `unlabelled` do not know the pool's labels when they choose,
and the last two are the run's own code (`graphs/nodes/choose_unlabeled.py`). Where completions are JSON, the label is the set of
their fields.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine
from graphs.analysis.clustering import cluster, representatives
from graphs.nodes.allocate import apportion_with_floor
from graphs.nodes.choose_unlabeled import choose

RESULTS = Path(__file__).parent / "results" / "row_choice.json"
HELD_OUT = 1500
"""Number of pool rows on which gains are measured."""


@dataclass(frozen=True)
class Rows:
    """Labelled rows: vectors of shape (rows, dimensions), labels of shape (rows,)."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.str_]

    def __getitem__(self, which: NDArray[np.int64]) -> Rows:
        return Rows(self.vectors[which], self.labels[which])

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.vectors, other.vectors]), np.concatenate([self.labels, other.labels])
        )


class Student:
    """The quick student: a logistic regression."""

    def __init__(self, train: Rows):
        model = LogisticRegression(C=3, max_iter=300, class_weight="balanced")
        self.model = model.fit(train.vectors, train.labels)

    def wrong(self, rows: Rows) -> NDArray[np.bool_]:
        """Mask of the rows that it gets wrong."""
        wrong: NDArray[np.bool_] = self.model.predict(rows.vectors) != rows.labels
        return wrong

    def certainty(self, rows: Rows) -> NDArray[np.float64]:
        """Probability of the likeliest label of each row."""
        highest: NDArray[np.float64] = self.model.predict_proba(rows.vectors).max(axis=1)
        return highest


@dataclass(frozen=True)
class Draw:
    """One draw of rows, from which the rules choose."""

    pool: Rows
    labels: list[str]
    wrong: NDArray[np.bool_]
    """Pool rows that the student gets wrong."""
    failures: Rows
    """Validation rows that the student gets wrong."""
    errors: Counter[str]
    """Label -> errors on the held-out rows."""
    certainty: NDArray[np.float64]
    """The student's certainty of its answer to each pool row."""
    seed: int
    rng: np.random.Generator

    def shuffled(self) -> NDArray[np.int64]:
        """All pool rows, shuffled."""
        return self.rng.permutation(len(self.pool.labels))

    def wrong_first(self) -> NDArray[np.int64]:
        """All pool rows, the ones that the student gets wrong first."""
        order = self.shuffled()
        return order[np.argsort(~self.wrong[order], kind="stable")]

    def by_label(
        self, count: int, weights: Mapping[str, float], order: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The first rows of each label, in proportion to the weights, then the first of the rest."""
        quotas = apportion_with_floor(
            count, {label: weights[label] for label in self.labels if weights[label]}, 0
        )
        kept: list[np.int64] = []
        rest: list[np.int64] = []
        for row in order:
            label = str(self.pool.labels[row])
            (kept if quotas.get(label) else rest).append(row)
            quotas[label] = max(0, quotas.get(label, 0) - 1)
        return np.array((kept + rest)[:count])

    def nearest_to_failures(self, count: int) -> NDArray[np.int64]:
        """For one validation error after the other, the nearest row that is not chosen yet."""
        nearness = self.pool.vectors @ self.failures.vectors.T
        chosen: list[int] = []
        while len(chosen) < count:
            for failure in self.rng.permutation(nearness.shape[1])[: count - len(chosen)]:
                chosen.append(int(np.argmax(nearness[:, failure])))
                nearness[chosen[-1]] = -1
        return np.array(chosen)

    def wrong_of_four(self, count: int) -> NDArray[np.int64]:
        """What a run keeps of four times as many rows: medoids of those that the student gets wrong."""
        answered = self.shuffled()[: 4 * count]
        wrong, right = answered[self.wrong[answered]], answered[~self.wrong[answered]]
        if len(wrong) <= count:
            return np.concatenate([wrong, right[: count - len(wrong)]])
        return wrong[representatives(self.pool.vectors[wrong], count, self.seed)]

    def unlabelled(self, count: int, *, patterns: bool) -> NDArray[np.int64]:
        """The rows that a run would have answered: with `patterns` as `pada`, else as `active`."""
        names = [str(place) for place in range(len(self.pool.labels))]
        near, weights = dict.fromkeys(names, ("", 0.0)), {}
        if patterns:
            found = cluster(self.failures.vectors, seed=self.seed, max_k=10, min_points=8)
            cosines = self.pool.vectors @ self.failures.vectors.T
            best = cosines.argmax(axis=1)
            near = {
                name: (str(found.labels[best[place]]), float(cosines[place, best[place]]))
                for place, name in enumerate(names)
            }
            weights = {str(label): float((found.labels == label).sum()) for label in range(found.k)}
        vectors = dict(zip(names, self.pool.vectors, strict=True))
        certainty = dict(zip(names, self.certainty.tolist(), strict=True))
        chosen = choose(count, vectors, certainty, near, weights, self.seed)
        return np.array([int(name) for rows in chosen.values() for name in rows])


Rule = Callable[[Draw, int], NDArray[np.int64]]


def uniform(draw: Draw) -> dict[str, float]:
    return dict.fromkeys(draw.labels, 1.0)


def by_errors(draw: Draw) -> Counter[str]:
    return Counter(map(str, draw.failures.labels))


RULES: dict[str, Rule] = {
    "at random": lambda d, n: d.shuffled()[:n],
    "labels alike": lambda d, n: d.by_label(n, uniform(d), d.shuffled()),
    "labels as in validation errors": lambda d, n: d.by_label(n, by_errors(d), d.shuffled()),
    "nearest to validation errors": lambda d, n: d.nearest_to_failures(n),
    "wrong": lambda d, n: d.wrong_first()[:n],
    "wrong, labels alike": lambda d, n: d.by_label(n, uniform(d), d.wrong_first()),
    "wrong, labels as in validation errors": lambda d, n: d.by_label(n, by_errors(d), d.wrong_first()),
    "oracle: labels as in held-out errors": lambda d, n: d.by_label(n, d.errors, d.shuffled()),
    "oracle: wrong, labels as in held-out errors": lambda d, n: d.by_label(n, d.errors, d.wrong_first()),
    "medoids of the wrong among four times as many": lambda d, n: d.wrong_of_four(n),
    "unlabelled: least certain": lambda d, n: np.argsort(d.certainty, kind="stable")[:n],
    "unlabelled: medoids of all": lambda d, n: representatives(d.pool.vectors, n, d.seed),
    "unlabelled: medoids of the least certain (`active`)": lambda d, n: d.unlabelled(n, patterns=False),
    "unlabelled: the same by patterns, and near (`pada`)": lambda d, n: d.unlabelled(n, patterns=True),
}


def measure(
    files: dict[str, Rows], count: int, per_class: int, train_rows: int | None, seed: int
) -> dict[str, float]:
    """Accuracy of the baseline in percent, and the gain of each rule in points."""
    rng = np.random.default_rng(seed)
    held_out, free = np.split(rng.permutation(len(files["pool"].labels)), [HELD_OUT])
    unchosen, pool = files["pool"][held_out], files["pool"][free]
    places = (
        rng.permutation(len(files["train"].labels))[:train_rows]
        if train_rows
        else sample_per_label(files["train"].labels, per_class, rng)
    )
    train = files["train"][places]
    student = Student(train)
    draw = Draw(
        pool=pool,
        labels=sorted(set(map(str, train.labels))),
        wrong=student.wrong(pool),
        failures=files["validation"][np.flatnonzero(student.wrong(files["validation"]))],
        errors=Counter(map(str, unchosen.labels[student.wrong(unchosen)])),
        certainty=student.certainty(pool),
        seed=seed,
        rng=rng,
    )

    def accuracy(student: Student) -> float:
        return 100 * float(1 - student.wrong(unchosen).mean())

    before = accuracy(student)
    gains = {
        name: accuracy(Student(train + pool[rule(draw, count)])) - before for name, rule in RULES.items()
    }
    return {"baseline": before} | gains


def sample_per_label(labels: NDArray[np.str_], per_class: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `per_class` random rows of each label."""
    order = rng.permutation(len(labels))
    return np.concatenate([order[labels[order] == label][:per_class] for label in np.unique(labels)])


def load(folder: Path) -> dict[str, Rows]:
    """The rows of the files, embedded."""
    from trainer.embed import Embedder

    embedder = Embedder("builtin:minilm")
    files = {}
    for name in ("train", "validation", "pool"):
        lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        vectors = embedder.embed([row["text"] for row in rows])
        files[name] = Rows(vectors, np.array([label_of(row["completion"]) for row in rows]))
    return files


def label_of(completion: str) -> str:
    """The completion; of a JSON object the names of its fields."""
    return ", ".join(sorted(json.loads(completion))) if completion.startswith("{") else completion


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="with train, validation and pool.jsonl")
    parser.add_argument("--rows", type=int, default=150, help="new rows")
    parser.add_argument("--per-class", type=int, default=3, help="given rows of each label")
    parser.add_argument("--train", type=int, help="given rows in all, in place of --per-class")
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    files, before = load(options.data), machine()
    draws = [
        measure(files, options.rows, options.per_class, options.train, seed) for seed in range(options.draws)
    ]
    table = Table("new rows", "gain", "standard error", box=None, pad_edge=False)
    result = {}
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws])
        error = float(values.std(ddof=1)) / len(values) ** 0.5
        result[name] = {"mean": round(float(values.mean()), 2), "standard_error": round(error, 2)}
        table.add_row(name, f"{values.mean():.1f}", f"{error:.1f}")
    given = {"train": options.train} if options.train else {"per_class": options.per_class}
    name = f"{options.data.name}, {options.rows} rows, {' '.join(f'{k} {v}' for k, v in given.items())}"
    kept = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    kept[name] = before | {"draws": options.draws, "result": result}
    options.output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    Console().print(table, highlight=False)


if __name__ == "__main__":
    main()
