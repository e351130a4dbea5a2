"""`pada check`: what is wrong with a config and its rows, and what a run of it would take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.streams import say
from app.errors import PadaError

if TYPE_CHECKING:
    from app.compare.plan import Planned
    from app.prepare.checks.findings import CheckReport, Finding, SplitFacts

FAULTY = 2
SHOWN = 5
"""Rows of a finding that are shown; `--json` has a thousand."""
LABELS = 12
"""Labels of a split that are shown."""


def check(
    config: Annotated[Path, typer.Argument(help="The run's YAML file.", metavar="CONFIG.yaml")],
    teacher: Annotated[
        bool,
        typer.Option(
            "--teacher", help="Also send a small call for each part of the teacher. They cost money."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with charts.", metavar="FILE.html")
    ] = None,
) -> None:
    """Find what is wrong with rows and settings before a run, in seconds. Exits with 2 if a run would stop at it."""
    find(config, as_json, html, ask_teacher=teacher)


def find(config: Path, as_json: bool, html: Path | None, *, ask_teacher: bool) -> None:
    """Check, and print what was found."""
    from app.cli.run_folder import read_config

    loaded = read_config(config)
    if html:
        refuse_other_file(html)
    # these take seconds to load, and a faulty config needs none of them
    from app.compare.single import document, over_budget, plan_of
    from app.prepare.checks.check import check_config
    from trainer.artifacts import write_text

    checked = check_config(loaded, lambda text: say(text, err=True), ask_teacher=ask_teacher)
    report, planned = checked.report, plan_of(loaded, checked)
    report.findings += over_budget(loaded, planned)
    if html:
        from app.cli.check_page import render_check

        write_text(html, render_check(report, planned))
    if as_json:
        typer.echo(json.dumps(document(report, planned), ensure_ascii=False))
    else:
        for line in lines_of(report, planned):
            say(line)
    if report.faults:
        raise SystemExit(FAULTY)


def refuse_other_file(path: Path) -> None:
    """Refuse to write the page over something that is no page, or into a folder that is not there.

    Raises:
        PadaError: the file is something else.
    """
    if not path.parent.is_dir():
        raise PadaError(f"--html: there is no folder {path.parent}.")
    if path.exists() and not (path.is_file() and is_page(path)):
        raise PadaError(f"--html: {path} is there and is no page. Choose another name.")


def is_page(path: Path) -> bool:
    """Whether a file begins as our pages do."""
    with path.open("rb") as file:
        return file.read(15).lower() == b"<!doctype html>"


def lines_of(report: CheckReport, planned: Planned | None) -> Iterator[str]:
    """The report as text."""
    from app.cli.check_teacher import teacher_lines
    from app.report.wording import percent

    yield f"Task: {report.task}"
    for split, facts in report.splits.items():
        yield from split_lines(split, facts)
    for split, shows in report.shows.items():
        rows = report.splits[split].rows
        yield f"{rows:,} {split} rows show a true difference of {percent(shows.value)} or more with a power of 80 %."
    if report.memory:
        free = (
            f" of {report.memory.available / 2**30:.1f} GiB that are free" if report.memory.available else ""
        )
        yield f"Memory: training takes about {report.memory.needed / 2**30:.1f} GiB{free} on this {report.memory.device}."
    if planned:
        price = "at an unknown price" if planned.usd is None else f"for about ${planned.usd:,.2f}"
        yield (
            f"Plan: {planned.rows:,} new rows from at most {planned.calls:,} teacher calls ({planned.most_calls:,} if every "
            f"batch needs all its attempts), {planned.tokens:,} tokens {price}."
        )
    yield from teacher_lines(report.teacher or [])
    for finding in report.findings:
        yield ""
        yield from finding_lines(finding)
    yield ""
    yield conclusion(report)


def split_lines(split: str, facts: SplitFacts) -> Iterator[str]:
    """Rows, lengths and labels of a split."""
    lengths = ""
    if facts.lengths:
        lengths = f", {facts.lengths.median:,} tokens in the median, {facts.lengths.longest:,} at most"
    yield f"{split}: {facts.rows:,} rows{lengths} ({facts.file})"
    if facts.labels:
        counts = sorted(facts.labels.items(), key=lambda item: (-item[1], item[0]))
        shown = "; ".join(f"{label} ({count:,})" for label, count in counts[:LABELS])
        more = f"; and {len(counts) - LABELS:,} more" if len(counts) > LABELS else ""
        yield f"  {shown}{more}"


def finding_lines(finding: Finding) -> Iterator[str]:
    """A finding with its first rows."""
    count = f" ({finding.count:,})" if finding.places and finding.count > 1 else ""
    yield f"{finding.level}: {finding.message}{count}"
    places = [place for place in finding.places if place.line or place.detail]
    for place in places[:SHOWN]:
        where = f"{place.file}:{place.line}" if place.line else place.file
        yield f"  {where}{': ' + place.detail if place.detail else ''}"
    if len(places) > SHOWN:
        yield f"  and {finding.count - SHOWN:,} more (`--json` has them)"


def conclusion(report: CheckReport) -> str:
    """One sentence."""
    counts = {level: sum(each.level == level for each in report.findings) for level in ("fault", "warning")}
    warnings = f"{counts['warning']} warning{'s' * (counts['warning'] != 1)}"
    if report.faults:
        return f"A run would stop: {counts['fault']} fault{'s' * (counts['fault'] != 1)}, {warnings}."
    return f"A run can start: no faults, {warnings}."
