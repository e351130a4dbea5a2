"""Reads the three files with all that is wrong with their rows, one by one and against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.config.asked import comparable_prompt
from app.config.data import reference_fault
from app.config.splits import SPLITS
from app.prepare.checks.findings import Finding, Place, finding
from graphs.checks.openings import earlier, system_turn
from graphs.checks.prompt_form import PromptForm
from trainer.data_files import DataError, scan_examples
from trainer.records import Example
from trainer.tasks import Task

FEWEST = 50
"""Train rows below which a warning is due: patterns of a handful of rows are chance."""


@dataclass(frozen=True)
class SourceRow:
    """A row with the place it comes from."""

    split: str
    """Its split, or `unlabeled`."""
    file: Path
    line: int | None
    example: Example

    def place(self, detail: str = "") -> Place:
        """Where it is."""
        return Place(file=str(self.file), line=self.line, detail=detail)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else f"{self.file}, row {self.example.id!r}"


Rows = dict[str, list[SourceRow]]
"""By split; rows without answers, if there are some, under `unlabeled`."""


def read_rows(task: Task, files: Mapping[str, Path]) -> tuple[Rows, list[Finding]]:
    """The sound rows of each split, and what is wrong with the others."""
    rows: Rows = {}
    found: list[Finding] = []
    for split, path in files.items():
        rows[split] = []
        faulty: list[Place] = []
        try:
            if type(task).load is Task.load:
                scan = scan_examples(path, task.row_error)
                faulty = [Place(file=str(path), line=each.line, detail=each.reason) for each in scan.faults]
                lines: Iterable[int | None] = scan.lines
                examples = scan.rows
            else:
                examples = task.load(path)
                lines = [None] * len(examples)
        except DataError as error:
            found += finding("fault", "file", f"data.{split}: {error}", [Place(file=str(path))])
            continue
        rows[split] = [
            SourceRow(split, path, line, example) for line, example in zip(lines, examples, strict=True)
        ]
        found += finding("fault", "row", f"Rows of {split} cannot be used.", faulty)
        if not examples and not faulty:
            message = f"data.{split}: {path} has no rows. Write one JSON object a line."
            found += finding("fault", "empty", message, [Place(file=str(path))])
    return rows, found


def every(rows: Rows) -> Iterator[SourceRow]:
    """All rows, split by split."""
    for split in SPLITS:
        yield from rows.get(split, [])


def check_ids(rows: Rows) -> list[Finding]:
    """Ids that two files share."""
    first: dict[str, SourceRow] = {}
    places = []
    for row in every(rows):
        other = first.setdefault(row.example.id, row)
        if other.split != row.split:
            places.append(row.place(f"the id {row.example.id!r} is also that of {other}"))
    return finding(
        "fault", "same_id", "Rows of two splits have the same id. Give each an id of its own.", places
    )


def check_prompts(rows: Rows) -> list[Finding]:
    """The same prompt twice: in two splits, or in one with the same answer or with another one."""
    groups: dict[str, list[SourceRow]] = defaultdict(list)
    for row in every(rows):
        groups[comparable_prompt(row.example)].append(row)
    overlaps, conflicts, repeats = [], [], []
    for same in groups.values():
        first = same[0]
        for row in same[1:]:
            if row.split != first.split:
                overlaps.append(row.place(f"the prompt is also that of {first}"))
            elif row.example.completion.strip() != first.example.completion.strip():
                conflicts.append(row.place(f"{first} has the same prompt and another answer"))
            else:
                repeats.append(row.place(f"the same row as {first}"))
    return [
        *finding(
            "fault",
            "overlap",
            "Two splits have the same prompt, so the score would measure memory. Remove one of each.",
            overlaps,
        ),
        *finding(
            "warning",
            "conflicting_answers",
            "The same prompt has two answers in one split. Correct one, or remove both.",
            conflicts,
        ),
        *finding("warning", "repeated", "Rows stand twice in one split. Remove the second.", repeats),
    ]


def check_labels(rows: Rows, task: Task) -> list[Finding]:
    """Labels that train does not show, and labels that validation or test do not measure."""
    found: list[Finding] = []
    if not rows.get("train"):
        return found  # what train shows is not known
    for split in SPLITS[1:]:
        unseen = [
            row.place(f"train has no row with {reason}")
            for row in rows.get(split, [])
            if (reason := task.unknown_label(row.example))
        ]
        message = f"Rows of {split} expect what train never shows. Add train rows for it, or remove these."
        found += finding("fault", "unseen_label", message, unseen)
    shown = task.answer_facts().labels
    for split in SPLITS[1:]:
        have = {task.stratify_key(row.example) for row in rows.get(split, [])}
        missing = sorted(set(shown) - have) if shown and have - {""} else []
        if missing and rows.get(split):
            message = (
                f"{split} measures nothing about {len(missing)} of {len(shown)} labels: {', '.join(map(repr, missing[:10]))}"
                f"{' and others' if len(missing) > 10 else ''}."
            )
            found.append(Finding(level="note", code="unmeasured_label", message=message, count=len(missing)))
    few = sorted(label for label, count in shown.items() if count < 3)
    if few and len(shown) > 1:
        message = (
            f"Fewer than three train rows have the label{'s' * (len(few) > 1)} {', '.join(map(repr, few[:10]))}"
            f"{' and others' if len(few) > 10 else ''}."
        )
        found.append(Finding(level="warning", code="rare_label", message=message, count=len(few)))
    return found


def check_references(rows: Rows, task: Task) -> list[Finding]:
    """References that the task's own metric counts as wrong: no reply could be right."""
    wrong = [
        row.place(fault)
        for row in every(rows)
        # an answer that train never shows is a finding of its own
        if not task.unknown_label(row.example) and (fault := reference_fault(task, row.example))
    ]
    message = "Answers are wrong by the task's own metric, so no reply could be right. Correct them, or choose another task."
    return finding("fault", "reference", message, wrong)


def check_answers(rows: Rows) -> list[Finding]:
    """Train rows that all have the same answer."""
    train = rows.get("train", [])
    answers = {row.example.completion.strip() for row in train}
    if len(train) > 1 and len(answers) == 1:
        message = "All train rows have the same answer: there is nothing to learn. Look whether the right column was taken."
        return [Finding(level="warning", code="one_answer", message=message, count=len(train))]
    return []


def check_systems(rows: Rows) -> list[Finding]:
    """System turns that differ from row to row, and those that hardly any row shares with another."""
    openings = [(row, system_turn(earlier(row.example))) for row in rows.get("train", [])]
    with_system = [row for row, opening in openings if opening]
    if not with_system or PromptForm.from_rows([row.example for row in rows["train"]]).system:
        return []
    different = len({opening for _, opening in openings if opening})
    if 2 * different > len(with_system) > 2:
        return finding(
            "warning",
            "own_systems",
            f"{len(with_system):,} train rows have {different:,} different system turns, as if these were inputs. New rows repeat "
            "the system turns of train rows. Put what varies into the user's turn.",
            [row.place() for row in with_system],
        )
    return finding(
        "note",
        "mixed_systems",
        "Train rows have different system turns, or only some have one. A new row gets that of the train row that it is written "
        "for, or of one like it.",
        [row.place() for row in with_system],
    )


def check_sizes(rows: Rows) -> list[Finding]:
    """Too few rows to learn from."""
    count = len(rows.get("train", []))
    if 0 < count < FEWEST:
        message = f"train has {count} rows. A few hundred are the usual start; patterns of so few are chance."
        return [Finding(level="warning", code="few_rows", message=message, count=count)]
    return []
