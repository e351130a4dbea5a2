"""Installs the packed wheels for the steps' processes, without touching the Python that runs them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

PACK = Path(".gpu-pack")
"""Filled by `--pack`; git ignores it."""

WHEELS, MODULES, TOKENIZER, COMMIT = PACK / "wheels", PACK / "modules", PACK / "tokenizer", PACK / "commit"


def install(target: Path) -> list[Path]:
    """Install the packed wheels into `target`; returns what belongs on the steps' `PYTHONPATH`.

    Nothing is installed where the project's dependencies are there already.

    Raises:
        subprocess.CalledProcessError: pip refused a wheel.
    """
    if importlib.util.find_spec("langgraph") is not None or not WHEELS.is_dir():
        return []
    wheels = sorted(WHEELS.glob("*.whl"))
    stamp = target / ".packed"
    names = "\n".join(wheel.name for wheel in wheels)
    if not stamp.exists() or stamp.read_text() != names:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index"]
        options = ["--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--target", str(target)]
        subprocess.run([*pip, *options, *map(str, wheels)], check=True)
        stamp.write_text(names)
    return [target.resolve(), MODULES.resolve()]
