"""Choice scoring: the product's predictions against a loop that scores the choices of one question at a time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import questions
from benchmarks.gpu.steps.generate import plain_model, student_spec
from benchmarks.gpu.training_run import release
from trainer.data import Encoder, Row
from trainer.data_files import read_examples
from trainer.model import load_tokenizer
from trainer.predict import predict
from trainer.progress import ProgressLog
from trainer.specs import PredictSpec
from trainer.tasks import load_task

TASK = "multiple_choice_loglikelihood"


def run(check: Check) -> None:
    scale = check.scale
    made = questions(scale.questions, scale.asked_words)
    rows = check.file("questions.jsonl", made)
    few = check.file("few.jsonl", made[: scale.few_questions])
    low = "bfloat16" if check.on_gpu else "float32"
    seconds, scores = ours(check, rows, low)
    check.put("ours", value={"questions": len(made), "questions_per_second": len(made) / seconds})
    plain_seconds, reference = plain(check, few, low)
    check.put(
        "plain", value={"questions": len(reference), "questions_per_second": len(reference) / plain_seconds}
    )
    check.put("times_plain", value=(len(made) / seconds) / (len(reference) / plain_seconds))
    check.put("agreement", low, value=agreement(scores, reference))
    exact = ours(check, few, "float32")[1]
    check.put("agreement", "float32", value=agreement(exact, plain(check, few, "float32")[1]))


def ours(check: Check, rows: Path, dtype: str) -> tuple[float, list[list[float]]]:
    """Seconds of the prediction, and the log-probabilities of each question's choices."""
    release()
    output = check.folder("ours")
    spec = PredictSpec.model_validate(
        {
            "task": TASK,
            "student": student_spec(check, dtype=dtype),
            "train": [rows],
            "output": output,
            "predict": [{"name": "questions", "rows": rows, "output": output / "answers.jsonl"}],
        }
    )
    report = predict(spec, ProgressLog(output / "progress.jsonl"))
    lines = (output / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return report.seconds["predict"], [json.loads(line)["choice_logprobs"] for line in lines]


def plain(check: Check, path: Path, dtype: str) -> tuple[float, list[list[float]]]:
    """One question at a time, its choices as one padded batch."""
    student = student_spec(check)
    encoder = Encoder(load_task(TASK, read_examples(path)), load_tokenizer(student), student)
    rows = encoder.rows(read_examples(path))
    model = plain_model(check, dtype)
    logprobs(model, rows[0])
    began = time.perf_counter()
    return_value = [logprobs(model, row) for row in rows]
    return time.perf_counter() - began, return_value


@torch.inference_mode()
def logprobs(model: Any, row: Row) -> list[float]:
    """Sum of the log-probabilities of each choice's tokens after the prompt."""
    choices = row.choices or []
    width = max(map(len, choices))
    tokens = [row.prompt + choice + [0] * (width - len(choice)) for choice in choices]
    logits = model(input_ids=torch.tensor(tokens, device=model.device)).logits[:, len(row.prompt) - 1 : -1]
    logs = logits.float().log_softmax(-1)
    return [
        logs[index, torch.arange(len(choice)), torch.tensor(choice)].double().sum().item()
        for index, choice in enumerate(choices)
    ]


def agreement(ours: list[list[float]], theirs: list[list[float]]) -> dict[str, float]:
    """Share of the same choice, and the largest difference of a log-probability (nats)."""
    pairs = list(zip(ours, theirs, strict=False))
    same = sum(one.index(max(one)) == other.index(max(other)) for one, other in pairs)
    apart = [abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True)]
    return {"questions": len(pairs), "same_choice": same / len(pairs), "largest_difference": max(apart)}
