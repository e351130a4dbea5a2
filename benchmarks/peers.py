"""What the benchmarks against peers share: each contender works alone, in a process of its own, and leaves JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def arguments(description: str | None, result: str) -> argparse.ArgumentParser:
    """Options of every contest: where the result goes, and those by which a script starts its own contenders."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE / "results" / result)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--rows-file", type=Path, help=argparse.SUPPRESS)
    return parser


def run_alone(script: str, name: str, rows: Path, *more: str) -> dict[str, Any]:
    """One contender's result: the script is started anew with `--work NAME`, and writes it to `--output`."""
    output = rows.with_name(f"{name.replace(' ', '-')}.json")
    command = [sys.executable, "-W", "ignore", script, "--work", name, "--rows-file", str(rows)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*command, "--output", str(output), *more], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as every contender reads them."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path, count: int | None = None) -> list[dict[str, Any]]:
    """The first rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count]]


def conditions(data: Path | None, rows: int) -> dict[str, Any]:
    """What was measured, and on what."""
    name = data.name if data else "synthetic"
    return {
        "data": name,
        "rows": rows,
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def publish(report: dict[str, Any], output: Path, hidden: tuple[str, ...] = ()) -> None:
    """Write the whole result and print it without its long parts."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(
        json.dumps({key: value for key, value in report.items() if key not in hidden}, indent=2) + "\n"
    )
