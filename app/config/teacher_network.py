"""Where the teachers of runs may live that were posted over HTTP."""

from __future__ import annotations

from contextlib import suppress
from typing import get_args
from urllib.parse import urlsplit

import anyio

from app.config.run_config import RunConfig
from app.errors import ConfigError
from app.settings import Settings
from graphs.ports import Role
from graphs.teacher.network import Network, RefusedAddressError

LOOK_UP_SECONDS = 3.0


def teacher_network(settings: Settings) -> Network:
    """What the settings allow."""
    trusted = (urlsplit(address).hostname or "" for address in settings.known_teachers)
    return Network(settings.private_teachers_allowed, frozenset(trusted))


async def refuse_addresses(config: RunConfig, settings: Settings) -> None:
    """Refuse teachers where the service asks none. A name that is not known yet may pass: it is looked at again on every
    connection.

    Raises:
        ConfigError: an address may not be asked.
    """
    if config.teacher is None:
        return
    network = teacher_network(settings)
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        parts = urlsplit(config.teacher.role(role).base_url)
        try:
            with suppress(OSError, ValueError, TimeoutError), anyio.fail_after(LOOK_UP_SECONDS):
                await network.resolve(parts.hostname or "", parts.port or 0)
        except RefusedAddressError as error:
            raise ConfigError(f"config.teacher: `base_url` of the {role}: {error}") from None
