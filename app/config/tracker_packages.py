"""The packages of experiment trackers, which the extras of the same names install."""

from __future__ import annotations

from importlib.util import find_spec

from app.config.run_config import RunConfig
from app.errors import ConfigError


def missing_trackers(config: RunConfig) -> str:
    """Which trackers of a config are not installed, and what to do; empty if all are."""
    missing = [name for name in config.track if find_spec(name) is None]
    if not missing:
        return ""
    extras = ",".join(missing)
    return (
        f"track: {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed. Install the "
        f"{'extras' if len(missing) > 1 else 'extra'}: `pip install 'pada[{extras}]'`; or leave it out of `track`."
    )


def refuse_missing_trackers(config: RunConfig) -> None:
    """Raises ConfigError where a tracker is not installed: a run of hours would be tracked nowhere."""
    if fault := missing_trackers(config):
        raise ConfigError(fault)
