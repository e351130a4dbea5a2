"""Shows the rows and the guess of `pada init`, asks, and writes `data/` and a config."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm, Prompt
from rich.table import Table as Grid

from app.cli.exit_codes import fail
from app.config.splits import SPLITS
from app.prepare.files import read_all
from app.prepare.layout import Choices, Layout
from app.prepare.look import asked_text, file_line, first_drafts, shortened
from app.prepare.output import CONFIG, default_folder, refuse_existing, write_plan
from app.prepare.plan import Plan, SplitOptions, make_plan
from app.prepare.sizes import shown_by
from app.prepare.tables import InputError, ReadOptions, Table, excerpt, names
from app.prepare.unlabeled import read_unlabeled

NOTHING = 2
"""Exit code when no data were written."""
SHOWN_ROWS = 4
SHOWN_SKIPPED = 10
SHOWN_CONFLICTS = 5
WIDTH = 120
"""Columns of the output where there is no terminal."""
CELL = 220
"""Most characters of a shown cell."""


def prepare(
    files: Sequence[str],
    output: Path | None,
    said: Choices,
    reading: ReadOptions,
    splitting: SplitOptions,
    *,
    unlabeled: str | None,
    yes: bool,
    force: bool,
) -> None:
    """Do what the command says; ends the process with exit code 2 when nothing was written."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    try:
        folder = output.expanduser().resolve() if output else default_folder(list(files))
        refuse_existing(folder, force=force)
        tables = read_all(files, reading)
        _refuse_unused(reading, tables)
        plan = make_plan(tables, said, splitting)
        show(plan, console)
        plan = _agreed(plan, tables, said, splitting, console, yes)
        if unlabeled:
            _add_unlabeled(plan, unlabeled, reading, console)
        write_plan(plan, folder, splitting.seed, force=force)
    except InputError as error:
        fail(str(error), code=NOTHING)
    _next_steps(plan, folder, console)


def _refuse_unused(reading: ReadOptions, tables: Sequence[Table]) -> None:
    """Refuse an option that is about files of another kind than those that were given."""
    decided = {decision.about for table in tables for decision in table.decisions}
    kinds = {"sheet": "an Excel workbook", "separator": "a CSV file", "encoding": "a text file"}
    for option, kind in kinds.items():
        if getattr(reading, option) is not None and option not in decided:
            raise InputError(f"--{option}: none of the files is {kind}. Leave the option out.")


def _add_unlabeled(plan: Plan, given: str, reading: ReadOptions, console: Console) -> None:
    """Put the rows without answers into the plan, and say what they are."""
    plan.unlabeled, skipped = read_unlabeled(given, plan.layout, reading)
    left = f"; {len(skipped):,} left out, listed in data/skipped.jsonl" if skipped else ""
    console.print(f"[bold]Without answers[/bold]: {len(plan.unlabeled):,} rows of {escape(given)}{left}")
    plan.skipped += skipped
    plan.read += len(plan.unlabeled) + len(skipped)


def _agreed(
    plan: Plan,
    tables: Sequence[Table],
    said: Choices,
    splitting: SplitOptions,
    console: Console,
    yes: bool,
) -> Plan:
    """The plan that the user takes: at a terminal by an answer, elsewhere by --yes."""
    if yes:
        return plan
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        console.print(f"\nTo take this, pass --yes:\n  {escape(_command(plan, said))}", soft_wrap=True)
        raise InputError("Nothing was written: there is no terminal to ask at.")
    while not Confirm.ask("\nWrite this?", console=console, default=True):
        if Confirm.ask("Stop here, with nothing written?", console=console, default=False):
            raise InputError("Nothing was written.")
        said = _asked(plan.layout, plan.task.name, said, console)
        try:
            plan = make_plan(tables, said, splitting)
        except InputError as error:
            console.print(f"[red]{escape(str(error))}[/red]")
            continue
        show(plan, console)
    return plan


def _asked(layout: Layout, task: str, said: Choices, console: Console) -> Choices:
    """The user's own choice of columns and task; Enter keeps what was guessed."""
    prompt = Prompt.ask(
        "Column of what is asked", console=console, default=(layout.prompt or [layout.chat or ""])[0]
    )
    answer = Prompt.ask("Column of the answer", console=console, default=layout.answer or "")
    task = Prompt.ask("Task", console=console, default=task)
    kept = layout.prompt if prompt == (layout.prompt or [""])[0] else [prompt]
    return replace(said, prompt=kept if not layout.chat else [], answer=answer or None, task=task)


def _command(plan: Plan, said: Choices) -> str:
    """The command as it was typed, with the guess in full."""
    parts = ["pada", *sys.argv[1:]]
    if not said.prompt:
        for column in plan.layout.prompt:
            parts += ["--prompt", column]
    if plan.layout.answer and not plan.layout.chat and not said.answer:
        parts += ["--answer", plan.layout.answer]
    if not said.task:
        parts += ["--task", plan.task.name]
    return shlex.join([*parts, "--yes"])


def show(plan: Plan, console: Console) -> None:
    """The first rows as the student will see them, the guess with its reasons, and the splits."""
    for table in plan.tables:
        console.print(file_line(table), markup=False)
        console.print(f"  columns: {names(table.columns)}", markup=False)
    console.print(_grid(plan))
    _guess(plan, console)
    _splits(plan, console)
    _warnings(plan, console)


def _grid(plan: Plan) -> Grid:
    grid = Grid(title="The first rows, as the student will see them", title_justify="left", show_lines=True)
    grid.add_column("asked", ratio=3)
    grid.add_column("answer", ratio=1)
    for draft in first_drafts(plan, SHOWN_ROWS):
        grid.add_row(escape(shortened(asked_text(draft), CELL)), escape(shortened(draft.answer, CELL)))
    return grid


def _guess(plan: Plan, console: Console) -> None:
    console.print(f"\n[bold]Columns[/bold] ({plan.layout.sureness})")
    for reason in plan.layout.reasons:
        console.print(f"  {escape(reason)}")
    kind = "" if plan.task.kind == plan.task.name else f", {plan.task.kind}"
    console.print(f"[bold]Task: {escape(plan.task.name)}[/bold]{escape(kind)} ({plan.task.sureness})")
    for reason in plan.task.reasons:
        console.print(f"  {escape(reason)}")


def _splits(plan: Plan, console: Console) -> None:
    counts = {split: len(plan.rows[split]) for split in SPLITS}
    listed = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    console.print(f"[bold]Splits[/bold]: {listed}")
    console.print(
        f"  {counts['test']:,} test rows show a difference of {100 * shown_by(counts['test']):.1f} points of accuracy or more "
        f"(80 % power), validation of {100 * shown_by(counts['validation']):.1f}."
    )
    for note in plan.notes:
        console.print(f"  {escape(note)}")


def _warnings(plan: Plan, console: Console) -> None:
    for warning in plan.task.warnings:
        console.print(f"[yellow]Look at this:[/yellow] {escape(warning)}")
    if plan.conflicts:
        count = len(plan.conflicts)
        what = (
            "1 row asks the same as another and has"
            if count == 1
            else f"{count:,} rows ask the same as another and have"
        )
        console.print(
            f"[yellow]Look at this:[/yellow] {what} another answer. They stay in one split; correct those that are wrong:"
        )
        for conflict in plan.conflicts[:SHOWN_CONFLICTS]:
            console.print(f"  {escape(str(conflict))}")
        _rest(len(plan.conflicts) - SHOWN_CONFLICTS, console)
    if plan.skipped:
        console.print(
            f"[yellow]{len(plan.skipped):,} of {plan.read:,} rows left out[/yellow], listed in data/skipped.jsonl:"
        )
        for item in plan.skipped[:SHOWN_SKIPPED]:
            console.print(f"  {escape(f'{item.place}: {item.reason}')}")
        if len(plan.skipped) > SHOWN_SKIPPED:
            kinds = Counter(_kind(item.reason) for item in plan.skipped)
            console.print(
                "  … in all: "
                + "; ".join(f"{count:,} {escape(kind)}" for kind, count in kinds.most_common(5))
            )


def _kind(reason: str) -> str:
    """Reasons that differ only in the row they name are counted together."""
    if reason.startswith("the same row as"):
        return "the same row as another"
    return excerpt("another split's row asks the same" if " asks the same" in reason else reason, 60)


def _rest(count: int, console: Console) -> None:
    if count > 0:
        console.print(f"  … and {count:,} more")


def _next_steps(plan: Plan, folder: Path, console: Console) -> None:
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    left = f"; {len(plan.skipped):,} left out" if plan.skipped else ""
    written = sum(map(len, plan.rows.values())) + len(plan.unlabeled)
    console.print(f"\n[bold]Written[/bold]: {written:,} rows of {plan.read:,}{left}.")
    console.print("[bold]Next[/bold]")
    console.print(
        f"  1. Set the teacher's address and model in {escape(str(shown / CONFIG))}, and its key: export OPENAI_API_KEY=..."
    )
    console.print(f"  2. pada check {escape(shlex.quote(str(shown / CONFIG)))}")
    console.print(f"  3. pada run {escape(shlex.quote(str(shown / CONFIG)))}")
    console.print(str(folder), markup=False)
