"""Proposes the settings of a run on a data set: `python -m app.api.datasets.propose FOLDER TASK`.

It runs in a separate process, as `app.api.datasets.check` does, and prints an `app.prepare.proposal.Proposal` as JSON.
TASK is empty where nobody has named one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.config.splits import SPLITS
from app.prepare.columns import describe, sample
from app.prepare.config_text import propose
from app.prepare.files import read_all
from app.prepare.layout import NONE, Choices
from app.prepare.plan import SplitOptions, make_plan
from app.prepare.proposal import Proposal
from app.prepare.tables import InputError, ReadOptions

COLUMNS = ("prompt", "completion")
"""Of a row that is no conversation."""


def proposal_for(folder: Path, task: str) -> Proposal:
    """What `pada init` would write for rows that are split already; where it finds none, what a config has by default."""
    try:
        tables = read_all([str(folder / f"{split}.jsonl") for split in SPLITS], ReadOptions())
        columns = describe(sample(tables[0].records), tables[0].columns)
        pairs = set(COLUMNS) <= set(columns) and "messages" not in columns
        said = Choices(
            prompt=[COLUMNS[0]] if pairs else [],
            answer=COLUMNS[1] if pairs else None,
            group=NONE,
            task=task or None,
        )
        return propose(make_plan(tables, said, SplitOptions()), 0)
    except InputError:
        return Proposal(task=task) if task else Proposal()


if __name__ == "__main__":
    sys.stdout.write(proposal_for(Path(sys.argv[1]), sys.argv[2]).model_dump_json())
