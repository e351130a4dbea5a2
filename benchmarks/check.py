"""Times `pada check` on many rows: `python benchmarks/check.py [--rows 100000]`. Goal: 60 s and 1 GB on two cores."""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEXT = (
    "card payment transfer account balance top up refund fee exchange rate cash machine limit pin statement order delivery "
    "money currency country identity passport phone contactless chip declined pending wrong charged twice cancel close open "
    "when why how where did does can will my the a an is was not yet still again please today yesterday abroad shop hotel"
)
LABELS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of all splits together")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        config = write(Path(folder), rows)
        began = time.perf_counter()
        done = subprocess.run(
            [Path(sys.executable).with_name("pada"), "check", config, "--json"],
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds = time.perf_counter() - began
    # the largest of the processes that ran
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = [(each["code"], each["count"]) for each in json.loads(done.stdout)["findings"]]
    print(
        json.dumps(
            {"rows": rows, "seconds": round(seconds, 1), "peak_mb": round(megabytes), "findings": found}
        )
    )


def write(folder: Path, rows: int) -> Path:
    """Rows of 12 to 30 random words, and a config."""
    rng, words = random.Random(0), TEXT.split()
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        with (folder / f"{split}.jsonl").open("w") as file:
            for number in range(int(rows * share)):
                text = " ".join(rng.choices(words, k=rng.randint(12, 30)))
                row = {
                    "id": f"{split}-{number}",
                    "prompt": f"Classify: {text}",
                    "completion": f"label {number % LABELS}",
                }
                file.write(json.dumps(row) + "\n")
    config = folder / "config.yaml"
    config.write_text(
        "task: classification\ndata: .\nteacher: {base_url: 'http://127.0.0.1:9/v1', model: m}\n"
    )
    return config


if __name__ == "__main__":
    main()
