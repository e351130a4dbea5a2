"""Starts trainers without loading their libraries again: `python -m trainer.forkserver`.

The process imports what the trainer needs, once, and forks one child for each order. (`multiprocessing` has such a
server too; it would import the caller's own main module into each child.) A child is an ordinary trainer in a session
of its own. It ends with this process, and this process with the one that started it.

Orders come through a socket that is standard input, one at a time: the next one after the answer to the last. Answers
are lines on standard output.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import warnings
from typing import Literal

from pydantic import BaseModel
from setproctitle import setproctitle

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
MESSAGE = 2**16
"""Longest message in bytes."""
MAX_FILES = 64
"""Files that an order may bring: a log, and a lock for each device."""


class Order(BaseModel):
    """Start one trainer. The message brings open files: its log, and locks that it holds until it ends."""

    module: Literal["trainer.finetune", "trainer.predict"]
    spec: str
    variables: dict[str, str] = {}
    """Environment variables in addition to this process's."""


class Answer(BaseModel):
    """A trainer has started, or has ended."""

    pid: int
    code: int | None = None
    """Exit code, negative for a signal; None at its start."""


def main() -> int:
    """Serve until the other side closes. In a child, do the child's work. Returns the exit code."""
    from trainer import finetune, predict

    if touched_gpu():  # a forked child could not use it
        return 1
    gc.freeze()  # else a collection in a child copies every page
    order = serve(socket.socket(fileno=0))
    if order is None:
        return 0
    work = {"trainer.finetune": finetune.main, "trainer.predict": predict.main}[order.module]
    return work([order.spec])


def touched_gpu() -> bool:
    """Whether this process has opened an NVIDIA device. CUDA does not work in children of such a process."""
    return any(
        os.path.realpath(f"/proc/self/fd/{number}").startswith("/dev/nvidia")
        for number in os.listdir("/proc/self/fd")
    )


def serve(orders: socket.socket) -> Order | None:
    """Fork a child for each order, and tell when it ends.

    Returns:
        In a child: its order. In this process: None, when the other side has closed.
    """
    bell = ring_for_children()
    here, children = os.getpid(), set[int]()
    while True:
        ready, _, _ = select.select([orders.fileno(), bell], [], [])
        if bell in ready:
            os.read(bell, MESSAGE)
            tell_ended(children)
        if orders.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(orders, MESSAGE, MAX_FILES)
        if not message:
            return None
        order = Order.model_validate_json(message)
        pid = fork()
        if not pid:
            orders.close()
            become(order, files, here)
            return order
        for file in files:
            os.close(file)
        children.add(pid)


def ring_for_children() -> int:
    """A file that can be read whenever a child has ended."""
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return bell


def fork() -> int:
    """`os.fork` without the warning about threads: those of OpenBLAS, which looks after them itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def tell_ended(children: set[int]) -> None:
    """Tell of all children that have ended, and forget them."""
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.remove(pid)
            tell(Answer(pid=pid, code=os.waitstatus_to_exitcode(status)))


def tell(answer: Answer) -> None:
    """Write one line to the other side."""
    os.write(1, answer.model_dump_json().encode() + b"\n")


def become(order: Order, files: list[int], parent: int) -> None:
    """Make a forked child what a started trainer is: a session, a log, an environment, and an end with its parent.

    It tells of its start when signals to its session reach it. The other files stay open: they are its locks.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    die_with(parent)
    setproctitle(f"{sys.executable} -m {order.module} {order.spec}")
    tell(Answer(pid=os.getpid()))
    nothing, log = os.open(os.devnull, os.O_RDONLY), files[0]
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ.update(order.variables)


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
