"""Reads the rows without answers, and leaves out those whose prompt is that of another row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.config.asked import comparable_prompt
from app.config.splits import UNLABELED, Split
from graphs.artifacts import UnlabeledReport
from graphs.checks.prompt_form import PromptForm
from trainer.data_files import DataError
from trainer.records import Example
from trainer.tasks import Task


@dataclass(frozen=True)
class Unlabeled:
    """The rows without answers that rounds may choose from, in the form of the train rows."""

    rows: list[Example]
    report: UnlabeledReport


def read_unlabeled(
    task: Task, path: Path, splits: Mapping[Split, Sequence[Example]], train: Sequence[Example]
) -> Unlabeled:
    """The rows of a file of prompts.

    A row with the prompt of a validation or test row is a leak, and one of train would be trained on twice. Rows that are only
    near to these are refused when a round looks at them, because that needs embeddings.

    Args:
        splits: all rows of the files, also those beyond a limit.
        train: the train rows of the run, whose form the rows get.

    Raises:
        DataError: the file cannot be read, or no row is left.
    """
    try:
        rows = task.load_prompts(path)
    except DataError as error:
        raise DataError(f"data.unlabeled: {error}") from None
    form = PromptForm.from_rows(train)
    fitted = [form.fit(row) for row in rows]
    owners = list(prompt_owners(fitted, splits))
    kept = [row for row, owner in zip(fitted, owners, strict=True) if owner is None]
    refused = Counter(owner for owner in owners if owner is not None)
    if not kept:
        listed = ", ".join(f"{count:,} of {name}" for name, count in refused.most_common())
        raise DataError(
            f"data.unlabeled: {path} has no prompt of its own: they are those of other rows ({listed})."
        )
    report = UnlabeledReport(rows_in_file=len(rows), rows=len(kept), refused=dict(sorted(refused.items())))
    return Unlabeled(kept, report)


def prompt_owners(rows: Sequence[Example], splits: Mapping[Split, Sequence[Example]]) -> Iterator[str | None]:
    """For each row the split that has its prompt, `unlabeled` where an earlier row has it, or None."""
    owner: dict[str, str] = {}
    for split, examples in splits.items():
        for example in examples:
            owner.setdefault(comparable_prompt(example), split)
    for row in rows:
        prompt = comparable_prompt(row)
        yield owner.get(prompt)
        owner.setdefault(prompt, UNLABELED)
