"""A machine without room, by the kernel's own limits of this process: no root, no file system of its own."""

from __future__ import annotations

import functools
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest


@contextmanager
def no_room() -> Iterator[None]:
    """No file can take another byte: all writes fail, those of SQLite too, with errno EFBIG in place of ENOSPC."""
    with limited(resource.RLIMIT_FSIZE, 0):
        yield


@contextmanager
def no_handles() -> Iterator[None]:
    """No further file can be opened (EMFILE)."""
    with limited(resource.RLIMIT_NOFILE, max(map(int, os.listdir("/proc/self/fd")))):
        # what is free below the largest handle in use
        held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        try:
            yield
        finally:
            for handle in held:
                os.close(handle)


@contextmanager
def limited(limit: int, value: int) -> Iterator[None]:
    """A soft limit of this process."""
    soft, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(limit, (soft, hard))


def trouble_in(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    trouble: Callable[[], AbstractContextManager[None]],
    where: Callable[..., bool],
) -> list[Any]:
    """Let `owner.name`, no coroutine, meet the trouble whenever `where` is true of its arguments; returns the calls that did."""
    original, met = getattr(owner, name), []

    def around(arguments: tuple[Any, ...]) -> AbstractContextManager[None]:
        if not where(*arguments):
            return nullcontext()
        met.append(arguments)
        return trouble()

    @functools.wraps(original)
    def replaced(*arguments: Any, **named: Any) -> Any:
        with around(arguments):
            return original(*arguments, **named)

    monkeypatch.setattr(owner, name, replaced)
    return met
