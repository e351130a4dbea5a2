"""What a run that waits for a review shows to the reviewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config import RunConfig
from app.errors import FolderError
from app.runs.folder import enter, owned
from app.wiring import assemble


async def awaited(config: RunConfig, root: Path) -> dict[str, Any]:
    """The review that the run waits for: `round` and `patterns`.

    Raises:
        FolderError: the run waits for no review.
    """
    with owned(root) as paths:
        card = enter(paths, config)
        async with assemble(config, card["run_id"], paths, lambda _: None) as ready:
            state = await ready.graph.aget_state({"configurable": {"thread_id": "run"}})
    for task in state.tasks:
        for interrupt in task.interrupts:
            found: dict[str, Any] = interrupt.value
            return found
    raise FolderError(f"{root}: this run does not wait for a review; `pada run` goes on with it.")
