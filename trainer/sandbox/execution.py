"""Runs a program and its tests, each in its own sandbox, and returns the verdict."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, LifoQueue
from typing import Any, Literal

from trainer.sandbox import channel
from trainer.sandbox.launch import Kind, Sandbox, SandboxError, best_kind
from trainer.sandbox.limits import Limits

MAX_PROGRAM = 100_000
"""Characters."""
DEFAULT_LIMITS = Limits()
BROKEN = (OSError, SandboxError, channel.MessageError)


@dataclass(frozen=True)
class ProgramTest:
    """A program and its tests. All fields except `provides` are Python source.

    In the tests, the names in `provides` refer to the program. All other names belong to the tests, even if the program
    defines them too.
    """

    program: str
    tests: str
    provides: Sequence[str]
    preamble: str = ""
    """Runs before the tests, in their process."""


Outcome = Literal["passed", "failed", "raised", "not loaded", "stopped", "ended"]


@dataclass(frozen=True)
class Verdict:
    """Whether a program passed, and one sentence that says why."""

    outcome: Outcome
    """`failed` and `raised` are about a test. `not loaded`, `stopped` (out of time) and `ended` (by itself) are about the program."""
    reason: str

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


def run_test(test: ProgramTest, limits: Limits = DEFAULT_LIMITS, kind: Kind | None = None) -> Verdict:
    """Run one program against its tests.

    Args:
        limits: apply to the program and to the tests separately.
        kind: the kind of sandbox; default: the best one that this machine has.

    Raises:
        SandboxError: this machine has no sandbox, or two sandboxes in a row ended by themselves.
    """
    kind = kind or best_kind()
    if len(test.program) > MAX_PROGRAM:
        return Verdict("not loaded", f"The program has more than {MAX_PROGRAM} characters.")
    try:
        return _run_in(_idle_pairs.take(kind, limits), test)
    except BROKEN:
        pass
    # an idle sandbox may have been killed from outside, so try again with a new one
    try:
        return _run_in(SandboxPair(kind, limits), test)
    except BROKEN as error:
        raise SandboxError(f"A program could not be run in its sandbox: {error}.") from error


def _run_in(pair: SandboxPair, test: ProgramTest) -> Verdict:
    try:
        verdict = pair.run_test(test)
    except BaseException:
        pair.close()
        raise
    _idle_pairs.put_back(pair)
    return verdict


def run_tests(
    tests: Sequence[ProgramTest], limits: Limits = DEFAULT_LIMITS, kind: Kind | None = None
) -> list[Verdict]:
    """Run many programs concurrently, one per processor. The verdicts are in the order of `tests`."""
    if not tests:
        return []
    kind = kind or best_kind()
    workers = min(len(tests), len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda test: run_test(test, limits, kind), tests))


class SandboxPair:
    """One sandbox for the program and one for its tests. The pair is reused while both stay clean."""

    def __init__(self, kind: Kind, limits: Limits):
        self.kind = kind
        self.limits = limits
        self.program_runner = Sandbox(kind, "program_runner", limits)
        self.test_runner = Sandbox(kind, "test_runner", limits)
        self.open = True

    def run_test(self, test: ProgramTest) -> Verdict:
        message = self._run(test)
        program_exit, tests_exit = self._end()
        if message["outcome"] == "broken":
            raise SandboxError(message["reason"])
        if message["outcome"] in ("late", "silent", "ended"):
            return self._incomplete(message, program_exit, tests_exit)
        return Verdict(message["outcome"], message["reason"])

    def close(self) -> None:
        if self.open:
            self.open = False
            self.program_runner.close()
            self.test_runner.close()

    def _run(self, test: ProgramTest) -> dict[str, Any]:
        """The test runner's message: `outcome` and `reason`."""
        deadline = time.monotonic() + self.limits.wall_seconds
        program_end, tests_end = socket.socketpair()
        verdict_reader, verdict_writer = socket.socketpair()
        with verdict_reader:
            with program_end, tests_end, verdict_writer:
                self.program_runner.start({"program": test.program}, [program_end])
                job = {"preamble": test.preamble, "tests": test.tests, "provides": list(test.provides)}
                self.test_runner.start(job, [tests_end, verdict_writer])
            return _receive_verdict(verdict_reader, deadline)

    def _end(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """End both jobs; returns how the program's process and the tests' process ended, see `Sandbox.end`."""
        program_exit, tests_exit = self.program_runner.end(), self.test_runner.end()
        if not (program_exit["clean"] and tests_exit["clean"]):
            self.close()
        return program_exit, tests_exit

    def _incomplete(
        self, message: dict[str, Any], program_exit: dict[str, Any], tests_exit: dict[str, Any]
    ) -> Verdict:
        """The verdict when the program or its tests did not run to the end."""
        seconds, wall = self.limits.cpu_seconds, self.limits.wall_seconds
        if _out_of_time(program_exit, seconds):
            return Verdict("stopped", f"The program was stopped: it had computed for {seconds} s.")
        if _out_of_time(tests_exit, seconds):
            return Verdict("stopped", f"The program's tests were stopped: they had computed for {seconds} s.")
        if message["outcome"] == "late":
            return Verdict("stopped", f"The program was stopped: it had not finished within {wall:g} s.")
        return Verdict("ended", message["reason"])


def _receive_verdict(reader: socket.socket, deadline: float) -> dict[str, Any]:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        return {"outcome": "late"}
    # once the first byte is there, the rest follows at once
    reader.settimeout(max(1.0, deadline - time.monotonic()))
    message: dict[str, Any] | None = channel.receive(reader)
    return message or {
        "outcome": "silent",
        "reason": "The tests ended without a verdict on what the program returned.",
    }


def _out_of_time(exit_status: dict[str, Any], seconds: int) -> bool:
    return bool(exit_status["signal"] == signal.SIGXCPU or exit_status["cpu"] >= seconds)


@dataclass
class _IdlePairs:
    """The pairs that are ready for their next test."""

    idle: dict[tuple[Kind, Limits], LifoQueue[SandboxPair]] = field(default_factory=dict)

    def take(self, kind: Kind, limits: Limits) -> SandboxPair:
        try:
            return self.idle[kind, limits].get_nowait()
        except (KeyError, Empty):
            return SandboxPair(kind, limits)

    def put_back(self, pair: SandboxPair) -> None:
        if pair.open:
            self.idle.setdefault((pair.kind, pair.limits), LifoQueue()).put(pair)

    def close(self) -> None:
        for queue in self.idle.values():
            while not queue.empty():
                queue.get_nowait().close()

    def forget(self) -> None:
        self.idle = {}


_idle_pairs = _IdlePairs()
atexit.register(_idle_pairs.close)
# the sandboxes belong to the process that started them
os.register_at_fork(after_in_child=_idle_pairs.forget)
