"""Makes a data set of a file as people have it: `python -m app.api.datasets.prepare FOLDER CORRECTIONS NAME`.

It runs in a separate process, as `app.api.datasets.check` does. It reads `FOLDER/NAME`, does what `pada init --yes` does
with these corrections (JSON), leaves the three splits in FOLDER, and prints a `Preparation` as JSON.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from app.api.datasets.preparation import Corrections, Preparation
from app.config.splits import SPLITS
from app.prepare.config_text import config_text
from app.prepare.files import read_all
from app.prepare.layout import Choices
from app.prepare.output import DATA, write_plan
from app.prepare.plan import SplitOptions, make_plan
from app.prepare.tables import InputError, ReadOptions
from trainer.data_files import DataError


def prepare(
    folder: Path,
    names: Sequence[str],
    said: Choices,
    reading: ReadOptions | None = None,
    splitting: SplitOptions | None = None,
) -> Preparation:
    """The splits in `folder`, and the config for them. Messages do not show the folder.

    Args:
        names: files in `folder`; a name such as `validation.jsonl` says which split the rows are for.
        said: what is known of their columns and their task.
    """
    splitting = splitting or SplitOptions()
    try:
        tables = read_all([str(folder / name) for name in names], reading or ReadOptions())
        plan = make_plan(tables, said, splitting)
        write_plan(plan, folder / "made", splitting.seed)
    except (InputError, DataError) as error:
        return Preparation(fault=str(error).replace(f"{folder}/", ""))
    # the uploaded file may have the name of a split
    for name in names:
        (folder / name).unlink()
    for split in SPLITS:
        (folder / "made" / DATA / f"{split}.jsonl").replace(folder / f"{split}.jsonl")
    shutil.rmtree(folder / "made")
    rows = {split: len(plan.rows[split]) for split in SPLITS}
    config = config_text(plan, splitting.seed, served=True)
    return Preparation(rows=rows, config=config, task=plan.task.name)


def said_in(corrections: Corrections) -> tuple[Choices, ReadOptions, SplitOptions]:
    """The same as the options of `pada init` are passed on."""
    return (
        Choices(
            corrections.prompt, corrections.answer, corrections.group, corrections.time, corrections.task
        ),
        ReadOptions(corrections.encoding, corrections.separator, corrections.header, corrections.sheet),
        SplitOptions(corrections.validation, corrections.test, corrections.seed),
    )


if __name__ == "__main__":
    root, corrections_text, *given = sys.argv[1:]
    made = prepare(Path(root), given, *said_in(Corrections.model_validate_json(corrections_text)))
    sys.stdout.write(made.model_dump_json())
