"""The service's log: one JSON object a line on standard error. Never a header, never a body."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar

run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""The run that the current task works on; its log lines name it."""

QUIET = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "aiosqlite",
    "alembic",
    "openai",
    "python_multipart",
    "urllib3",
)
"""Loggers limited to warnings: they log every step, some with headers and bodies."""


class JsonLines(logging.Formatter):
    """Formats `time` (UTC), `level`, `logger`, `message`, and `run` and `error` where present."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (run := run_id.get()) is not None:
            line["run"] = run
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def install(level: str = "info") -> None:
    """Send everything that this process logs through one handler; uvicorn must get `log_config=None`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
