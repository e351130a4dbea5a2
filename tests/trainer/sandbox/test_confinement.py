"""What a generated program cannot reach: files, the environment, the network, other processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.sandbox.sandboxes import RIGHT, returned, run
from trainer.sandbox.launch import Kind

SECRET = "a-key-that-no-program-may-see"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_SECRET", SECRET)


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/environ", "/proc/{parent}/environ",
                                  "/proc/{parent}/maps", "/proc/{server}/mem", "{mine}", "/sys/kernel/notes", "/dev/mem"])  # fmt: skip
def test_files_cannot_be_read(kind: Kind, path: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text(SECRET)
    path = path.format(parent=os.getpid(), mine=mine, server="{os.getppid()}")
    reason = returned(kind, f"import os\nreturn open(f'{path}', 'rb').read(2000)")
    assert "raised PermissionError" in reason or "raised FileNotFoundError" in reason


def test_links_lead_nowhere(kind: Kind) -> None:
    body = "import os\nos.{how}('/etc/passwd', 'here')\nreturn open('here').read()"
    for how in ("symlink", "link"):
        reason = returned(kind, body.format(how=how))
        assert any(error in reason for error in ("PermissionError", "FileNotFoundError", "OSError")), reason


def test_folders_cannot_be_listed_where_the_host_is(kind: Kind, tmp_path: Path) -> None:
    for folder in (tmp_path, Path(__file__).parent, "/proc", "/home", "/var"):
        reason = returned(kind, f"import os\nreturn os.listdir({str(folder)!r})")
        assert "PermissionError" in reason or "FileNotFoundError" in reason, reason


def test_the_environment_is_empty(kind: Kind) -> None:
    reason = returned(kind, "import os\nreturn sorted(os.environ)")
    assert reason.endswith("answer() returned ['PYTHONHASHSEED'].") or "'LC_CTYPE'" in reason
    assert SECRET not in returned(kind, "import os, ctypes\nreturn dict(os.environ)")


def test_nothing_can_be_written_outside(kind: Kind, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    name = f"left-by-{os.getpid()}"
    targets = [
        tmp_path / name,
        Path.home() / name,
        Path(__file__).parent / name,
        Path("/", name),
    ]
    targets += [Path(os.__file__).parent / name, Path("/dev", name), Path("/dev/shm", name)]
    for target in targets:
        reason = returned(kind, f"open({str(target)!r}, 'w').write('x')\nreturn 'written'")
        assert "PermissionError" in reason or "FileNotFoundError" in reason or "Read-only" in reason, reason
        assert not target.exists()


def test_what_a_program_leaves_is_gone(kind: Kind) -> None:
    name = f"left-by-a-test-{os.getpid()}"
    reason = returned(
        kind,
        f"import os\nos.mkdir('/tmp/{name}')\nopen('/tmp/{name}/x', 'w').write('x')\nreturn os.listdir('/tmp')",
    )
    if kind == "bubblewrap":
        assert reason.endswith(f"answer() returned ['{name}'].")
    else:
        assert "PermissionError" in reason
    assert not Path("/tmp", name).exists()
    for _ in range(3):
        assert name not in returned(kind, "import os\nreturn os.path.exists('/tmp') and os.listdir('.')")


def test_the_host_s_temporary_files_are_not_seen(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert "returned False" in returned(
        kind, f"import os\nreturn os.access({str(tmp_path / 'x')!r}, os.R_OK)"
    ) or (
        # Landlock shows that a file exists, but not its content
        kind == "landlock"
    )


@pytest.mark.parametrize(
    "body",
    [
        "socket.create_connection(('127.0.0.1', {port}), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
        "socket.socket(socket.AF_UNIX).connect({path!r})",
        "socket.socket(socket.AF_UNIX).connect('\\0pada-test-{port}')",
        "socket.socket(socket.AF_UNIX).bind('\\0pada-bound-{port}')",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
        "socket.socketpair()",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:{port}')",
    ],
)
def test_there_is_no_network(kind: Kind, body: str, tmp_path: Path, listeners: dict[str, Any]) -> None:
    reason = returned(kind, "import socket\n" + body.format(**listeners) + "\nreturn 'reached'")
    assert "Operation not permitted" in reason
    assert not listeners["reached"]()


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Servers on TCP, on a path and on an abstract name; `reached` says whether anything connected."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as path, socket.socket(socket.AF_UNIX) as abstract:  # fmt: skip
        port = tcp.getsockname()[1]
        path.bind(str(tmp_path / "socket"))
        os.chmod(tmp_path / "socket", 0o777)
        abstract.bind(f"\0pada-test-{port}")
        for listener in (path, abstract):
            listener.listen()

        def reached() -> bool:
            for listener in (tcp, path, abstract):
                listener.setblocking(False)
                try:
                    listener.accept()
                except BlockingIOError:
                    continue
                return True
            return False

        yield {"port": port, "path": str(tmp_path / "socket"), "reached": reached}


@pytest.mark.parametrize(
    "body",
    [
        "os.fork()",
        "os.forkpty()",
        "subprocess.run(['/bin/true'])",
        "os.execv(sys.executable, ['python', '-c', 'pass'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "threading.Thread(target=print).start()",
        "os.kill(os.getppid(), 9)",
        "os.kill(-1, 9)",
        "os.kill(1, 9)",
        "os.killpg(0, 9)",
        "os.setuid(0)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "os.sched_setaffinity(0, [0])",
        "os.chmod('/tmp', 0o777)",
        "os.chroot('/')",
        "os.mkfifo('/tmp/x')",
        "os.memfd_create('x')",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "resource.setrlimit(resource.RLIMIT_CPU, (100, 100))",
        "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
        "signal.pthread_kill(1, 9)",
        "os.pidfd_open(os.getppid())",
    ],
)
def test_no_process_is_started_or_touched(kind: Kind, body: str) -> None:
    imports = "import os, sys, subprocess, threading, resource, fcntl, signal\n"
    reason = returned(kind, f"{imports}{body}\nreturn 'done'")
    assert any(text in reason for text in ("not permitted", "can't start new thread", "Permission denied", "No such", "Read-only",
                                         "not allowed", "process ended")), reason  # fmt: skip
    assert run(kind, RIGHT).passed


PTRACE_ATTACH, PROCESS_VM_READV = 16, 310


@pytest.mark.parametrize("call", [f"ptrace({PTRACE_ATTACH}, os.getppid(), 0, 0)", f"syscall({PROCESS_VM_READV}, os.getppid(), 0, 0, 0, 0, 0)",
                                  "unshare(0x10000000)", "mount(b'none', b'/tmp', b'tmpfs', 0, 0)", "prctl(22, 0, 0, 0, 0)",
                                  "syscall(425, 8, 0)", "syscall(321, 0, 0, 0)", "bpf(0, 0, 0)"])  # fmt: skip
def test_system_calls_beyond_the_list_are_refused(kind: Kind, call: str) -> None:
    body = f"import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nreturn [libc.{call}, ctypes.get_errno()]"
    reason = returned(kind, body)
    assert "returned [-1, 1]" in reason or "undefined symbol" in reason


def test_the_user_is_not_root_and_cannot_become_it(kind: Kind) -> None:
    reason = returned(kind, "import os\nreturn {*os.getresuid(), *os.getresgid(), *os.getgroups()}")
    if kind == "bubblewrap" or os.geteuid() == 0:
        assert reason.endswith("returned {65534}.")
    assert not {"{0}", "{0,"} & set(reason.split())
    for call in ("setuid(0)", "setgid(0)", "setresuid(0, 0, 0)", "setgroups([])"):
        assert "PermissionError" in returned(kind, f"import os\nos.{call}")
