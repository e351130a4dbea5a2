"""What to do where a teacher's server answers no call: the right address, or a model that it has."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from graphs.ports import Role
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec

PROBE_SECONDS = 10.0
SHOWN = 5
"""Models of a server that are named."""


async def address_advice(
    spec: TeacherSpec, role: Role, teacher: ChatTeacher, environ: Mapping[str, str]
) -> str:
    """A sentence, if the server's list of models, or another path of it, shows what is wrong; else empty."""
    listed = await teacher.client(role).models(PROBE_SECONDS)
    if listed:
        return model_advice(spec.role(role).model, list(listed))
    if listed is None:
        for address in other_addresses(spec.role(role).base_url):
            if await is_an_api(with_address(spec, role, address), role, environ):
                own = getattr(spec, role).base_url is not None
                key = f"teacher.{role}.base_url" if own else "teacher.base_url"
                return f"An API answers at {without_login(address)}: set `{key}` to it."
    return ""


def model_advice(model: str, known: list[str]) -> str:
    """Names of models that the server has, the nearest first; empty if it has this one."""
    if model in known:
        return ""
    near = difflib.get_close_matches(model, known, n=1)
    others = ", ".join(known[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
    return f"Did you mean `{near[0]}`?" if near else f"The server has {others}."


def other_addresses(address: str) -> list[str]:
    """Where the API may be instead: in front of `/chat/completions`, under `/v1`, under `/v1` of the host."""
    parts = urlsplit(address)
    path = parts.path.rstrip("/")
    shorter = path.removesuffix("/chat/completions").removesuffix("/completions")
    paths = dict.fromkeys([shorter, f"{shorter}/v1", "/v1"])
    return [parts._replace(path=each).geturl() for each in paths if each != path]


async def is_an_api(spec: TeacherSpec, role: Role, environ: Mapping[str, str]) -> bool:
    """Whether the role's address lists models, or asks for another key before it does."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite", "check")
        async with ChatTeacher(spec, BudgetSpec(), ledger, environ) as teacher:
            return await teacher.client(role).models(PROBE_SECONDS) is not None


def with_address(spec: TeacherSpec, role: Role, address: str) -> TeacherSpec:
    """The teacher with another address for a role."""
    override = getattr(spec, role)
    if override.base_url is None:
        return spec.model_copy(update={"base_url": address})
    return spec.model_copy(update={role: override.model_copy(update={"base_url": address})})


def without_login(address: str) -> str:
    """The address without user name, password and query, so that it may be shown."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
