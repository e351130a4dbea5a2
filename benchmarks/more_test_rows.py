"""Makes a data folder with fewer train rows and more test rows, for comparisons that need narrower intervals.

    python benchmarks/more_test_rows.py FOLDER/banking77 NEW_FOLDER --per-class 3
    python benchmarks/more_test_rows.py FOLDER/restaurant8k_slots NEW_FOLDER --rows 150

The last rows of each label, or the first rows of all, stay in `train.jsonl`. All others move to `test.jsonl`. Other
files are copied.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--per-class", type=int, default=3, help="train rows of each label (default 3)")
    size.add_argument("--rows", type=int, help="train rows in all")
    options = parser.parse_args()
    lines = (options.source / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = set(lines[: options.rows] if options.rows else last_of_each_label(lines, options.per_class))
    shutil.copytree(options.source, options.target)
    (options.target / "train.jsonl").write_text("".join(x for x in lines if x in kept), encoding="utf-8")
    with (options.target / "test.jsonl").open("a", encoding="utf-8") as test:
        test.writelines(line for line in lines if line not in kept)


def last_of_each_label(lines: list[str], count: int) -> list[str]:
    """So many rows of each completion."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_label[json.loads(line)["completion"]].append(line)
    return [line for rows in by_label.values() for line in rows[-count:]]


if __name__ == "__main__":
    main()
