"""The whole check of a config and its rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.config.data import split_files
from app.config.named_models import missing_student
from app.config.run_config import RunConfig
from app.config.splits import SPLITS, UNLABELED
from app.config.tracker_packages import missing_trackers
from app.prepare.checks.embedder import check_embedder
from app.prepare.checks.findings import CheckReport, Finding, SplitFacts
from app.prepare.checks.json_form import check_json_form
from app.prepare.checks.lengths import check_lengths
from app.prepare.checks.private import check_private
from app.prepare.checks.rows import (
    Rows,
    check_answers,
    check_ids,
    check_labels,
    check_prompts,
    check_references,
    check_sizes,
    check_systems,
    read_rows,
)
from app.prepare.checks.similar import check_near
from app.prepare.checks.suspects import check_suspects
from app.prepare.checks.teacher import check_teacher, try_teacher
from app.prepare.checks.unlabeled import read_unlabeled_rows
from app.settings import Settings
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.run_paths import RunPaths
from trainer.data_files import DataError
from trainer.records import Example
from trainer.tasks import load_task

LEVELS = ("fault", "warning", "note")


@dataclass(frozen=True)
class Checked:
    """A config that was checked."""

    report: CheckReport
    train: list[Example]
    """The train rows that can be used."""


def check_config(
    config: RunConfig, say: Callable[[str], None] = lambda _: None, *, ask_teacher: bool = False
) -> Checked:
    """Everything that can be known of a config before it runs. It trains nothing.

    Args:
        say: is told what is looked at, because lengths take seconds.
        ask_teacher: also send a small call for each part of the teacher.
    """
    say("Comparing the rows ...")
    report, rows = check_rows(config)
    if fault := missing_student(config):
        report.findings.append(Finding(level="fault", code="student", message=fault, count=1))
    elif all(rows.get(split) for split in SPLITS):
        say("Counting tokens ...")
        report.findings += check_lengths(config, rows, report)
    train = [row.example for row in rows.get("train", [])]
    if fault := missing_trackers(config):
        report.findings.append(Finding(level="fault", code="track", message=fault, count=1))
    prices = Settings().prices
    lacking = check_teacher(config, os.environ, prices)
    report.findings += lacking + check_embedder(config, rows)
    if ask_teacher and not lacking:
        report.teacher, found = try_teacher(config, train, os.environ, prices, say)
        report.findings += found
    report.findings.sort(key=lambda each: LEVELS.index(each.level))
    return Checked(report, train)


def check_rows(config: RunConfig) -> tuple[CheckReport, Rows]:
    """All that can be known of the rows without the student; and the rows that can be used."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            task = load_task(config.task)
            files = split_files(config.data, config.task, config.seed, RunPaths(Path(folder)))
        except DataError as error:
            fault = Finding(level="fault", code="file", message=str(error), count=1)
            return CheckReport(task=config.task, splits={}, findings=[fault]), {}
        sources: dict[str, Path] = {str(split): path for split, path in files.items()}
        rows, found = read_rows(task, sources)
    try:
        task = load_task(config.task, [row.example for row in rows["train"]])
    except DataError as error:
        found.append(Finding(level="fault", code="task", message=str(error), count=1))
    found += check_sizes(rows) + check_ids(rows) + check_prompts(rows) + check_systems(rows)
    found += check_answers(rows) + check_references(rows, task) + check_json_form(rows, task)
    found += check_labels(rows, task)
    found += check_near(rows)
    if config.data.unlabeled:
        sources[UNLABELED] = config.data.unlabeled
        rows[UNLABELED], faults = read_unlabeled_rows(task, config.data.unlabeled, rows)
        found += faults
    found += check_private(rows) + check_suspects(rows, task)
    splits = {name: SplitFacts(file=str(path), rows=len(rows[name])) for name, path in sources.items()}
    report = CheckReport(task=config.task, splits=splits, findings=found)
    fill_in(report, rows, task.stratify_key)
    return report, rows


def fill_in(report: CheckReport, rows: Rows, label_of: Callable[..., str]) -> None:
    """Labels by split, and what validation and test can show."""
    for split in SPLITS:
        facts = report.splits[split]
        for row in rows[split]:
            if label := label_of(row.example):
                facts.labels[label] = facts.labels.get(label, 0) + 1
        if split != "train" and facts.rows:
            report.shows[split] = minimal_detectable_effect(facts.rows)
