"""Token lengths of rows as the trainer sees them: `python -m trainer.lengths SPEC.json`, without loading the student.

It goes the trainer's own way, so a tokenizer or a template that fails there fails here, before minutes are spent.
"""

from __future__ import annotations

import sys
from typing import Any

from trainer.artifacts import write_json
from trainer.chat import ControlTokens
from trainer.data import Encoder, Row, UnwritableRowError, reply_limit
from trainer.data_files import DataError, read_examples, read_prompts
from trainer.fitting import cut, free_bytes
from trainer.length_spec import LengthReport, LengthSpec
from trainer.memory import count_parameters, estimate
from trainer.model import load_tokenizer
from trainer.precision import pick_device, pick_dtype
from trainer.program import run_spec
from trainer.records import Example
from trainer.specs import StudentSpec
from trainer.tasks import add_task_folder, load_task
from trainer.weights import ModelError, read_config, resolve_model


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code (see docs/guides/trainer.md)."""
    return run_spec("lengths", LengthSpec, report, (DataError, ModelError, OSError), arguments)


def report(spec: LengthSpec) -> None:
    """Measure, and write what was found to the spec's output."""
    write_json(spec.output, measure(spec))


def measure(spec: LengthSpec) -> LengthReport:
    """Tokenise all rows.

    Raises:
        ModelError: the student's tokenizer cannot be used.
    """
    if spec.task_folder:
        add_task_folder(spec.task_folder)
    examples = {split: read_examples(path) for split, path in spec.files.items()}
    if spec.unlabeled:
        examples["unlabeled"] = read_prompts(spec.unlabeled)
    task = load_task(spec.task, examples["train"])
    tokenizer = load_tokenizer(spec.student)
    encoder = Encoder(task, tokenizer, spec.student)
    prompt: dict[str, list[int]] = {}
    completion: dict[str, list[int]] = {}
    unwritable: dict[str, dict[str, str]] = {split: {} for split in examples}
    longest: list[Row] = []
    generated = True
    for split, rows in examples.items():
        prompt[split], completion[split] = [], []
        for example in rows:
            try:
                row = encoder.row(example)
                generated = row.choices is None
            except UnwritableRowError as error:
                unwritable[split][example.id] = error.reason
                row = Row(example.id, [], [])
            prompt[split].append(len(row.prompt))
            completion[split].append(len(row.completion))
            if split == "train" and 0 < row.length <= spec.student.max_length:
                longest = sorted([*longest, row], key=lambda each: -each.length)[: spec.student.batch_size]
    device = pick_device()
    return LengthReport(
        prompt=prompt,
        completion=completion,
        unwritable=unwritable,
        special={split: with_control_tokens(rows, encoder) for split, rows in examples.items()},
        reply_limit=reply_limit(task, spec.student),
        generated=generated,
        chat=encoder.chat,
        memory=training_memory(spec.student, longest, device) if longest else 0,
        available=free_bytes(device),
        device=device.type,
    )


def training_memory(student: StudentSpec, longest: list[Row], device: Any) -> int:
    """Bytes that training on these rows at once takes."""
    source = resolve_model(student.model, weights=False)
    config = read_config(source)
    size = student.micro_batch_size or student.batch_size
    tokens, width, labels = cut(longest[:size], config, student)
    found = estimate(
        config,
        student,
        tokens,
        labels=labels,
        width=width,
        dtype=str(pick_dtype(student, device)).removeprefix("torch."),
        device=device.type,
        parameters=count_parameters(source),
    )
    return found.training


def with_control_tokens(rows: list[Example], encoder: Encoder) -> list[str]:
    """Ids of rows whose text spells a token that controls the student. An answer may have those of its reasoning."""
    special = ControlTokens.of(encoder.tokenizer)
    return [
        row.id
        for row in rows
        if special.spelt_in(row.completion) or any(map(encoder.control.spelt_in, asked_texts(row)))
    ]


def asked_texts(row: Example) -> list[str]:
    """All that a student is asked in a row."""
    return [row.prompt, *(turn.content for turn in row.messages or [])]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
