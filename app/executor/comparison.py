"""A comparison of the service: one worker works on all its runs, in one folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from app.compare import whole
from app.compare.runs import ComparisonPaused, Runs
from app.compare.spec import Comparison
from app.db.leases import RunEnd
from app.db.models import Run
from app.engine.events import read_event, stage_seconds
from app.engine.run_store import RunStore
from graphs.run_paths import RunPaths
from graphs.teacher.network import Network
from trainer.artifacts import read_jsonl

ENDED = RunEnd("finished", "All its runs have ended.")


async def compare(run: Run, root: Path, store: RunStore, network: Network) -> RunEnd:
    """Work on a comparison to its end or to a pause.

    Args:
        run: the comparison's row in the database.
        store: who owns it.
        network: where its teachers may live.

    Raises:
        See `app.compare.runs.Runs.run`.
    """
    async with store.own(root):
        runs = Runs(
            Comparison.read(run.config),
            root,
            lambda job, event: None,
            owner=run.owner,
            network=network,
            fence=store.fence,
        )
        try:
            await whole.compare(runs)
        except ComparisonPaused as pause:
            return RunEnd("paused", str(pause), pause.waiting_for)
    return ENDED


def folders_of(root: Path) -> Iterator[Path]:
    """The folder of a run; of a comparison also the folders of its runs that have begun."""
    yield root
    yield from root.glob("*/seed-*")


def worked_before(root: Path) -> float:
    """Seconds that the runs of a comparison have worked, one after another."""
    logs = (RunPaths(folder).events for folder in folders_of(root))
    spent = (stage_seconds(map(read_event, read_jsonl(log))) for log in logs if log.exists())
    return math.fsum(seconds for stages in spent for seconds in stages.values())
