"""A bound on the memory that one step may take, for files that unfold while they are read."""

from __future__ import annotations

import re
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")
DATA = re.compile(r"^VmData:\s+(\d+) kB$", re.MULTILINE)
ALONE = threading.RLock()
"""The bound is that of the process."""


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """In this block the process takes at most so many bytes more than now; then Python raises MemoryError, and pyarrow
    its own error. Where the kernel does not say what is taken (no Linux), there is no bound."""
    taken = _taken()
    if taken is None:
        yield
        return
    with ALONE:
        before = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = taken + more
        limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *limits]), before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _taken() -> int | None:
    """Bytes of the process's own data, which is what the limit is compared with."""
    try:
        found = DATA.search(STATUS.read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
