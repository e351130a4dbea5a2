"""What a run that waits for a review shows to the reviewer, and what it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.config import RunConfig
from app.errors import ConfigError, FolderError
from app.runs.folder import enter
from app.runs.keeping import FolderKeeping
from app.runs.runner import awaited_review
from app.wiring import assemble
from graphs.review import ReviewAnswer, read_answer


async def awaited(config: RunConfig, root: Path) -> dict[str, Any]:
    """The review that the run waits for: `round` and `patterns`.

    Raises:
        FolderError: the run waits for no review.
    """
    keeping = FolderKeeping()
    async with keeping.own(root) as paths:
        card = enter(paths, config)
        async with assemble(config, card["run_id"], paths, keeping, lambda _: None) as ready:
            state = await ready.graph.aget_state({"configurable": {"thread_id": card["run_id"]}})
    waiting = awaited_review(state)
    if waiting is None:
        raise FolderError(f"{root}: this run does not wait for a review; `pada run` goes on with it.")
    return waiting


def given_answer(path: Path | None, veto: list[str], known: list[str]) -> dict[str, Any]:
    """The answer in a JSON file, with further vetoes.

    Raises:
        ConfigError: the file cannot be read, or the answer does not fit the patterns that wait.
    """
    document: Any = {}
    if path is not None:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read as JSON: {error}.") from None
    answer = read_answer(document, known)
    if isinstance(answer, ReviewAnswer):
        answer = read_answer(answer.model_copy(update={"veto": [*answer.veto, *veto]}).model_dump(), known)
    if not isinstance(answer, ReviewAnswer):
        raise ConfigError(f"{path or 'veto'}: {answer}")
    return answer.model_dump(exclude_none=True)
