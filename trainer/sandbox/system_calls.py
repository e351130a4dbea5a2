"""The system calls that a confined process may use. libseccomp compiles the list for this machine."""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from functools import cache
from typing import Any

ALLOWED = (
    "read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "close", "dup", "dup2", "dup3", "pipe", "pipe2", "sendto", "recvfrom",
    "open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
    "getcwd", "chdir", "fchdir", "getdents64", "umask", "fadvise64", "fsync", "fdatasync", "ftruncate", "flock",
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "mmap", "mprotect", "munmap", "mremap", "madvise", "brk", "membarrier",
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "futex", "futex_waitv", "sched_yield", "sched_getaffinity", "nanosleep", "clock_nanosleep",
    "time", "gettimeofday", "clock_gettime", "clock_getres", "times", "getrusage", "getrlimit",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "sigaltstack", "alarm", "setitimer", "getitimer", "pause", "restart_syscall",
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "uname", "sysinfo", "getrandom",
    "exit", "exit_group",
)  # fmt: skip
"""Not in the list: new processes or threads, exec, sockets, signals to others, changes of owner, mode or times."""

FILE_CONTROLS = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL)
"""Not F_SETOWN and similar controls, which send signals to others."""
DEVICE_CONTROLS = (termios.FIOCLEX, termios.FIONCLEX, termios.TCGETS)


@cache
def compile_filter() -> bytes:
    """A seccomp program. All other calls fail with "operation not permitted".

    Raises:
        ImportError: libseccomp or its Python package is missing.
    """
    try:
        import pyseccomp as seccomp
    except RuntimeError as error:
        raise ImportError(str(error)) from None
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in ALLOWED:
        _allow(rules, name)
    for control in FILE_CONTROLS:
        _allow(rules, "fcntl", seccomp.Arg(1, seccomp.EQ, control))
    for control in DEVICE_CONTROLS:
        _allow(rules, "ioctl", seccomp.Arg(1, seccomp.EQ, control))
    # allow reading limits: of this process (pid 0), without a new value
    _allow(rules, "prlimit64", seccomp.Arg(0, seccomp.EQ, 0), seccomp.Arg(2, seccomp.EQ, 0))
    # glibc falls back to `clone`, which is refused, only if there is no `clone3`
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    with open(os.memfd_create("seccomp"), "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _allow(rules: Any, name: str, *arguments: Any) -> None:
    """Allow a call with these arguments. A call that this machine does not have needs no rule."""
    import pyseccomp as seccomp

    if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
        rules.add_rule(seccomp.ALLOW, name, *arguments)
