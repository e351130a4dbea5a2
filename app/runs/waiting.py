"""What a run that waits for a review shows to the reviewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config import RunConfig
from app.errors import FolderError
from app.runs.folder import enter
from app.runs.keeping import FolderKeeping
from app.runs.runner import awaited_review
from app.wiring import assemble


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
