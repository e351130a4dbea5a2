"""Errors of this machine that pass once somebody makes room, or gives a right or a file system back."""

from __future__ import annotations

import errno
import re

BLOCKED = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM,
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE,
}  # fmt: skip
"""Numbers of the operating system: no room, no right to write, or no handle for another file."""
EXIT_BLOCKED = 4
"""Exit code of a trainer that such an error has stopped."""
OF_RUST = re.compile(r"\(os error (\d+)\)")
"""safetensors writes its files in Rust, and passes on the text of an error alone."""


def is_blocked(error: BaseException) -> bool:
    """Whether an error passes once the machine is looked after; the work may then go on."""
    if isinstance(error, OSError):
        return error.errno in BLOCKED
    number = OF_RUST.search(str(error))
    return number is not None and int(number[1]) in BLOCKED
