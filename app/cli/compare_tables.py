"""Tables of a comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from app.compare.models import Difference, Results, Row
from app.compare.plan import SECONDS_PER_CALL, Plan, Planned, total
from app.compare.pooled import Pooled, PooledDifference
from app.compare.wording import basis, pooled_basis
from app.report.wording import duration, percent, plural, tokens

PIPED = 160
"""Columns of the table where there is no terminal."""


def show(results: Results) -> None:
    """Print the results, and what they rest on."""
    names = (
        "new rows",
        f"test {results.metric}",
        "against vanilla",
        "p",
        *((f"against {results.reference}", "p") if results.reference else ()),
        "calls",
        "US$",
    )
    print_table(names, [cells(row, results.reference) for row in results.rows], basis(results))


def print_table(names: Sequence[str], rows: list[list[str]], below: str) -> None:
    """A table with a method a line, and a paragraph."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED)
    table = Table(box=None, pad_edge=False)
    table.add_column("method")
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)
    console.print(below, highlight=False)


def show_plan(plan: Plan) -> None:
    """Print the calls, cost and time that a comparison will take, and what the estimate rests on."""
    rows = [planned(one) for one in (*plan.methods, total("all", plan.methods))]
    known = "as the baseline has" if plan.baseline_known else "all rows, because no baseline was trained yet"
    at_once = f" {plan.devices} runs at a time share it." if plan.devices > 1 else ""
    print_table(
        ("new rows", "calls", "at most", "tokens", "US$", "time"),
        rows,
        f"All seeds together: {plural(plan.runs, 'run')}, {plural(plan.trainings, 'training')}. Calls: with {plural(plan.failures, 'validation error')} a round ({known}); if every batch "
        "passes at once, and at most. Tokens: 4 characters each, without what a model thinks. Time: training as fast as "
        f"just measured, {SECONDS_PER_CALL:g} s a call assumed.{at_once} "
        f"{plural(plan.test_rows, 'test row')} and one seed show a true difference of {percent(plan.shows.value)} or more "
        "between two methods, with a power of 80 %.",
    )


def planned(one: Planned) -> list[str]:
    return [
        one.method,
        f"{one.rows:,}",
        f"{one.calls:,}",
        f"{one.most_calls:,}",
        tokens(one.tokens),
        "not known" if one.usd is None else f"{one.usd:.2f}",
        duration(one.seconds),
    ]


def cells(row: Row, reference: str | None) -> list[str]:
    low, high = row.ci95
    return [
        row.method,
        f"{row.accepted:.0f}",
        f"{percent(row.test_mean)} ({100 * low:.1f} to {100 * high:.1f})",
        *compared(row.vs_vanilla),
        *(compared(row.vs_reference) if reference else ()),
        f"{row.calls:,}",
        f"{row.usd:.2f}",
    ]


def show_pooled(pooled: Pooled) -> None:
    """Print the pooled differences, what each task alone says, and what they rest on."""
    others = [("vanilla", "vs_vanilla"), *([(pooled.reference, "vs_reference")] if pooled.reference else ())]
    names = [name for other, _ in others for name in (f"against {other}", "p", "by task")]
    rows = [
        [row.method, *(cell for _, key in others for cell in pooled_cells(getattr(row, key)))]
        for row in pooled.rows
    ]
    print_table(names, rows, pooled_basis(pooled))


def pooled_cells(difference: PooledDifference | None) -> list[str]:
    by_task = [f"{100 * points:+.1f}" for points in difference.by_task] if difference else []
    return [*compared(difference), ", ".join(by_task)]


def compared(difference: Difference | PooledDifference | None) -> list[str]:
    """The difference in points with its verdict, and the p-value."""
    if difference is None:
        return ["", ""]
    low, high = difference.ci95
    points = f"{100 * difference.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    verdict = "" if difference.verdict == "no difference shown" else f" {difference.verdict}"
    p_value = f"{difference.p_value:.3f}" if difference.p_value >= 0.001 else "< 0.001"
    return [points + verdict, p_value]
