"""Starts sandboxes: with bubblewrap if the kernel allows it, else with Landlock, else not at all."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Literal

from trainer.sandbox import channel
from trainer.sandbox.limits import Limits

Kind = Literal["bubblewrap", "landlock"]
KINDS: tuple[Kind, ...] = ("bubblewrap", "landlock")

PACKAGE = Path(__file__).resolve().parent
SCRATCH = "/tmp"  # noqa: S108 - the sandbox's own
INSIDE = "/pada"
"""Folder of our modules inside a bubblewrap sandbox."""
LIBRARIES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    f"{sys.base_prefix}/lib",
)
"""Shared libraries of the system and of the interpreter."""
START_SECONDS = 30.0
BOOT = "import sys; sys.path.insert(0, {root!r}); from trainer.sandbox.server import main; sys.path.pop(0); main({role!r}, {fd})"


class SandboxError(Exception):
    """This machine cannot run programs safely. The message says what to install or to enable."""


class Sandbox:
    """One fork server of one role, `program_runner` or `test_runner`. It runs one job at a time.

    Raises:
        SandboxError: it does not start.
    """

    def __init__(self, kind: Kind, role: str, limits: Limits):
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as errors:
            command = _command(kind, role, theirs.fileno(), limits)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=[theirs.fileno()],
                # the same replies must get the same verdicts, even if they depend on the order of a set
                env={"PYTHONHASHSEED": "0"},
                start_new_session=True,
            )
            theirs.close()
            self._control = ours
            ours.settimeout(START_SECONDS)
            try:
                channel.send(ours, _setup(kind, limits))
                ready = channel.receive(ours)
            except OSError:
                ready = None
            if ready is None:
                self.close()
                errors.seek(0)
                raise SandboxError(_last_line(errors.read()) or "it ended without a word")

    def start(self, job: dict[str, Any], connections: list[socket.socket]) -> None:
        """Start a job with copies of these connections; raises OSError if the sandbox is gone."""
        channel.send(self._control, job, [connection.fileno() for connection in connections])

    def end(self) -> dict[str, Any]:
        """Kill what is left of the job; returns `clean` (the sandbox can be reused), `signal` and `cpu` (seconds)."""
        channel.send(self._control, {"end": True})
        ended: dict[str, Any] | None = channel.receive(self._control)
        if ended is None:
            raise SandboxError("a sandbox ended by itself")
        return ended

    def close(self) -> None:
        """End the server, and with it everything that runs in the sandbox."""
        self._control.close()
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@cache
def unavailable(kind: Kind) -> str | None:
    """Why this machine has no sandboxes of this kind, or None if it has."""
    if platform.system() != "Linux":
        return "it needs Linux"
    try:
        from trainer.sandbox.system_calls import compile_filter

        compile_filter()
    except ImportError as error:
        return (
            f"its filter of system calls cannot be made ({error}): install libseccomp (libseccomp2 in Debian)"
        )
    if kind == "bubblewrap" and shutil.which("bwrap") is None:
        return "`bwrap` is not installed: install the package bubblewrap"
    if kind == "landlock" and _landlock_version() == 0:
        return "the kernel has no Landlock: use Linux 5.13 or newer, with `landlock` among the boot parameter `lsm=`"
    try:
        Sandbox(kind, "program_runner", Limits()).close()
    except (SandboxError, OSError) as error:
        return f"it does not start: {error}"
    return None


@cache
def best_kind() -> Kind:
    """The kind of sandbox to use on this machine.

    Raises:
        SandboxError: there is none.
    """
    reasons = {}
    for kind in KINDS:
        reason = unavailable(kind)
        if reason is None:
            return kind
        reasons[kind] = reason
    raise SandboxError(
        "Generated programs are not run here, because there is no sandbox for them. "
        + " ".join(f"By {kind}: {reason}." for kind, reason in reasons.items())
        + " One of the two is enough."
    )


def _landlock_version() -> int:
    from trainer.sandbox.confinement import landlock_version

    return landlock_version()


def _setup(kind: Kind, limits: Limits) -> dict[str, Any]:
    from trainer.sandbox.system_calls import compile_filter

    wrapped = kind == "bubblewrap"
    return {
        "limits": asdict(limits),
        "filter": compile_filter().hex(),
        "readable": None if wrapped else [*LIBRARIES, _library()],
        "scratch": SCRATCH if wrapped else None,
    }


def _command(kind: Kind, role: str, descriptor: int, limits: Limits) -> list[str]:
    root = INSIDE if kind == "bubblewrap" else str(PACKAGE.parent.parent)
    boot = BOOT.format(root=root, role=role, fd=descriptor)
    # -S -s -P: the standard library alone; not -I, which would ignore PYTHONHASHSEED
    python = [_interpreter(), "-S", "-s", "-P", "-B", "-c", boot]
    return [*_bubblewrap(limits), *python] if kind == "bubblewrap" else python


def _bubblewrap(limits: Limits) -> list[str]:
    """The file system of the sandbox: libraries, Python and our modules read-only, and a small writable folder."""
    shown = [path for path in (*LIBRARIES, _interpreter(), _library()) if os.path.exists(path)]
    ours = PACKAGE.relative_to(PACKAGE.parent.parent)
    return [
        shutil.which("bwrap") or "bwrap",
        *("--unshare-user", "--unshare-all", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"),
        *("--hostname", "sandbox", "--new-session", "--as-pid-1"),
        *(word for path in shown for word in ("--ro-bind", path, path)),
        *("--ro-bind", str(PACKAGE), f"{INSIDE}/{ours}"),
        *("--ro-bind", str(PACKAGE.parent / "__init__.py"), f"{INSIDE}/{ours.parent}/__init__.py"),
        *("--dev-bind", "/dev/null", "/dev/null"),
        *("--size", str(limits.files), "--tmpfs", SCRATCH, "--remount-ro", "/", "--chdir", SCRATCH, "--"),
    ]


def _interpreter() -> str:
    """The interpreter itself, not the link in a virtual environment."""
    return os.path.realpath(sys.executable)


def _library() -> str:
    return sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
