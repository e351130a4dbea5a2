"""Examines programs: starts program and tests, each in its sandbox, and brings their verdict home."""

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
BROKEN = (OSError, SandboxError, channel.MessageError)


@dataclass(frozen=True)
class Exam:
    """A program and its tests, all of it Python source.

    The names in `provides` are the program's in the tests; all other names are the tests' own, whatever the program
    defines.
    """

    program: str
    tests: str
    provides: Sequence[str]
    preamble: str = ""
    """What the tests build on, run before them and on their side."""


Outcome = Literal["passed", "failed", "raised", "not loaded", "stopped", "ended"]


@dataclass(frozen=True)
class Verdict:
    """Whether a program passed, and in one sentence why not."""

    outcome: Outcome
    """A test failed, or raised; the program did not load, used too much time, or ended by itself."""
    reason: str

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


def examine(exam: Exam, limits: Limits = Limits(), kind: Kind | None = None) -> Verdict:  # noqa: B008 - frozen
    """Run one program against its tests.

    Args:
        limits: of the program and, apart from it, of the tests.
        kind: the sandbox to use; by default the best one there is.

    Raises:
        SandboxError: there is no sandbox here, or one ended by itself twice.
    """
    kind = kind or best_kind()
    if len(exam.program) > MAX_PROGRAM:
        return Verdict("not loaded", f"The program has more than {MAX_PROGRAM} characters.")
    try:
        return _at(_desks.take(kind, limits), exam)
    except BROKEN:
        pass
    # a sandbox that waited may have been ended from outside
    try:
        return _at(_Desk(kind, limits), exam)
    except BROKEN as error:
        raise SandboxError(f"A program could not be run in its sandbox: {error}.") from error


def _at(desk: _Desk, exam: Exam) -> Verdict:
    try:
        verdict = desk.examine(exam)
    except BaseException:
        desk.close()
        raise
    _desks.put_back(desk)
    return verdict


def examine_all(exams: Sequence[Exam], limits: Limits = Limits(), kind: Kind | None = None) -> list[Verdict]:  # noqa: B008
    """Run many programs at once, one per processor; verdicts in the order given."""
    if not exams:
        return []
    kind = kind or best_kind()
    workers = min(len(exams), len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda exam: examine(exam, limits, kind), exams))


class _Desk:
    """A candidate's sandbox and an examiner's, used together and again while they stay clean."""

    def __init__(self, kind: Kind, limits: Limits):
        self.kind = kind
        self.limits = limits
        self.candidate = Sandbox(kind, "candidate", limits)
        self.examiner = Sandbox(kind, "examiner", limits)
        self.open = True

    def examine(self, exam: Exam) -> Verdict:
        said = self._run(exam)
        ended = self._end()
        if said["outcome"] == "broken":
            raise SandboxError(said["reason"])
        if said["outcome"] in ("late", "silent", "ended"):
            return self._cut_short(said, ended)
        return Verdict(said["outcome"], said["reason"])

    def close(self) -> None:
        if self.open:
            self.open = False
            self.candidate.close()
            self.examiner.close()

    def _run(self, exam: Exam) -> dict[str, Any]:
        """The examiner's word."""
        deadline = time.monotonic() + self.limits.wall_seconds
        answers, questions = socket.socketpair()
        judge, verdict = socket.socketpair()
        with judge:
            with answers, questions, verdict:
                self.candidate.start({"program": exam.program}, [answers])
                job = {"preamble": exam.preamble, "tests": exam.tests, "provides": list(exam.provides)}
                self.examiner.start(job, [questions, verdict])
            return _word(judge, deadline)

    def _end(self) -> dict[str, Any]:
        candidate, examiner = self.candidate.end(), self.examiner.end()
        if not (candidate["clean"] and examiner["clean"]):
            self.close()
        return {"candidate": candidate, "examiner": examiner}

    def _cut_short(self, said: dict[str, Any], ended: dict[str, Any]) -> Verdict:
        """The verdict where the program, or the tests on it, did not come to their end."""
        seconds, wall = self.limits.cpu_seconds, self.limits.wall_seconds
        if _out_of_time(ended["candidate"], seconds):
            return Verdict("stopped", f"The program was stopped: it had computed for {seconds} s.")
        if _out_of_time(ended["examiner"], seconds):
            return Verdict("stopped", f"The program's tests were stopped: they had computed for {seconds} s.")
        if said["outcome"] == "late":
            return Verdict("stopped", f"The program was stopped: it had not finished within {wall:g} s.")
        return Verdict("ended", said["reason"])


def _word(judge: socket.socket, deadline: float) -> dict[str, Any]:
    poll = select.poll()
    poll.register(judge, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        return {"outcome": "late"}
    # the examiner sends its verdict at once and whole
    judge.settimeout(max(1.0, deadline - time.monotonic()))
    word: dict[str, Any] | None = channel.receive(judge)
    return word or {
        "outcome": "silent",
        "reason": "The tests ended without a verdict on what the program returned.",
    }


def _out_of_time(ended: dict[str, Any], seconds: int) -> bool:
    return bool(ended["signal"] == signal.SIGXCPU or ended["cpu"] >= seconds)


@dataclass
class _Desks:
    """The desks that wait for their next exam."""

    idle: dict[tuple[Kind, Limits], LifoQueue[_Desk]] = field(default_factory=dict)

    def take(self, kind: Kind, limits: Limits) -> _Desk:
        try:
            return self.idle[kind, limits].get_nowait()
        except (KeyError, Empty):
            return _Desk(kind, limits)

    def put_back(self, desk: _Desk) -> None:
        if desk.open:
            self.idle.setdefault((desk.kind, desk.limits), LifoQueue()).put(desk)

    def close(self) -> None:
        for waiting in self.idle.values():
            while not waiting.empty():
                waiting.get_nowait().close()

    def forget(self) -> None:
        self.idle = {}


_desks = _Desks()
atexit.register(_desks.close)
# the sandboxes belong to the process that started them
os.register_at_fork(after_in_child=_desks.forget)
