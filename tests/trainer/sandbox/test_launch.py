"""Which kind of sandbox is used, and that no sandbox outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer.sandbox.sandboxes import AVAILABLE_KINDS, RIGHT, SHORT, alive, descendants, returned, run
from trainer.sandbox.launch import Kind

OWNER = """
import sys, time
from trainer.sandbox.execution import ProgramTest, run_test
program = "def answer(): return 42"
print(run_test(ProgramTest(program, "assert answer() == 42", ("answer",)), kind=sys.argv[1]).outcome, flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(kind: Kind) -> Iterator[subprocess.Popen[str]]:
    """A process that has run a program and keeps its sandboxes warm."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "passed\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_sandbox_outlives_its_owner(owner: subprocess.Popen[str], how: signal.Signals) -> None:
    sandboxes = descendants(owner.pid)
    assert sandboxes
    owner.send_signal(how)
    owner.wait()
    deadline = time.monotonic() + 20
    while alive_pids := {pid for pid in sandboxes if alive(pid)}:
        assert time.monotonic() < deadline, alive_pids
        time.sleep(0.05)


def test_a_sandbox_that_was_killed_is_replaced(kind: Kind) -> None:
    assert run(kind, RIGHT).passed
    before = descendants(os.getpid())
    for pid in before:
        if "trainer.sandbox.server" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    for _ in range(len(before) + 2):
        assert run(kind, RIGHT).passed


def test_runs_leave_no_process(kind: Kind) -> None:
    run(kind, RIGHT)
    before = len(descendants(os.getpid()))
    for body in ("import os\nos.fork()", "import os\nos._exit(0)", "import time\nwhile True: pass"):
        returned(kind, body, SHORT)
    run(kind, RIGHT, limits=SHORT)
    # the shorter limits may need new sandboxes: two servers, each possibly with a bwrap parent
    assert len(descendants(os.getpid())) <= before + 4


FORBIDDEN = """
import errno, os, sys
import pyseccomp as seccomp
rules = seccomp.SyscallFilter(seccomp.ALLOW)
LANDLOCK, NEW_USER = 444, 0x10000000
if "landlock" in sys.argv:
    rules.add_rule(seccomp.ERRNO(errno.EOPNOTSUPP), LANDLOCK)
if "namespaces" in sys.argv:
    for call in ("clone", "unshare"):
        rules.add_rule(seccomp.ERRNO(errno.EPERM), call, seccomp.Arg(0, seccomp.MASKED_EQ, NEW_USER, NEW_USER))
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
rules.load()
from trainer.sandbox.launch import SandboxError, best_kind
try:
    print(best_kind())
except SandboxError as error:
    print(error)
"""


def chosen_where(*forbidden: str, path: str | None = None) -> str:
    """What `best_kind` says on a kernel that forbids something."""
    environment = {**os.environ, "PATH": path if path is not None else os.environ["PATH"]}
    command = [sys.executable, "-c", FORBIDDEN, *forbidden]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_namespaces_landlock_serves_and_without_both_nothing_runs(tmp_path: Path) -> None:
    if "landlock" in AVAILABLE_KINDS:
        assert chosen_where("namespaces") == "landlock"
        assert chosen_where(path=str(tmp_path)) == "landlock"
    message = chosen_where("namespaces", "landlock")
    assert message.startswith(
        "Generated programs are not run here, because there is no sandbox for them. By bubblewrap: "
    )
    assert "By landlock: the kernel has no Landlock: use Linux 5.13 or newer" in message
    assert "`bwrap` is not installed: install the package bubblewrap" in chosen_where(
        "landlock", path=str(tmp_path)
    )
