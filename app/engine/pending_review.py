"""The review that a run in a folder waits for, and the answer to it from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.config.run_config import RunConfig
from app.engine.reviews import PendingReview, awaited_review, question_of, review_event
from app.engine.run_folder import open_run
from app.engine.wiring import OpenRun, RunOptions, assemble
from app.errors import ConfigError, FolderError
from graphs.review import ReviewAnswer, read_answer
from graphs.run_paths import RunPaths


async def read_pending_review(config: RunConfig, root: Path) -> PendingReview:
    """The review that the run waits for.

    Raises:
        FolderError: the run waits for no review.
    """
    options = RunOptions()
    async with options.store.own(root) as paths:
        run = OpenRun(config, open_run(paths, config).run_id, paths, options)
        async with assemble(run, lambda _: None) as ready:
            state = await ready.graph.aget_state({"configurable": {"thread_id": run.run_id}})
    review = awaited_review(state)
    if review is None:
        raise FolderError(f"{root}: this run does not wait for a review; `pada run` continues it.")
    return review


def merge_answer(
    review: PendingReview, root: Path, path: Path | None, named: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The answer in a JSON file, if there is one, together with the ids that the command line names.

    Args:
        named: ids by key of the answer: `veto`, `accept`, `reject`.

    Raises:
        ConfigError: the file cannot be read, or the answer does not fit the question.
    """
    question, document = question_of(review_event(review), RunPaths(root)), {}
    if path is not None:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise ConfigError(f"{path}: not valid JSON: {error}.") from None
    answer = read_answer(document, question)
    if isinstance(answer, ReviewAnswer):
        both = {key: [*getattr(answer, key), *ids] for key, ids in named.items()}
        answer = read_answer(answer.model_copy(update=both).model_dump(), question)
    if not isinstance(answer, ReviewAnswer):
        raise ConfigError(f"{path or 'answer'}: {answer}")
    return answer.answering(question).model_dump(exclude_none=True)
