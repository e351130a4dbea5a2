"""Writes the files of a comparison."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from app.compare.models import Results, Row
from app.compare.page import render_page
from app.compare.record import PAGE, RESULTS
from trainer.artifacts import write_json, write_text


def write(results: Results, folder: Path) -> None:
    """Write `compare.csv`, `compare.html` and, last, `compare.json`."""
    write_text(folder / "compare.csv", as_csv(results))
    write_text(folder / PAGE, render_page(results))
    write_json(folder / RESULTS, results)


def as_csv(results: Results) -> str:
    """One line per method. Scores are fractions of 1."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(fields(results.rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(fields(row) for row in results.rows)
    return text.getvalue()


def fields(row: Row) -> dict[str, Any]:
    """One method as the fields of a CSV line."""
    scores: dict[str, Any] = {
        "task": row.task,
        "method": row.method,
        "seeds": " ".join(map(str, row.seeds)),
        "accepted": row.accepted,
        "test_mean": row.test_mean,
        "test_low": row.ci95[0],
        "test_high": row.ci95[1],
    }
    for other, against in (("vanilla", row.vs_vanilla), ("reference", row.vs_reference)):
        scores |= {
            f"vs_{other}_difference": against and against.difference,
            f"vs_{other}_low": against and against.ci95[0],
            f"vs_{other}_high": against and against.ci95[1],
            f"vs_{other}_p": against and against.p_value,
            f"vs_{other}_verdict": against and against.verdict,
        }
    return scores | {
        "gain_per_row": row.gain_per_row,
        "gain_per_1k_tokens": row.gain_per_1k_tokens,
        "gain_per_training_second": row.gain_per_training_second,
        "gain_per_usd": row.gain_per_usd,
        "failures_fixed": row.failures_fixed,
        "calls": row.calls,
        "tokens": row.tokens,
        "usd": row.usd,
    }
