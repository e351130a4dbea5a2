"""`scripts/gpu-check`: pack here, check there, rehearse anywhere."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.catalog import NAMES, STEPS, Step
from benchmarks.gpu.install import install
from benchmarks.gpu.pack import PackError, pack
from benchmarks.gpu.results import ResultFile
from benchmarks.gpu.runner import ROOT, Runner

DEADLINE, REHEARSAL_DEADLINE = 500.0, 900.0
"""Seconds: a lent GPU's command ends after ten minutes, whatever it is at."""


def say(line: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def steps_named(text: str) -> list[str]:
    """The steps of a comma-separated list."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(
            f"no such step: {', '.join(sorted(unknown))}; there is {', '.join(NAMES)}"
        )
    return names


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__)
    parser.add_argument("--pack", action="store_true", help="fill .gpu-pack/ with what a GPU host lacks")
    parser.add_argument("--rehearse", action="store_true", help="every step on the CPU at toy size")
    parser.add_argument("--only", type=steps_named, default=list(NAMES), metavar="STEP,...")
    parser.add_argument("--skip", type=steps_named, default=[], metavar="STEP,...")
    parser.add_argument("--deadline", type=float, help=f"seconds in all (default {DEADLINE:.0f})")
    parser.add_argument("--output", type=Path, help="default: $OUT/gpu.json, or benchmarks/results/")
    parser.add_argument("--work", type=Path, help="folder for models and logs, kept for a second try")
    return parser


def default_output(*, rehearse: bool) -> Path:
    """Where the result goes."""
    name = "gpu-rehearsal.json" if rehearse else "gpu.json"
    return Path(os.environ.get("OUT") or ROOT / "benchmarks" / "results") / name


def chosen(options: argparse.Namespace) -> list[Step]:
    """The steps to run, in the catalog's order."""
    return [step for step in STEPS if step.name in options.only and step.name not in options.skip]


def check(options: argparse.Namespace) -> int:
    """Run the steps; 1 if one of them failed."""
    kind = "toy" if options.rehearse else "full"
    work = options.work or Path(tempfile.gettempdir()) / f"pada-gpu-check-{kind}"
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    paths = install(work / "site")
    sys.path[:0] = map(str, paths)  # so that the runner sees what the steps will
    output = (options.output or default_output(rehearse=options.rehearse)).resolve()
    deadline = options.deadline or (REHEARSAL_DEADLINE if options.rehearse else DEADLINE)
    say(f"Figures go to {output}")
    runner = Runner(ResultFile(output), work, paths, options.rehearse, deadline, say)
    return 0 if runner.run(chosen(options)) else 1


def main() -> int:
    """Entry point; the exit code."""
    options = parser().parse_args()
    os.chdir(ROOT)
    if not options.pack:
        return check(options)
    try:
        pack(say)
    except PackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
