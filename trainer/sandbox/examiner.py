"""The process that runs a program's tests. It never loads the program: it asks the candidate's process.

A name that the program is to define stands in the tests for a `Remote`. What a call gives back is a plain value, made here
from what came over the channel, so `==` is Python's own; anything else is a `Remote` again, and comparing one is an error.
"""

from __future__ import annotations

import builtins
import random
import reprlib
import socket
import traceback
from typing import Any, NoReturn

from trainer.sandbox import channel
from trainer.sandbox.values import NotPlainError, decode, encode

TESTS = "<tests>"
ENDED = "The program's process ended before its tests did."
SHOWN = 200
"""Characters of a value or a test that are shown in a verdict."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


class CandidateGone(BaseException):
    """The candidate's process has ended, or what it sends is no message. No test's `except Exception` catches it."""


def run(job: dict[str, Any], connections: list[socket.socket]) -> None:
    """Examine the candidate by `job["tests"]`, and send the verdict."""
    candidate, judge = connections
    channel.send(judge, _verdict(job, candidate))


def _verdict(job: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
    candidate = _Candidate(connection)
    try:
        if candidate.answer() != {"confined": True}:
            return _said("broken", "the program's process could not be confined")
    except CandidateGone:
        return _said("broken", "the program's process could not be confined")
    try:
        loaded = candidate.answer()
        if "error" in loaded:
            return _said("not loaded", f"The program cannot be loaded: {_error(loaded)}.")
        return _examine(job, candidate)
    except CandidateGone as gone:
        return _said("ended", str(gone))


def _said(outcome: str, reason: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason}


def _examine(job: dict[str, Any], candidate: _Candidate) -> dict[str, Any]:
    # a test that draws numbers must give the same verdict each time
    random.seed(0)
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        exec(compile(job["preamble"], "<preamble>", "exec"), names)  # noqa: S102 - the data set's, in the sandbox
        names |= {name: Remote(candidate, {"name": name}) for name in job["provides"]}
        exec(compile(job["tests"], TESTS, "exec"), names)  # noqa: S102
    except BaseException as error:
        candidate.refuse_if_gone()
        failed = isinstance(error, AssertionError)
        return _said("failed" if failed else "raised", _explained(error, job["tests"], candidate))
    candidate.refuse_if_gone()
    return _said("passed", "The program passes its tests.")


class Remote:
    """Something of the program's that is no plain value: a function, a class, an object."""

    def __init__(self, candidate: _Candidate, reference: dict[str, Any], kind: str = ""):
        vars(self).update(_candidate=candidate, _reference=reference, _kind=kind)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        given = [encode(argument, refer) for argument in arguments]
        named = {name: encode(argument, refer) for name, argument in keywords.items()}
        shown = [_show(argument) for argument in arguments] + [f"{k}={_show(v)}" for k, v in keywords.items()]
        return self._candidate.ask(
            f"{self!r}({', '.join(shown)})", "call", target=self._reference, arguments=given, keywords=named
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._candidate.ask(f"{self!r}.{name}", "get", target=self._reference, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        said = f"{self!r}.{name} = {_show(value)}"
        self._candidate.ask(said, "set", target=self._reference, name=name, value=encode(value, refer))

    def __repr__(self) -> str:
        return str(self._reference.get("name") or f"<an object of class {self._kind}>")

    def __eq__(self, other: object) -> NoReturn:
        raise NotPlainError(f"{self!r} is no plain value")

    def __bool__(self) -> NoReturn:
        raise NotPlainError(f"{self!r} is no plain value")

    __hash__ = None  # type: ignore[assignment]


def refer(value: Any) -> dict[str, Any]:
    """The reference that an argument goes as."""
    if not isinstance(value, Remote):
        raise NotPlainError(f"the test gives {_show(value)}, which is no plain value, to the program")
    reference: dict[str, Any] = vars(value)["_reference"]
    return reference


class _Candidate:
    """The other side of the channel, and the last thing that was asked of it."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.last = ""
        self.gone: CandidateGone | None = None

    def refuse_if_gone(self) -> None:
        """Raise `CandidateGone` even where a test caught it."""
        if self.gone:
            raise self.gone

    def answer(self) -> dict[str, Any]:
        """The next message; raises `CandidateGone`."""
        try:
            answer = channel.receive(self.connection)
        except channel.MessageError as error:
            self._give_up(f"The program sent what is no answer: {error}.")
        if answer is None:
            self._give_up(ENDED)
        if not isinstance(answer, dict):
            self._give_up("The program sent what is no answer.")
        return answer

    def ask(self, shown: str, action: str, **request: Any) -> Any:
        """What the program gives back; its exceptions are raised here, by a built-in one of the same name."""
        self.last = f"{shown[:SHOWN]} did not return"
        try:
            channel.send(self.connection, {"do": action, **request})
        except OSError:
            self._give_up(ENDED)
        answer = self.answer()
        if "error" in answer:
            self.last = f"{shown[:SHOWN]} raised {_error(answer)}"
            raise _exception(answer)
        value = decode(answer.get("value"), self._resolve)
        self.last = f"{shown[:SHOWN]} returned {_show(value)}"
        return value

    def _give_up(self, reason: str) -> NoReturn:
        self.gone = CandidateGone(reason)
        raise self.gone

    def _resolve(self, reference: dict[str, Any]) -> Remote:
        if isinstance(reference.get("object"), int):
            return Remote(self, {"object": reference["object"]}, str(reference.get("of"))[:SHOWN])
        raise NotPlainError("the program sent what is no value")


def _exception(answer: dict[str, Any]) -> Exception:
    kind = getattr(builtins, str(answer.get("error")), None)
    # StopIteration would end a test's `map` early, as if there were no more cases
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, StopIteration):
        return RuntimeError(_error(answer))
    try:
        return kind(str(answer.get("message")))
    except TypeError:
        return RuntimeError(_error(answer))


def _error(answer: dict[str, Any]) -> str:
    """An exception of the program's in words."""
    line = f" (line {answer['line']} of the program)" if isinstance(answer.get("line"), int) else ""
    message = f": {answer['message']}" if answer.get("message") else ""
    return f"{answer.get('error')}{message}{line}"[: 2 * SHOWN]


def _explained(error: BaseException, tests: str, candidate: _Candidate) -> str:
    """What a teacher should know of a test that failed: the test, and what the program last said."""
    place = f"`{_failing(error, tests)}`"
    if isinstance(error, AssertionError):
        return f"The program fails {place}: {candidate.last}."
    if candidate.last and " raised " in candidate.last:
        return f"The program fails in {place}: {candidate.last}."
    said = f"; the last call, {candidate.last}" if candidate.last else ""
    return f"The test stops at {place} with {type(error).__name__}: {str(error)[:SHOWN]}{said}."


def _failing(error: BaseException, tests: str) -> str:
    """The source text of the test's statement where the exception came through."""
    if isinstance(error, SyntaxError) and error.filename == TESTS:
        return (error.text or "").strip()[:SHOWN]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == TESTS]
    if not frames or frames[-1].lineno is None:
        return "the test's preparation"
    first, last = frames[-1].lineno, frames[-1].end_lineno or frames[-1].lineno
    return " ".join(" ".join(tests.splitlines()[first - 1 : last]).split())[:SHOWN]


def _show(value: Any) -> str:
    try:
        return _short.repr(value)[:SHOWN]
    except Exception:
        return "something that cannot be shown"
