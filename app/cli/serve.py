"""`pada serve`: the service under uvicorn."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from app.api.app import create_app
from app.db.home import open_home
from app.errors import ConfigError
from app.logs import install
from app.settings import Settings

GRACE_SECONDS = 3
"""Time for requests that are being handled at SIGTERM; event streams end with it. The runs are drained afterwards."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and drain.

    Raises:
        ConfigError: the host's name is not known; or see `open_home` and `create_app`.
    """
    try:
        socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"PADA_HOST: {settings.host!r} is no address to listen on: {error.strerror}."
        ) from None
    asyncio.run(_look_at_home(settings))
    install(settings.log_level)
    allow_many_files()
    # uvicorn raises the signal again after its shutdown; a drained service exits with 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = create_app(settings)
    collect_seldom()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


async def _look_at_home(settings: Settings) -> None:
    """uvicorn would tell of what is wrong with a traceback."""
    async with open_home(settings):
        pass


def collect_seldom() -> None:
    """Let the garbage collector leave out what is loaded by now, and look seldom: a look at everything stops all requests,
    for 0.35 s with 500 streams."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def allow_many_files() -> None:
    """Raise the limit of open files as far as this process may: each stream of events is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
