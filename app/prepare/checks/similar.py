"""Near duplicates: among train rows they waste the budget, across splits they are leaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.prepare.checks.findings import Finding, Place, finding
from app.prepare.checks.rows import Rows, SourceRow, every
from app.prepare.near import near_groups
from graphs.checks.template import Template
from trainer.text import comparable


def near_rows(sources: Sequence[SourceRow], rows: Rows) -> tuple[list[list[SourceRow]], float]:
    """Groups of rows that differ in a few characters, each text once; and the similarity from which they do.

    Args:
        sources: the rows to compare.
        rows: the splits; what all train prompts share does not count.
    """
    if len(sources) < 2:
        return [], 1.0
    template = Template.from_prompts([row.example.prompt for row in rows.get("train", [])] or [""])
    texts: dict[str, list[SourceRow]] = defaultdict(list)
    for row in sources:
        texts[comparable(template.strip(row.example.prompt))].append(row)
    groups, threshold = near_groups(list(texts), [len(same) for same in texts.values()])
    joined: dict[int, list[SourceRow]] = defaultdict(list)
    for number, same in zip(groups.tolist(), texts.values(), strict=True):
        # exact repetitions are a finding of their own
        joined[number].append(same[0])
    return list(joined.values()), threshold


def check_near(rows: Rows) -> list[Finding]:
    """Rows that differ in a few characters from another one."""
    groups, threshold = near_rows(list(every(rows)), rows)
    leaks: list[Place] = []
    near: list[Place] = []
    for same in groups:
        first = same[0]
        for row in same[1:]:
            (near if row.split == first.split else leaks).append(row.place(f"nearly the prompt of {first}"))
    how = f"(from {threshold:.0%} of their runs of four characters on)"
    return [
        *finding(
            "warning",
            "near_leak",
            f"Rows of validation or test are nearly rows of another split {how}. Put both on one side: `pada init` does.",
            leaks,
        ),
        *finding("note", "near_duplicates", f"Rows of one split are nearly the same {how}.", near),
    ]
