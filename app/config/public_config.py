"""A config as it may be shown: in reports, and to experiment trackers."""

from __future__ import annotations

import re
from typing import Any

from app.config.run_config import RunConfig

LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
SECRET_NAME = re.compile(r"key|token|secret|password|auth", re.IGNORECASE)
"""Names of fields of `extra_body` whose values are left out: what a server wants there is not known."""


def public_config(config: RunConfig) -> dict[str, Any]:
    """The config with its defaults, as JSON, without logins in addresses, and without what looks like a secret."""
    shown: dict[str, Any] = _without_logins(config.model_dump(mode="json"))
    teacher = shown["teacher"] or {}
    for part in (teacher, *(teacher.get(role) or {} for role in ("analyst", "generator", "judge"))):
        if part.get("extra_body"):
            part["extra_body"] = _without_secrets(part["extra_body"])
    return shown


def flat_config(config: RunConfig) -> dict[str, str | int | float | bool]:
    """The same with dotted keys, as trackers want it; what is not set is left out, and lists are texts."""
    return dict(_flat(public_config(config), ""))


def _flat(value: Any, name: str) -> list[tuple[str, str | int | float | bool]]:
    match value:
        case dict():
            return [
                pair
                for key, each in value.items()
                for pair in _flat(each, f"{name}.{key}" if name else str(key))
            ]
        case list():
            return [(name, ", ".join(map(str, value)))] if value else []
        case str() | bool() | int() | float():
            return [(name, value)]
    return []


def _without_logins(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_logins(each) for key, each in value.items()}
        case list():
            return [_without_logins(each) for each in value]
        case str():
            return LOGIN.sub("", value)
    return value


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: "***" if SECRET_NAME.search(key) and isinstance(each, str) else _without_secrets(each)
                for key, each in value.items()
            }
        case list():
            return [_without_secrets(each) for each in value]
    return value
