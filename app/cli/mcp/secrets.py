"""Keeps the secrets of the environment out of what an agent reads."""

from __future__ import annotations

import os
import re
from typing import Any

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
"""Names of variables whose values nobody should see."""
SHORTEST_SECRET = 8


def secrets() -> list[str]:
    """The secrets in the environment, the longest first."""
    values = {
        value for name, value in os.environ.items() if SECRET.search(name) and len(value) >= SHORTEST_SECRET
    }
    return sorted(values, key=len, reverse=True)


def without_secrets(value: Any) -> Any:
    """JSON data with `***` in place of secrets."""
    hidden = secrets()

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in hidden:
                value = value.replace(secret, "***")
            return value
        if isinstance(value, dict):
            return {clean(key): clean(each) for key, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list) else value

    return clean(value)
