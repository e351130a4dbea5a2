"""`pada serve`: the service under uvicorn."""

from __future__ import annotations

import signal
import sys

import uvicorn

from app.api.app import create_app
from app.logs import install
from app.settings import Settings

GRACE_SECONDS = 3
"""For requests that are under way at SIGTERM; streams of events end with it. Draining the runs comes after."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and drain.

    Raises:
        ConfigError: see `create_app`.
    """
    install(settings.log_level)
    # uvicorn sends the signal again when it has shut down: a drained service ends well
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
