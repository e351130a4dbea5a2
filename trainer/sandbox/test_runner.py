"""The process that runs a program's tests. It never loads the program: it sends calls to the program's process.

In the tests, each name that the program must define is a `Remote`. The result of a call is a plain value, which is built
here from a message, so `==` is Python's own. Any other result is a `Remote` again, and comparing one is an error.
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
"""Characters of a value or a test that a verdict shows."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


class ProgramGone(BaseException):
    """The program's process has ended, or sent something that is no message. A test's `except Exception` does not catch it."""


def run(job: dict[str, Any], connections: list[socket.socket]) -> None:
    """Run `job["tests"]` against the program, and send the verdict."""
    program, verdict = connections
    channel.send(verdict, _verdict(job, program))


def _verdict(job: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
    program = _ProgramConnection(connection)
    try:
        if program.answer() != {"confined": True}:
            return _outcome("broken", "the program's process could not be confined")
    except ProgramGone:
        return _outcome("broken", "the program's process could not be confined")
    try:
        loaded = program.answer()
        if "error" in loaded:
            return _outcome("not loaded", f"The program cannot be loaded: {_error(loaded)}.")
        return _run_tests(job, program)
    except ProgramGone as gone:
        return _outcome("ended", str(gone))


def _outcome(outcome: str, reason: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason}


def _run_tests(job: dict[str, Any], program: _ProgramConnection) -> dict[str, Any]:
    # a test that draws random numbers must give the same verdict each time
    random.seed(0)
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        exec(compile(job["preamble"], "<preamble>", "exec"), names)  # noqa: S102 - the data set's, in the sandbox
        names |= {name: Remote(program, {"name": name}) for name in job["provides"]}
        exec(compile(job["tests"], TESTS, "exec"), names)  # noqa: S102
    except BaseException as error:
        program.refuse_if_gone()
        failed = isinstance(error, AssertionError)
        return _outcome("failed" if failed else "raised", _explain(error, job["tests"], program))
    program.refuse_if_gone()
    return _outcome("passed", "The program passes its tests.")


class Remote:
    """Something in the program's process that is no plain value: a function, a class, an object."""

    def __init__(self, program: _ProgramConnection, reference: dict[str, Any], kind: str = ""):
        vars(self).update(_program=program, _reference=reference, _kind=kind)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        given = [encode(argument, refer) for argument in arguments]
        named = {name: encode(argument, refer) for name, argument in keywords.items()}
        shown = [_show(argument) for argument in arguments] + [f"{k}={_show(v)}" for k, v in keywords.items()]
        return self._program.ask(
            f"{self!r}({', '.join(shown)})", "call", target=self._reference, arguments=given, keywords=named
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._program.ask(f"{self!r}.{name}", "get", target=self._reference, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        statement = f"{self!r}.{name} = {_show(value)}"
        self._program.ask(statement, "set", target=self._reference, name=name, value=encode(value, refer))

    def __repr__(self) -> str:
        return str(self._reference.get("name") or f"<an object of class {self._kind}>")

    def __eq__(self, other: object) -> NoReturn:
        raise NotPlainError(f"{self!r} is no plain value")

    def __bool__(self) -> NoReturn:
        raise NotPlainError(f"{self!r} is no plain value")


def refer(value: Any) -> dict[str, Any]:
    """The reference that stands for an argument; raises `NotPlainError` for anything but a `Remote`."""
    if not isinstance(value, Remote):
        raise NotPlainError(f"the test gives {_show(value)}, which is no plain value, to the program")
    reference: dict[str, Any] = vars(value)["_reference"]
    return reference


class _ProgramConnection:
    """The connection to the program's process, and in words the last request on it."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.last = ""
        self.gone: ProgramGone | None = None

    def refuse_if_gone(self) -> None:
        """Raise `ProgramGone` even where a test caught it."""
        if self.gone:
            raise self.gone

    def answer(self) -> dict[str, Any]:
        """The next message; raises `ProgramGone`."""
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
        """The program's result. An exception of the program is raised here as the built-in exception of the same name."""
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
        self.gone = ProgramGone(reason)
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
    """The program's exception in words."""
    line = f" (line {answer['line']} of the program)" if isinstance(answer.get("line"), int) else ""
    message = f": {answer['message']}" if answer.get("message") else ""
    return f"{answer.get('error')}{message}{line}"[: 2 * SHOWN]


def _explain(error: BaseException, tests: str, program: _ProgramConnection) -> str:
    """What a teacher should know about a failed test: the test, and the last request to the program."""
    place = f"`{_failing_statement(error, tests)}`"
    if isinstance(error, AssertionError):
        return f"The program fails {place}: {program.last}."
    if program.last and " raised " in program.last:
        return f"The program fails in {place}: {program.last}."
    last_call = f"; the last call, {program.last}" if program.last else ""
    return f"The test stops at {place} with {type(error).__name__}: {str(error)[:SHOWN]}{last_call}."


def _failing_statement(error: BaseException, tests: str) -> str:
    """Source text of the test's statement that raised the exception."""
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
