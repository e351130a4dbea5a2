"""One JSON object a line on standard output, for workers that answer over pipes."""

from __future__ import annotations

import json
import os
from typing import IO, Any


def own_stdout() -> IO[str]:
    """Reserve standard output for replies. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def write_line(answers: IO[str], message: dict[str, Any]) -> None:
    """Send one reply at once."""
    answers.write(json.dumps(message) + "\n")
    answers.flush()
