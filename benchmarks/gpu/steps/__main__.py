"""A step's process: `python -m benchmarks.gpu.steps NAME SCALE WORK RESULTS`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.gpu.check import Check, NotHereError
from benchmarks.gpu.results import ResultFile
from benchmarks.gpu.runner import SKIPPED
from benchmarks.gpu.scale import SCALES


def main(arguments: list[str]) -> int:
    """Run one step; the exit code."""
    name, scale, work, results = arguments
    check = Check(name, SCALES[scale], Path(work), ResultFile(Path(results)))
    try:
        importlib.import_module(f"benchmarks.gpu.steps.{name}").run(check)
    except NotHereError as error:
        check.put("reason", value=str(error))
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
