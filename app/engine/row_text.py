"""A row as a person gives it, and what becomes of it; light, because the service imports it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, ValidationError

from app.engine.run_status import RunStatus
from app.errors import Unprocessable
from graphs.context import LoopSpec
from graphs.person_rows import PersonRow
from graphs.rounds import loop_has_ended
from graphs.run_paths import RunPaths
from trainer.strict import Strict

LONGEST = 100_000
"""Characters of a text."""
FOR_ANOTHER_RUN = "The row is kept, but no round of this run takes it: start a run whose train rows have it."


class RowText(Strict):
    """A row as a person gives it."""

    prompt: str = Field(min_length=1, max_length=LONGEST)
    completion: str = Field(min_length=1, max_length=LONGEST)

    @classmethod
    def of(cls, prompt: str, completion: str) -> Self:
        """A row as somebody typed it.

        Raises:
            Unprocessable: a text is empty, too long, or holds a NUL or half a character.
        """
        try:
            return cls(prompt=prompt, completion=completion)
        except ValidationError as error:
            faults = (
                f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()
            )
            raise Unprocessable(f"The row cannot be used. {'; '.join(faults)}.") from None


class Answer(BaseModel):
    """What `app.engine.added_rows` prints."""

    row: PersonRow | None = None
    fault: str = ""
    """Why the row is not kept."""


def next_step(status: RunStatus, loop: LoopSpec, paths: RunPaths) -> str:
    """What happens to a row that waits.

    Args:
        status: the run's, such as `running`.
    """
    if status in ("finished", "cancelled"):
        return f"This run is {status}. {FOR_ANOTHER_RUN}"
    if not loop.origins:
        return f"This run only fine-tunes on the given rows. {FOR_ANOTHER_RUN}"
    if paths.round(loop.last_round).batches.exists() or loop_has_ended(paths):
        return f"This run has begun its last round. {FOR_ANOTHER_RUN}"
    return "The next round of this run checks the row and trains on it, unless the loop ends before."
