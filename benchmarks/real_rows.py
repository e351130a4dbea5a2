"""Whole runs on real rows: scores, time per stage and cost; undisturbed, with a faulty teacher, or killed at random.

    python benchmarks/real_rows.py NAME --task classification --data FOLDER --limit '{"per_class": 3}' \\
        --teacher http://127.0.0.1:8399/v1 --log CALLS.jsonl [--kills 5] [--folder RUN]

The teacher is any OpenAI-compatible server. `--log` is its log, if it writes one: JSON lines with `body` (a digest of the
request body), `status` (200: answered), and `t` and `s` (time of arrival and duration, in seconds). The script counts in
the log how many answered requests were sent again, and how many of those were in flight at a kill, so that their answers
could not be recorded. The result is added to `results/real_rows.json` under NAME.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine

HERE = Path(__file__).resolve().parent
PADA = Path(sys.executable).with_name("pada")
RECORDED_SECONDS = 1.0
"""Maximum time from an answer to its record in the ledger."""


def config(options: argparse.Namespace) -> dict[str, Any]:
    """Two rounds."""
    return {
        "task": options.task,
        "data": {"folder": str(options.data.resolve()), "limit": json.loads(options.limit)},
        "student": {
            "model": options.student,
            "epochs": options.epochs,
            "learning_rate": 5e-4,
            "max_length": 512,
            "max_new_tokens": options.max_new_tokens,
        },
        "teacher": {
            "base_url": options.teacher,
            "model": "pool",
            "max_concurrency": 16,
            "prices": {"pool": {"input_per_million": 0.25, "output_per_million": 2.0}},
        },
        "loop": {
            "rounds": 2,
            "synthetic_per_round": options.synthetic,
            "samples_per_batch": 10,
            "max_train_failures": 100,
        },
    }


def run(command: list[str], kills: int, log: Path | None) -> list[float]:
    """Run to the end, with kills at random moments; returns the times of the kills."""
    rng, killed = random.Random(0), []
    for _ in range(kills):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for_kill(child, rng, log)
        if child.poll() is not None:
            raise SystemExit("The run ended before it was killed. Use fewer --kills.")
        killed.append(time.time())
        child.kill()
        child.wait()
    if subprocess.run(command).returncode:
        raise SystemExit("The run failed.")
    return killed


def wait_for_kill(child: subprocess.Popen[bytes], rng: random.Random, log: Path | None) -> None:
    """Wait for a random time. Half of the time, wait for a call first, so that kills also hit calls."""
    before = log.stat().st_size if log and log.exists() else 0
    if log and rng.random() < 0.5:
        while child.poll() is None and (not log.exists() or log.stat().st_size == before):
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1.5))
    else:
        time.sleep(rng.uniform(2, 60))


def repeated(log: Path, killed: list[float], began: float) -> dict[str, int]:
    """Counts of requests; `repeated` ones were answered before, and `unrecordable` ones of those were in flight at a kill."""
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    answered: dict[str, dict[str, Any]] = {}
    counts = {"requests": 0, "answered": 0, "repeated": 0, "unrecordable": 0}
    for call in sorted((call for call in calls if call["t"] >= began), key=lambda call: call["t"]):
        counts["requests"] += 1
        if first := answered.get(call["body"]):
            end = first["t"] + first["s"] + RECORDED_SECONDS
            counts["repeated"] += 1
            counts["unrecordable"] += any(first["t"] <= kill <= end for kill in killed)
        if call["status"] == 200:
            counts["answered"] += 1
            answered[call["body"]] = call
    return counts


def summarize(report: dict[str, Any]) -> dict[str, Any]:
    """The part of a run's report that is kept."""
    return {
        "rows": report["data"]["rows"],
        "rounds": [
            {key: item[key] for key in ("round", "validation", "ci95", "promoted", "accepted", "verdicts")}
            for item in report["rounds"]
        ],
        "accepted": report["accepted"],
        "test": {key: value for key, value in report["test"].items() if key != "detail"},
        "seconds": report["seconds"],
        "cost": {key: value for key, value in report["cost"].items() if key != "by_role"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", default="{}", help="`data.limit` as JSON")
    parser.add_argument("--teacher", required=True, help="base URL")
    parser.add_argument("--log", type=Path, help="the teacher's log")
    parser.add_argument("--folder", type=Path, help="the run's folder; default: runs/NAME")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--student", default="builtin:smollm2-135m")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--synthetic", type=int, default=120, help="rows asked for in each round")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "real_rows.json")
    options = parser.parse_args()
    folder = (options.folder or Path("runs") / options.name).resolve()
    if folder.exists():
        raise SystemExit(f"{folder} exists already. Name another --folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    document = folder.with_name(f"{folder.name}.yaml")
    document.write_text(yaml.safe_dump(config(options), sort_keys=False))
    before, began = machine(), time.time()
    killed = run([str(PADA), "run", str(document), "--output", str(folder)], options.kills, options.log)
    figures = summarize(json.loads((folder / "report.json").read_text()))
    figures |= before | {"kills": len(killed), "wall_seconds": round(time.time() - began, 1)}
    if options.log:
        figures["teacher_log"] = repeated(options.log, killed, began)
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.write_text(json.dumps(results | {options.name: figures}, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
