"""The rows of `quick_loop.py`: those of the teacher, those that are held out, and draws of train and validation rows."""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quick_student import Row
from trainer.artifacts import read_jsonl, write_jsonl

HELD_OUT = 1500
"""Pool rows that are scored, and that the teacher does not have."""
TEST = 100
"""Held-out rows that the loop has as test rows. It scores them too, but that is not used."""


def split_pool(folder: Path, target: Path) -> tuple[Path, list[Row]]:
    """The file of the teacher's rows, and the rows that are held out."""
    rows = list(read_jsonl(folder / "pool.jsonl"))
    random.Random(0).shuffle(rows)
    write_jsonl(target, rows[HELD_OUT:])
    return target, rows[:HELD_OUT]


def draw_rows(folder: Path, options: argparse.Namespace, held_out: Sequence[Row], seed: int) -> None:
    """Write one draw of train and validation rows, and the held-out rows as test rows."""
    rows = [row for name in ("train", "validation") for row in read_jsonl(options.data / f"{name}.jsonl")]
    random.Random(seed).shuffle(rows)
    if options.train:
        train, rest = rows[: options.train], rows[options.train :]
        validation = rest[: options.validation]
    else:
        by_label = defaultdict(list)
        for row in rows:
            by_label[row["completion"]].append(row)
        count = options.per_class
        train = [row for same in by_label.values() for row in same[:count]]
        validation = [row for same in by_label.values() for row in same[count : 2 * count]]
    splits = {"train": train, "validation": validation, "test": held_out[:TEST], "held_out": held_out}
    for name, split in splits.items():
        write_jsonl(folder / f"{name}.jsonl", split)
