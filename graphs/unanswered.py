"""A call that the teacher cannot answer costs its row, pattern or batch, and not the run."""

from __future__ import annotations

import logging
from typing import Any

from graphs.artifacts import Purpose, UnansweredCall
from graphs.errors import UnansweredError
from graphs.ports import Answer, Role, Teacher
from graphs.rounds import Round

log = logging.getLogger(__name__)


async def ask_or_note(
    teacher: Teacher,
    current: Round,
    purpose: Purpose,
    subject: str,
    role: Role,
    schema: type[Answer],
    instructions: str,
    data: dict[str, Any],
) -> Answer | None:
    """The teacher's answer; None, and a note in the round's folder, if this call cannot be answered.

    Args:
        purpose, subject: what the call is for, such as the analysis of a row, by its id.
        role, schema, instructions, data: see `graphs.ports.Teacher.ask`.

    Raises:
        TooManyUnanswered: the teacher leaves so many calls unanswered that the run pauses.
        RunPaused, TeacherError: as `graphs.ports.Teacher.ask`.
    """
    try:
        answer = await teacher.ask(role, schema, instructions, data)
    except UnansweredError as error:
        log.warning("The %s of %s was not answered: %s", purpose, subject, error)
        current.note_unanswered(UnansweredCall(purpose=purpose, subject=subject, reason=str(error)))
        return None
    current.forget_unanswered(purpose, subject)
    return answer
