"""Makes a data folder with fewer train rows and more test rows, for comparisons that need narrower intervals.

    python benchmarks/more_test_rows.py FOLDER/banking77 NEW_FOLDER --per-class 3

The last rows of each label stay in `train.jsonl`. All others move to `test.jsonl`. Other files are copied.
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
    parser.add_argument("--per-class", type=int, default=3)
    options = parser.parse_args()
    lines = (options.source / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    by_label: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_label[json.loads(line)["completion"]].append(line)
    kept = {line for rows in by_label.values() for line in rows[-options.per_class :]}
    shutil.copytree(options.source, options.target)
    (options.target / "train.jsonl").write_text("".join(x for x in lines if x in kept), encoding="utf-8")
    with (options.target / "test.jsonl").open("a", encoding="utf-8") as test:
        test.writelines(line for line in lines if line not in kept)


if __name__ == "__main__":
    main()
