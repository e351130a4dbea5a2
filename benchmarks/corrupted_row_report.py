"""What became of corrupted and of correct rows in the runs of a comparison whose teacher takes its rows from a pool.

    python benchmarks/corrupted_row_report.py COMPARISON --pool POOL.jsonl

A row is correct if the pool has the same prompt with the same completion. Else it is corrupted, for example, because it
has another row's completion. Rows are counted over all rounds and seeds of a method.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

FREE = {"schema", "empty", "invalid", "duplicate", "leak"}
JUDGE = {"judge", "attempts"}
OUTCOMES = ("accepted", "free checks", "judge", "surplus")


def outcome(verdict: str) -> str:
    """What decided about a row."""
    return "free checks" if verdict in FREE else "judge" if verdict in JUDGE else verdict


def count(run: Path, pool: set[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """(correct or corrupted, outcome) -> number of rows of one run."""
    counts: Counter[tuple[str, str]] = Counter()
    for path in sorted(run.glob("rounds/*/rows.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            kind = "correct" if (row["prompt"].strip(), row["completion"].strip()) in pool else "corrupted"
            counts[kind, outcome(row["verdict"])] += 1
    return counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--pool", type=Path, required=True)
    options = parser.parse_args()
    rows = map(json.loads, options.pool.read_text(encoding="utf-8").splitlines())
    pool = {(row["prompt"].strip(), row["completion"].strip()) for row in rows}
    table = Table("method", "rows", *OUTCOMES, box=None, pad_edge=False)
    for method in sorted({run.parent for run in options.comparison.glob("*/seed-*")}):
        counts = sum((count(run, pool) for run in method.glob("seed-*")), Counter[tuple[str, str]]())
        for kind in ("correct", "corrupted"):
            if any(counts[kind, name] for name in OUTCOMES):
                table.add_row(method.name, kind, *(str(counts[kind, name]) for name in OUTCOMES))
    Console(width=120).print(table, highlight=False)


if __name__ == "__main__":
    main()
