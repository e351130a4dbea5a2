"""The fork server of a sandbox. `main` runs inside it. Each job runs in its own child, which is confined further.

The server itself never runs a job's code. When its control connection closes, the server and the sandbox end.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from typing import Any

from trainer.sandbox import channel, confinement, program_runner, test_runner
from trainer.sandbox.limits import Limits

ROLES = {"program_runner": program_runner.run, "test_runner": test_runner.run}


def main(role: str, descriptor: int) -> None:
    """Serve jobs of one role until the control connection closes."""
    control = socket.socket(fileno=descriptor)
    setup = channel.receive(control)
    if setup["readable"] is not None:
        _confine_to(setup["readable"])
    confinement.set_dumpable(False)
    # standard error up to this point is shown if the sandbox cannot start; a program's standard error is not
    os.dup2(1, 2)
    gc.freeze()
    server = _Server(role, control, setup)
    channel.send(control, {"ready": True, "uid": os.getuid()})
    while server.serve():
        pass


def _confine_to(readable: list[str]) -> None:
    """Restrict file access with Landlock, for a sandbox without its own file system."""
    if os.geteuid() == 0:
        _keep_library_reachable()
    os.chdir("/")
    confinement.restrict_files(readable)
    confinement.become_nobody()


def _keep_library_reachable() -> None:
    """Import the standard library through an open folder from now on: only root may be able to reach its path."""
    library = os.path.dirname(os.__file__)
    held = f"/proc/self/fd/{os.open(library, os.O_PATH)}"
    sys.path[:] = [path.replace(library, held) for path in sys.path]
    for module in list(sys.modules.values()):
        if paths := getattr(module, "__path__", None):
            module.__path__ = [path.replace(library, held) for path in paths]


class _Server:
    def __init__(self, role: str, control: socket.socket, setup: dict[str, Any]):
        self.run = ROLES[role]
        self.control = control
        self.limits = Limits(**setup["limits"])
        self.filter = bytes.fromhex(setup["filter"])
        self.scratch: str | None = setup["scratch"]

    def serve(self) -> bool:
        """Run one job; returns whether the sandbox can take another one."""
        job, descriptors = channel.receive_with_files(self.control, 2)
        if job is None:
            return False
        child = os.fork()
        if child == 0:
            self._child(job, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        end_request = channel.receive(self.control)
        os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        clean = self.scratch is None or not os.listdir(self.scratch)
        if end_request is None:
            return False
        channel.send(self.control, {"clean": clean, "signal": os.WTERMSIG(status), "cpu": _seconds(usage)})
        return clean

    def _child(self, job: dict[str, Any], descriptors: list[int]) -> None:
        with contextlib.suppress(BaseException):
            self.control.close()
            connections = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            # without `/proc/self`, Python cannot import from an open folder
            confinement.set_dumpable(True)
            confinement.limit_resources(self.limits)
            confinement.restrict_system_calls(self.filter)
            self.run(job, connections)
        os._exit(0)


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
