"""What tells an endpoint who asks: an API key, and headers whose values are in environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphs.errors import TeacherError
from graphs.teacher.spec import OPENAI, EndpointSpec

SHORTEST_SECRET = 8
"""Shorter keys (`none`, `EMPTY`) are no secrets, and to redact them would garble messages."""

_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
"""A header's value: visible ASCII, with blanks only inside. So no value can end its header and begin another one."""


@dataclass(frozen=True)
class Credentials:
    """The values to send to one endpoint. They are in no `repr`."""

    key: str = field(default="", repr=False)
    """Goes as `Authorization: Bearer`; empty where the endpoint has none."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def redact(self, text: str) -> str:
        """`text` without the values, because some servers repeat them."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> list[str]:
        """The values and their parts (`Basic ...`), longest first."""
        values = [self.key, *self.headers.values()]
        parts = {part for value in values for part in (value, *value.split())}
        return sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True)


def read_credentials(spec: EndpointSpec, environ: Mapping[str, str]) -> Credentials:
    """The credentials of an endpoint.

    Raises:
        TeacherError: one is missing or cannot be sent.
    """
    if fault := credentials_fault(spec, environ):
        raise TeacherError(fault)
    headers = {name: environ[variable] for name, variable in spec.headers_env.items()}
    return Credentials(environ.get(spec.api_key_env or "") or "", headers)


def credentials_fault(spec: EndpointSpec, environ: Mapping[str, str]) -> str:
    """Why the endpoint cannot be asked, and what to do; empty if it has what it needs, or may need none."""
    for name, variable in spec.headers_env.items():
        if not environ.get(variable):
            return (
                f"The environment variable {variable} is not set, and `teacher.headers_env` takes the header {name} for "
                f"{spec.model} from it. Set it, or leave the header out."
            )
    for variable in spec.variables:
        value = environ.get(variable)
        if value and not _SENDABLE.fullmatch(value):
            return (
                f"The environment variable {variable} holds what no HTTP header can carry: a line break, white space around "
                "the value, or a character that is not ASCII. Set it to the bare value."
            )
    if environ.get(spec.api_key_env or "") or spec.headers_env or spec.base_url != OPENAI:
        return ""
    unset = (
        f"The environment variable {spec.api_key_env} is not set"
        if spec.api_key_env
        else "No `api_key_env` is named"
    )
    return (
        f"{unset}, and {spec.model} at OpenAI needs a key. Set it, or name another one in `teacher.api_key_env`, or set "
        "`teacher.base_url` to a server of your own."
    )
