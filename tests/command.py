"""The command line as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PADA = str(Path(sys.executable).with_name("pada"))
CANARY = "sk-canary-3f9a7c51e2"
"""The API key of all runs; it may be nowhere but in the requests' headers."""

Command = Callable[..., tuple[int, str, str]]
"""Runs `pada ...`: exit code, standard output, standard error in one line."""


def environment() -> dict[str, str]:
    """Without a colour, a network, or a key but the canary."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return kept | {"TINY_KEY": CANARY, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


def pada(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `pada ...` to its end."""
    command = [PADA, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=timeout)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start `pada ...` and go on."""
    command = [PADA, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
