"""From files to the rows of the three splits: everything that `pada init` decides, before anything is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.config.splits import SPLITS, Split
from app.prepare.columns import describe, hidden, sample
from app.prepare.drafts import Draft, draft_all
from app.prepare.duplicates import Conflict, conflicts, drop_repeats, same_question, unify_labels
from app.prepare.excel_sheets import other_sheets
from app.prepare.guess import guess_layout
from app.prepare.json_answers import write_out_all
from app.prepare.layout import Choices, Layout
from app.prepare.sizes import Sizes, choose_sizes
from app.prepare.split import assign, assign_by_time, find_clusters
from app.prepare.tables import FEWEST, InputError, Skipped, Table, excerpt, names
from app.prepare.task import TaskGuess, guess_task
from trainer.records import Example
from trainer.tasks import load_task

_SPECIAL = re.compile(r"<\|[a-z_]{2,30}\|>|</s>|<s>|\[/?INST\]|<(?:start|end)_of_turn>")


@dataclass
class Plan:
    """What would be written, and why."""

    tables: list[Table]
    layout: Layout
    task: TaskGuess
    rows: dict[Split, list[Draft]]
    skipped: list[Skipped]
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was decided on the way, a sentence each."""
    read: int = 0
    """Rows that the files hold, readable or not."""
    unlabeled: list[dict[str, Any]] = field(default_factory=list)
    """Rows without answers, as they are written."""


@dataclass(frozen=True)
class SplitOptions:
    """What the user says about the split."""

    validation: int | None = None
    test: int | None = None
    seed: int = 0


def make_plan(tables: Sequence[Table], said: Choices, options: SplitOptions) -> Plan:
    """Decide on columns, task and splits.

    Raises:
        InputError: nothing, or less than half of the rows, can be used; or a choice of the user's cannot be met.
    """
    try:
        return _make_plan(tables, said, options)
    except InputError as error:
        left_out = "".join(f" {table.left_out}" for table in tables if table.left_out)
        raise InputError(f"{error}{_sheet_hint(tables)}{left_out}") from None


def _sheet_hint(tables: Sequence[Table]) -> str:
    """Where one sheet of a workbook was read, perhaps the wrong one: what the others are called."""
    if len(tables) != 1 or len(tables[0].sheets) < 2:
        return ""
    title = next(each.value for each in tables[0].decisions if each.about == "sheet")
    return other_sheets(title, [name for name in tables[0].sheets if name != title])


def _make_plan(tables: Sequence[Table], said: Choices, options: SplitOptions) -> Plan:
    records = [record for table in tables for record in table.records]
    unreadable = [item for table in tables for item in table.skipped]
    if not records:
        raise _nothing(tables, unreadable)
    seen = sample(records)
    columns = describe(seen, list(dict.fromkeys(name for table in tables for name in table.columns)))
    try:
        layout = guess_layout(columns, said)
    except InputError as error:
        if str(error).startswith("--"):
            raise
        raise InputError(f"{names([table.name for table in tables], 4)}: {error}") from None
    drafts, without = draft_all(tables, layout)
    notes = [note for table in tables for note in table.notes]
    notes += [
        f"`{excerpt(name, 40)}` names two values of a row: a key of its own, and a key inside of an object. The former is "
        "read; rename it to read the other."
        for name in hidden(seen)
    ]
    if not drafts:
        raise _nothing(tables, [*unreadable, *without])
    task = guess_task(drafts, said.task)
    drafts, faulty = _refused_by_task(drafts, task.name)
    if task.name == "classification":
        notes += unify_labels(drafts)
    if task.name == "json_fields":
        notes += write_out_all(drafts)
    bad = [*unreadable, *without, *faulty]
    _refuse_most(len(drafts), bad)
    _settle_splits(drafts)
    given = drafts
    drafts, repeated = drop_repeats(given)
    _refuse_emptied(given, drafts)
    plan = Plan(
        list(tables),
        layout,
        task,
        {},
        [*bad, *repeated],
        conflicts(drafts),
        notes,
        len(records) + len(unreadable),
    )
    plan.notes += _special_signs(drafts)
    _split(plan, drafts, options)
    return plan


def _special_signs(drafts: Sequence[Draft]) -> list[str]:
    """A sentence where texts hold what tokenizers take for control tokens."""
    found = [
        (draft, match) for draft in drafts if (match := _SPECIAL.search(f"{draft.asked}\n{draft.answer}"))
    ]
    if not found:
        return []
    draft, match = found[0]
    return [
        f"{len(found):,} rows hold signs such as {match[0]!r} ({draft.place}), which a student may take for control "
        "tokens. Remove them where they are left over from an export."
    ]


def _nothing(tables: Sequence[Table], skipped: list[Skipped]) -> InputError:
    files = names([table.name for table in tables], 4)
    if not skipped:
        return InputError(f"{files}: no rows below the names of the columns. Give a file with rows.")
    first = skipped[0]
    more = f" ({len(skipped) - 1:,} more rows cannot be used.)" if len(skipped) > 1 else ""
    return InputError(f"No row can be used. {first.place}: {first.reason}.{more}")


def _refuse_most(usable: int, bad: list[Skipped]) -> None:
    if len(bad) <= usable:
        return
    reasons = Counter(item.reason for item in bad).most_common(3)
    first = {reason: next(item for item in bad if item.reason == reason) for reason, _ in reasons}
    listed = "\n".join(
        f"  {count:,} rows, such as {first[reason].place}: {reason}" for reason, count in reasons
    )
    raise InputError(f"Most rows cannot be used: {len(bad):,} of {usable + len(bad):,}.\n{listed}")


def _refused_by_task(drafts: list[Draft], task_name: str) -> tuple[list[Draft], list[Skipped]]:
    """The rows that the task can score, and the others with its reason."""
    task = load_task(task_name)
    kept, skipped = [], []
    for draft in drafts:
        example = Example.model_validate(
            {"id": "", "prompt": draft.prompt, "completion": draft.answer, **draft.extra}
        )
        if reason := task.row_error(example):
            skipped.append(Skipped(draft.place, reason.rstrip("."), excerpt(draft.asked)))
        else:
            kept.append(draft)
    return kept, skipped


def _refuse_emptied(given: list[Draft], kept: list[Draft]) -> None:
    """Refuse files for splits that hold the same rows: one of them would have none left."""
    had, left = (Counter(draft.split for draft in drafts) for drafts in (given, kept))
    for split in (split for split in had if left[split] < min(had[split], FEWEST)):
        asked: dict[Split | None, set[str]] = {each: set() for each in had}
        for draft in given:
            asked[draft.split].add(same_question(draft))
        shared = {each: len(asked[split] & asked[each]) for each in had if each != split}
        other = max(shared, key=shared.__getitem__, default=None)
        if other and shared[other] > len(asked[split]) / 2:
            raise InputError(
                f"{left[split]} of {had[split]:,} {split} rows can be used, because {other} rows ask the same, and no split may "
                f"hold rows of another. Do both files hold the same rows? Give one of them alone, and {other} rows are taken "
                "out of it, or remove the rows that both have."
            )


def _settle_splits(drafts: list[Draft]) -> None:
    """Rows without a split are train rows where others have one; one split alone, such as `train.csv`, is none."""
    given = {draft.split for draft in drafts}
    alone = len(given) == 1 or not given - {None, "train"}
    for draft in drafts:
        draft.split = None if alone else (draft.split or "train")


def _split(plan: Plan, drafts: list[Draft], options: SplitOptions) -> None:
    """Given splits stay; what is missing is taken out of train."""
    if all(draft.split is None for draft in drafts):
        _divide(plan, drafts, options, choose_sizes(len(drafts), options.validation, options.test))
        return
    plan.rows = {split: [d for d in drafts if d.split == split] for split in SPLITS}
    plan.notes.append(
        f"The files' own splits were kept: {', '.join(split for split in SPLITS if plan.rows[split])}."
    )
    missing = [split for split in ("validation", "test") if not plan.rows[split]]
    if missing:
        _fill_missing(plan, missing, options)
    if plan.task.name == "classification":
        _drop_unseen(plan)


def _divide(
    plan: Plan, drafts: list[Draft], options: SplitOptions, sizes: Sizes, others: Sequence[Draft] = ()
) -> None:
    """Split rows that came without a split, beside others that have theirs."""
    shown = plan.task.name == "classification"
    clusters, notes = find_clusters(drafts, plan.task.name, others)
    if plan.layout.time:
        found = assign_by_time(clusters, drafts, sizes, plan.layout.time, shown=shown)
    else:
        found = assign(clusters, len(drafts), sizes, options.seed, shown=shown)
    plan.notes += [*notes, *found.notes]
    plan.rows = {split: [] for split in SPLITS}
    for draft, split in zip(drafts, found.splits, strict=True):
        plan.rows[split].append(draft)


def _fill_missing(plan: Plan, missing: list[str], options: SplitOptions) -> None:
    train, kept = plan.rows["train"], plan.rows
    sizes = choose_sizes(len(train), options.validation, options.test)
    wanted = {split: getattr(sizes, split) if split in missing else 0 for split in ("validation", "test")}
    left = len(train) - sum(wanted.values())
    others = [draft for split in SPLITS[1:] for draft in kept[split]]
    _divide(plan, train, options, Sizes(left, wanted["validation"], wanted["test"]), others)
    plan.rows |= {split: kept[split] for split in SPLITS[1:] if split not in missing}
    plan.notes.append(f"{' and '.join(missing)} rows were taken out of train.")


def _drop_unseen(plan: Plan) -> None:
    """Validation and test rows whose label train never shows cannot be learned."""
    known = {draft.answer for draft in plan.rows["train"]}
    for split in SPLITS[1:]:
        unseen = [draft for draft in plan.rows[split] if draft.answer not in known]
        plan.rows[split] = [draft for draft in plan.rows[split] if draft.answer in known]
        plan.skipped += [
            Skipped(draft.place, f"the label {draft.answer!r} is in no train row", excerpt(draft.asked))
            for draft in unseen
        ]
        if not plan.rows[split]:
            raise InputError(
                f"No {split} row has a label that train shows. Check that the files belong together."
            )
