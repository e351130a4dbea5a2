"""Near duplicates: among train rows they waste the budget, across splits they are leaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.config.asked import asked_of, comparable_prompt
from app.prepare.checks.findings import Finding, Place, finding
from app.prepare.checks.rows import Rows, SourceRow, every
from app.prepare.near import near_prompts


def near_rows(sources: Sequence[SourceRow]) -> tuple[list[list[SourceRow]], float]:
    """Groups of rows that differ in a few characters, each prompt once; and the similarity from which they do."""
    groups, threshold = near_prompts([asked_of(row.example) for row in sources])
    joined: dict[int, dict[str, SourceRow]] = defaultdict(dict)
    for number, row in zip(groups, sources, strict=True):
        # exact repetitions are a finding of their own
        joined[number].setdefault(comparable_prompt(row.example), row)
    return [list(same.values()) for same in joined.values()], threshold


def check_near(rows: Rows) -> list[Finding]:
    """Rows that differ in a few characters from another one."""
    groups, threshold = near_rows(list(every(rows)))
    leaks: list[Place] = []
    near: list[Place] = []
    for same in groups:
        first = same[0]
        for row in same[1:]:
            (near if row.split == first.split else leaks).append(row.place(f"nearly the prompt of {first}"))
    how = f"(from {100 * threshold:.0f} % of their runs of four characters on)"
    return [
        *finding(
            "warning",
            "near_leak",
            f"Rows of validation or test are nearly rows of another split {how}. Put both on one side: `pada init` does.",
            leaks,
        ),
        *finding("note", "near_duplicates", f"Rows of one split are nearly the same {how}.", near),
    ]
