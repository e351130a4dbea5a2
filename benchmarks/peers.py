"""Shared by the benchmarks against peers. Each contender runs alone in its own process and writes its result as JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

HERE = Path(__file__).resolve().parent


def arguments(description: str | None, result: str) -> argparse.ArgumentParser:
    """Options of every benchmark: where the result goes, and hidden ones with which a script starts its contenders."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE / "results" / result)
    parser.add_argument("--student", default="builtin:smollm2-135m")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--rows-file", type=Path, help=argparse.SUPPRESS)
    return parser


def run_alone(script: str, name: str, rows: Path, student: str) -> dict[str, Any]:
    """Run one contender and return its result. Starts the script again with `--work NAME` and `--output`."""
    output = rows.with_name(f"{name.replace(' ', '-')}.json")
    command = [sys.executable, "-W", "ignore", script, "--work", name, "--rows-file", str(rows)]
    command += ["--student", student]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*command, "--output", str(output)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSONL, which every contender reads."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path, count: int | None = None) -> list[dict[str, Any]]:
    """The first rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count]]


def conditions(data: Path | None, rows: int) -> dict[str, Any]:
    """The data and the machine of the measurement."""
    name = data.name if data else "synthetic"
    return {"data": name, "rows": rows, **machine()}


def publish(report: dict[str, Any], output: Path, hidden: tuple[str, ...] = ()) -> None:
    """Write the whole result, and print it without the `hidden` keys."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(
        json.dumps({key: value for key, value in report.items() if key not in hidden}, indent=2) + "\n"
    )
