"""Scripted stand-ins for what tests must not reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from graphs.ports import Answer, Role


@dataclass
class Asked:
    """One call of the teacher."""

    role: Role
    schema: type[BaseModel]
    instructions: str
    data: dict[str, Any]


@dataclass
class FakeTeacher:
    """Implements `graphs.ports.Teacher`: one scripted function a schema, called with the data.

    A function may raise to play a failing teacher.
    """

    answers: dict[type[BaseModel], Callable[[dict[str, Any]], BaseModel]]
    calls: list[Asked] = field(default_factory=list)

    async def ask(self, role: Role, schema: type[Answer], instructions: str, data: dict[str, Any]) -> Answer:
        """The scripted answer."""
        self.calls.append(Asked(role, schema, instructions, data))
        answer = self.answers[schema](data)
        assert isinstance(answer, schema)
        return answer

    def asked(self, schema: type[BaseModel]) -> list[Asked]:
        """The calls for one schema, in order."""
        return [call for call in self.calls if call.schema is schema]
