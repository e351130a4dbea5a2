"""What a run that waits for a review shows to the reviewer, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.config.run_config import RunConfig
from app.engine.reviews import Waiting, awaited_review, question_of, review_event
from app.engine.run_folder import enter
from app.engine.run_store import FolderKeeping
from app.engine.wiring import assemble
from app.errors import ConfigError, FolderError
from graphs.review import ReviewAnswer, read_answer
from graphs.run_paths import RunPaths


async def awaited(config: RunConfig, root: Path) -> Waiting:
    """The review that the run waits for.

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


def given_answer(
    waiting: Waiting, root: Path, path: Path | None, named: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The answer in a JSON file, if there is one, and what the command line names beside it.

    Args:
        named: ids by key of the answer: `veto`, `accept`, `reject`.

    Raises:
        ConfigError: the file cannot be read, or the answer does not fit the question.
    """
    question, document = question_of(review_event(waiting), RunPaths(root)), {}
    if path is not None:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read as JSON: {error}.") from None
    answer = read_answer(document, question)
    if isinstance(answer, ReviewAnswer):
        both = {key: [*getattr(answer, key), *ids] for key, ids in named.items()}
        answer = read_answer(answer.model_copy(update=both).model_dump(), question)
    if not isinstance(answer, ReviewAnswer):
        raise ConfigError(f"{path or 'answer'}: {answer}")
    return answer.answering(question).model_dump(exclude_none=True)
