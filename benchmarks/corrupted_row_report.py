"""What became of spoilt and of sound rows, in the runs of a comparison whose teacher hands out the rows of a pool.

    python benchmarks/corrupted_row_report.py COMPARISON --pool POOL.jsonl

A row is sound when prompt and completion stand in the pool as they are, and spoilt when they do not, such as one with another
row's completion. Counted over all rounds and seeds of a method.
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
FATES = ("accepted", "free checks", "judge", "surplus")


def fate(verdict: str) -> str:
    """Who decided about a row."""
    return "free checks" if verdict in FREE else "judge" if verdict in JUDGE else verdict


def count(run: Path, sound: set[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """(sound or spoilt, fate) -> rows of one run."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(run.glob("rounds/*/rows.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            kind = "sound" if (row["prompt"].strip(), row["completion"].strip()) in sound else "spoilt"
            found[kind, fate(row["verdict"])] += 1
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--pool", type=Path, required=True)
    options = parser.parse_args()
    rows = map(json.loads, options.pool.read_text(encoding="utf-8").splitlines())
    sound = {(row["prompt"].strip(), row["completion"].strip()) for row in rows}
    table = Table("method", "rows", *FATES, box=None, pad_edge=False)
    for method in sorted({run.parent for run in options.comparison.glob("*/seed-*")}):
        found = sum((count(run, sound) for run in method.glob("seed-*")), Counter[tuple[str, str]]())
        for kind in ("sound", "spoilt"):
            if any(found[kind, name] for name in FATES):
                table.add_row(method.name, kind, *(str(found[kind, name]) for name in FATES))
    Console(width=120).print(table, highlight=False)


if __name__ == "__main__":
    main()
