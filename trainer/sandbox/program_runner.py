"""The process that runs a generated program: loads it and answers calls. No message of this process means "passed"."""

from __future__ import annotations

import socket
import sys
import types
from typing import Any

from trainer.sandbox import channel
from trainer.sandbox.values import NotPlainError, decode, encode

PROGRAM = "<program>"
MESSAGE = 300
"""Characters kept of an exception's text."""


def run(job: dict[str, Any], connections: list[socket.socket]) -> None:
    """Load `job["program"]` and answer requests until the test runner hangs up."""
    test_runner = connections[0]
    channel.send(test_runner, {"confined": True})
    program = _LoadedProgram()
    answer = program.attempt(program.load, {"program": job["program"]})
    while True:
        channel.send(test_runner, answer)
        request = channel.receive(test_runner)
        if request is None:
            return
        answer = program.attempt(getattr(program, request.pop("do")), request)


class _LoadedProgram:
    """The program's module, and the objects that the test runner has references to."""

    def __init__(self) -> None:
        self.module = types.ModuleType("program")
        self.objects: list[Any] = []

    def attempt(self, action: Any, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"value": encode(action(**request), self.refer)}
        except NotPlainError as error:
            return {"error": "no plain value", "message": str(error)}
        except BaseException as error:  # `SystemExit` too: a program must not end this process
            return _described(error)

    def load(self, program: str) -> None:
        # data classes look their module up
        sys.modules["program"] = self.module
        exec(compile(program, PROGRAM, "exec"), self.module.__dict__)  # noqa: S102 - what the sandbox is for

    def call(self, target: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        function = self.resolve(target)
        return function(
            *[decode(argument, self.resolve) for argument in arguments],
            **{name: decode(argument, self.resolve) for name, argument in keywords.items()},
        )

    def get(self, target: Any, name: str) -> Any:
        return getattr(self.resolve(target), name)

    def set(self, target: Any, name: str, value: Any) -> None:
        setattr(self.resolve(target), name, decode(value, self.resolve))

    def resolve(self, reference: dict[str, Any]) -> Any:
        if "object" in reference:
            return self.objects[reference["object"]]
        try:
            return self.module.__dict__[reference["name"]]
        except KeyError:
            raise NameError(f"name {reference['name']!r} is not defined") from None

    def refer(self, value: Any) -> dict[str, Any]:
        self.objects.append(value)
        return {"object": len(self.objects) - 1, "of": type(value).__name__[:MESSAGE]}


def _described(error: BaseException) -> dict[str, Any]:
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == PROGRAM:
        lines.append(error.lineno or 0)
        message = error.msg
    else:
        message = str(error)
    return {
        "error": type(error).__name__[:MESSAGE],
        "message": message[:MESSAGE],
        "line": lines[-1] if lines else None,
    }
