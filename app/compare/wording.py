"""The results of a comparison in words, the same on the page and in the terminal."""

from __future__ import annotations

from app.compare.models import Results
from app.compare.pooled import Pooled
from app.report.wording import plural

NAMED = 3
"""Maximum methods that a headline names."""


def headline(results: Results) -> str:
    """The result of the comparison in one sentence."""
    compared = [(row.method, row.vs_vanilla) for row in results.rows if row.vs_vanilla]
    improved = sorted(
        ((name, vs_vanilla) for name, vs_vanilla in compared if vs_vanilla.verdict == "improved"),
        key=lambda item: -item[1].difference,
    )
    if not improved:
        return "No method is shown to be better than plain fine-tuning"
    names = [name for name, _ in improved]
    if len(names) > NAMED:
        names[NAMED - 1 :] = [f"{len(names) - NAMED + 1} more"]
    better = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"Better than plain fine-tuning: {better}"


def basis(results: Results) -> str:
    """What the numbers are means of, and how they were tested."""
    seeds = len(results.rows[0].seeds)
    return (
        f"Means over {plural(seeds, 'seed')} and {plural(results.test_rows, 'test row')}, with 95 % intervals over "
        f"{'both' if seeds > 1 else 'rows'}; p-values are Holm-corrected. Training: {results.training}."
    )


def pooled_basis(pooled: Pooled) -> str:
    """What pooled differences are means of, and what they leave out."""
    tasks = ", ".join(
        f"{one.task} ({plural(len(one.seeds), 'seed')}, {plural(one.test_rows, 'test row')})"
        for one in pooled.tasks
    )
    absent = (
        f" Left out, because some folder has not: {', '.join(pooled.left_out)}." if pooled.left_out else ""
    )
    return (
        f"Means over {tasks}; tasks weigh alike. 95 % intervals over the rows and seeds of these tasks, which say nothing "
        f"about other tasks; p-values are Holm-corrected.{absent}"
    )
