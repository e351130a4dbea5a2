"""Lengths in tokens, by the trainer's own encoder in a process of its own, and what does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.config.run_config import RunConfig
from app.config.splits import SPLITS, UNLABELED
from app.prepare.checks.findings import CheckReport, Finding, Lengths, Memory, finding
from app.prepare.checks.rows import Rows
from trainer.artifacts import read_model, write_json, write_jsonl
from trainer.length_spec import LengthReport, LengthSpec
from trainer.specs import StudentSpec

BINS = 20
"""Bars of a histogram."""
CONSEQUENCES = {"train": "are left out", UNLABELED: "are never chosen"}
"""What becomes of rows that are too long."""


def check_lengths(config: RunConfig, rows: Rows, report: CheckReport) -> list[Finding]:
    """Tokenise all rows, and say what is too long. Lengths and memory go into the report."""
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(config, rows, Path(folder))
    if isinstance(measured, str):
        return [Finding(level="fault", code="student", message=f"student.model: {measured}", count=1)]
    student = config.student
    found: list[Finding] = []
    for split in measured.prompt:
        report.splits[split].lengths = lengths_of(measured, split, student)
        found += too_long(measured, rows, split, student)
        found += unwritable(measured, rows, split)
        found += special_tokens(measured, rows, split)
    report.memory = Memory(device=measured.device, needed=measured.memory, available=measured.available)
    return [*found, *too_large(report.memory)]


def measure(config: RunConfig, rows: Rows, folder: Path) -> LengthReport | str:
    """What the trainer counts; a text where it cannot, which says why."""
    names = [*SPLITS, *([UNLABELED] if rows.get(UNLABELED) else [])]
    files = {name: folder / f"{name}.jsonl" for name in names}
    for name, path in files.items():
        write_jsonl(path, [row.example for row in rows[name]])
    unlabeled = files.pop(UNLABELED, None)
    spec = LengthSpec(
        task=config.task,
        task_folder=config.task_folder,
        student=config.student,
        files=files,
        unlabeled=unlabeled,
        output=folder / "lengths.json",
    )
    write_json(folder / "spec.json", spec)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "trainer.lengths", str(folder / "spec.json")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["the trainer said nothing"])[-1]
    return read_model(LengthReport, spec.output)


def lengths_of(measured: LengthReport, split: str, student: StudentSpec) -> Lengths:
    """The lengths of a split in numbers."""
    tokens = whole(measured, split)
    edges = np.unique(np.linspace(tokens.min(), tokens.max() + 1, BINS + 1).astype(int))
    counts, _ = np.histogram(tokens, edges)
    return Lengths(
        median=int(np.median(tokens)),
        longest=int(tokens.max()),
        over=int((tokens > student.max_length).sum()),
        histogram=list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)),
    )


def whole(measured: LengthReport, split: str) -> NDArray[np.int64]:
    """Tokens of each row, shape (rows,)."""
    pairs = zip(measured.prompt[split], measured.completion[split], strict=True)
    return np.array([prompt + completion for prompt, completion in pairs], dtype=np.int64)


def too_long(measured: LengthReport, rows: Rows, split: str, student: StudentSpec) -> list[Finding]:
    """Rows that are left out, and answers that the student cannot give."""
    over = [
        row.place(f"{tokens:,} tokens")
        for row, tokens in zip(rows[split], whole(measured, split).tolist(), strict=True)
        if tokens > student.max_length
    ]
    what = CONSEQUENCES.get(split, "count as wrong without an answer")
    found = finding(
        "fault" if split == "train" and len(over) == len(rows[split]) else "warning",
        "over_long",
        f"Rows of {split} {what}: they are longer than `student.max_length` ({student.max_length:,} tokens). Raise it.",
        over,
    )
    if measured.generated and split != UNLABELED:
        # the token that ends a reply does not count against the limit
        cut = [
            row.place(f"{tokens - 1:,} tokens")
            for row, tokens in zip(rows[split], measured.completion[split], strict=True)
            if tokens - 1 > measured.reply_limit
        ]
        most = max(measured.completion[split], default=1) - 1
        found += finding(
            "warning",
            "cut_answer",
            f"Answers of {split} are longer than a reply may be ({measured.reply_limit:,} tokens), so they are never right. "
            f"Set `student.max_new_tokens` to {most:,} or more.",
            cut,
        )
    return found


def unwritable(measured: LengthReport, rows: Rows, split: str) -> list[Finding]:
    """Rows that the chat template refuses."""
    refused = measured.unwritable[split]
    return finding(
        "fault",
        "template",
        f"The student's chat template refuses rows of {split}. Change their turns, or set `student.template: plain`.",
        [row.place(refused[row.example.id]) for row in rows[split] if row.example.id in refused],
    )


def special_tokens(measured: LengthReport, rows: Rows, split: str) -> list[Finding]:
    """Rows that spell a special token as text."""
    named = set(measured.special[split])
    return finding(
        "warning",
        "special_token",
        f"Rows of {split} spell a token that controls the student, such as the one that ends a reply. Here it is text. A server "
        "that reads it as control, as chat servers of vLLM, Ollama and llama.cpp do, answers another prompt. Remove it unless "
        "it is meant.",
        [row.place() for row in rows[split] if row.example.id in named],
    )


def too_large(memory: Memory) -> list[Finding]:
    """A training that does not fit as it is configured; the trainer then takes smaller batches, if these fit."""
    if memory.available is None or memory.needed <= memory.available:
        return []
    message = (
        f"Training takes about {memory.needed / 2**30:.1f} GiB as configured, and {memory.available / 2**30:.1f} GiB are free "
        "here: it will take fewer rows at once. Lower `student.micro_batch_size` or `student.max_length`."
    )
    return [Finding(level="warning", code="memory", message=message, count=1)]
