"""A comparison on the terminal and in files."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.compare.results import Difference, Results, Row
from app.compare.runs import Job
from app.display import score
from app.report.wording import one_line, percent
from trainer.artifacts import write_json, write_text

PIPED = 160
"""Columns of the table where there is no terminal."""


def show_event(job: Job, event: dict[str, Any]) -> None:
    """One line when a score is known."""
    if event["type"] == "score":
        name, seed = job
        print(f"{name}, seed {seed}: {one_line(score(event), 400)}", file=sys.stderr, flush=True)  # noqa: T201


def show(results: Results) -> None:
    """The table, and what it rests on."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED)
    table = Table(box=None, pad_edge=False)
    table.add_column("method")
    for name in (
        "new rows",
        f"test {results.metric}",
        "against vanilla",
        "p",
        "against pada",
        "p",
        "calls",
        "US$",
    ):
        table.add_column(name, justify="right")
    for row in results.rows:
        table.add_row(*cells(row))
    console.print(table, highlight=False)
    seeds = len(results.rows[0].seeds)
    console.print(
        f"Means over {seeds} seed{'s' if seeds > 1 else ''} and {results.test_rows} test rows, with 95 % intervals over {'both' if seeds > 1 else 'rows'}; "
        f"p-values are Holm-corrected. Training: {results.training}.",
        highlight=False,
    )


def cells(row: Row) -> list[str]:
    low, high = row.ci95
    return [
        row.method,
        f"{row.accepted:.0f}",
        f"{percent(row.test_mean)} ({100 * low:.1f} to {100 * high:.1f})",
        *compared(row.vs_vanilla),
        *compared(row.vs_pada),
        f"{row.calls:,}",
        f"{row.usd:.2f}",
    ]


def compared(found: Difference | None) -> list[str]:
    """The difference in points with its verdict, and the p-value."""
    if found is None:
        return ["", ""]
    low, high = found.ci95
    said = f"{100 * found.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    mark = "" if found.verdict == "no difference shown" else f" {found.verdict}"
    return [said + mark, f"{found.p_value:.3f}" if found.p_value >= 0.001 else "< 0.001"]


def write(results: Results, folder: Path) -> None:
    """`compare.csv` and `compare.json`."""
    write_text(folder / "compare.csv", as_csv(results))
    write_json(folder / "compare.json", results)


def as_csv(results: Results) -> str:
    """One line a method; scores as fractions."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(fields(results.rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(fields(row) for row in results.rows)
    return text.getvalue()


def fields(row: Row) -> dict[str, Any]:
    """One method as flat fields."""
    found: dict[str, Any] = {
        "task": row.task,
        "method": row.method,
        "seeds": " ".join(map(str, row.seeds)),
        "accepted": row.accepted,
        "test_mean": row.test_mean,
        "test_low": row.ci95[0],
        "test_high": row.ci95[1],
    }
    for other, against in (("vanilla", row.vs_vanilla), ("pada", row.vs_pada)):
        found |= {
            f"vs_{other}_difference": against and against.difference,
            f"vs_{other}_low": against and against.ci95[0],
            f"vs_{other}_high": against and against.ci95[1],
            f"vs_{other}_p": against and against.p_value,
            f"vs_{other}_verdict": against and against.verdict,
        }
    return found | {
        "gain_per_row": row.gain_per_row,
        "gain_per_usd": row.gain_per_usd,
        "failures_fixed": row.failures_fixed,
        "calls": row.calls,
        "tokens": row.tokens,
        "usd": row.usd,
    }
