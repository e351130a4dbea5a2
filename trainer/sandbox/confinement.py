"""How a process gives up rights for good: files, user, resources, system calls. Linux only."""

from __future__ import annotations

import ctypes
import os
import resource

from trainer.sandbox.limits import Limits

NOBODY = 65534

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2

# from linux/landlock.h; the system call numbers are the same on all architectures
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _GET_VERSION = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Landlock version -> number of file rights that it knows. Each right is one bit."""
_TCP_RIGHTS, _SCOPES = 0b11, 0b11
"""Bind and connect (version 4 and later); abstract sockets and signals (version 6 and later)."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _Program(ctypes.Structure):
    """A compiled seccomp filter: the number of instructions, and the instructions of 8 bytes each."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def landlock_version() -> int:
    """Version of the kernel's Landlock; 0 if the kernel has none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _GET_VERSION)))


def restrict_files(readable: list[str]) -> None:
    """Restrict this process and its children to reading below the paths in `readable`."""
    version = landlock_version()
    known = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    rules = _Ruleset((1 << known) - 1, _TCP_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    ruleset = _checked(
        _libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    )
    for path in filter(os.path.exists, readable):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
        rule = _PathBeneath(rights, parent)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
        os.close(parent)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def become_nobody() -> None:
    """Change from root to nobody, for good. Any other user stays."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def set_dumpable(on: bool) -> None:
    """Allow or forbid other processes of the same user to inspect this one, and this one to read its `/proc/self`."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, int(on), 0, 0, 0))


def limit_resources(limits: Limits) -> None:
    hard = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.files,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_NPROC: 1,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in hard.items():
        resource.setrlimit(kind, (value, value))
    # the second limit kills a program that catches the signal of the first
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))


def restrict_system_calls(program: bytes) -> None:
    """Install a seccomp filter from `system_calls.compile_filter` in this process."""
    loaded = _Program(len(program) // 8, program)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(loaded), 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
