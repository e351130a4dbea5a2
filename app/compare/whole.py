"""A whole comparison: its runs, then its results."""

from __future__ import annotations

from app.compare.files import write
from app.compare.models import Results
from app.compare.results import find_results
from app.compare.runs import Runs


async def compare(runs: Runs) -> Results:
    """Run all to their end, and write the results into the folder.

    Raises:
        See `Runs.run`.
    """
    reports = await runs.run()
    folders = {job: runs.paths(job) for job in reports}
    results = find_results(reports, folders, runs.base.seed, runs.reference)
    write(results, runs.root)
    return results
