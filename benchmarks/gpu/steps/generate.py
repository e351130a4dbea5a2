"""Greedy replies: the product's predictions against a plain `generate` loop and transformers' `generate_batch`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import training_rows
from benchmarks.gpu.training_run import release
from trainer.data import Encoder, stop_tokens
from trainer.data_files import read_examples
from trainer.model import load_tokenizer, pick_device
from trainer.predict import predict
from trainer.progress import ProgressLog
from trainer.specs import PredictSpec, StudentSpec
from trainer.tasks import load_task

SHAPE = "large"
PLAIN_BATCH = 8
"""What people write."""

Answers = list[list[int]]


def run(check: Check) -> None:
    scale = check.scale
    rows = check.file("prompts.jsonl", training_rows(scale.prompts, scale.asked_words, (1, 1)))
    few = check.file("few.jsonl", training_rows(scale.few_prompts, scale.asked_words, (1, 1)))
    prompts = tokens_of(check, rows)
    check.put("prompt_tokens", value=[min(map(len, prompts)), max(map(len, prompts))])
    low = "bfloat16" if check.on_gpu else "float32"
    answers: dict[str, Answers] = {}
    for size in scale.predict_batches:
        name = f"ours, batches of {size}"
        measure(check, name, len(prompts), lambda size=size: ours(check, rows, low, size), answers)
    model = plain_model(check, low)
    count = scale.few_prompts
    measure(
        check,
        "plain, batches of 8",
        count,
        lambda: plain(check, model, prompts[:count], PLAIN_BATCH),
        answers,
    )
    measure(check, "plain, batches of 64", len(prompts), lambda: plain(check, model, prompts, 64), answers)
    del model
    release()
    measure(check, "generate_batch", len(prompts), lambda: continuous(check, low, prompts), answers)
    compare(check, answers)
    del answers
    release()
    exact(check, few, prompts[:count])


def measure(
    check: Check,
    name: str,
    count: int,
    answer: Callable[[], tuple[float, Answers]],
    answers: dict[str, Answers],
) -> None:
    """Run one contender; an error is written instead of a rate."""
    try:
        seconds, answers[name] = answer()
    except Exception as error:
        check.put("contenders", name, value={"error": f"{type(error).__name__}: {str(error)[:300]}"})
        return
    check.put(
        "contenders",
        name,
        value={
            "prompts": count,
            "seconds": seconds,
            "prompts_per_second": count / seconds,
            "tokens_per_second": sum(map(len, answers[name])) / seconds,
        },
    )


def compare(check: Check, answers: dict[str, Answers]) -> None:
    """Ratios of our fastest to every other, and how alike the answers are."""
    rates = {name: check.figure("generate", "contenders", name, "prompts_per_second") for name in answers}
    own = {name: rate for name, rate in rates.items() if name.startswith("ours")}
    best = max(own, key=lambda name: own[name])
    check.put("fastest", value=best)
    for name in answers:
        if name not in own:
            check.put("times", name, value=rates[best] / rates[name])
            check.put("agreement", name, value=agreement(answers[best], answers[name]))


def exact(check: Check, few: Path, prompts: Answers) -> None:
    """In float32 rounding hides nothing: the same answers as the plain loop."""
    reference = plain(check, plain_model(check, "float32"), prompts, PLAIN_BATCH)[1]
    release()
    check.put("agreement", "float32, plain", value=agreement(ours(check, few, "float32", 64)[1], reference))


def agreement(ours: Sequence[list[int]], theirs: Sequence[list[int]]) -> dict[str, float]:
    """Shares of equal answers, of equal first tokens, and of the tokens before the first that differs."""
    pairs = list(zip(ours, theirs, strict=False))
    same = [
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*pair, strict=False))) for pair in pairs
    ]
    longest = [max(1, len(one), len(other)) for one, other in pairs]
    return {
        "prompts": len(pairs),
        "equal": sum(one == other for one, other in pairs) / len(pairs),
        "first_token": sum(one[:1] == other[:1] for one, other in pairs) / len(pairs),
        "until_first_difference": sum(map(float.__truediv__, map(float, same), map(float, longest)))
        / len(pairs),
    }


def student_spec(check: Check, **more: Any) -> StudentSpec:
    """The student of all contenders."""
    return StudentSpec.model_validate(
        {"model": str(check.model(SHAPE)), "max_new_tokens": check.scale.new_tokens} | more
    )


def tokens_of(check: Check, rows: Path) -> Answers:
    """The prompts in tokens, as the product writes them."""
    student = student_spec(check)
    encoder = Encoder(load_task("exact_match"), load_tokenizer(student), student)
    return [row.prompt for row in encoder.rows(read_examples(rows))]


def ours(check: Check, rows: Path, dtype: str, size: int) -> tuple[float, Answers]:
    """Seconds of the prediction, loading not counted, and the replies in tokens of their text."""
    release()
    output = check.folder("ours")
    spec = PredictSpec.model_validate(
        {
            "task": "exact_match",
            "student": student_spec(check, dtype=dtype, predict_batch_size=size),
            "output": output,
            "predict": [{"name": "prompts", "rows": rows, "output": output / "answers.jsonl"}],
        }
    )
    report = predict(spec, ProgressLog(output / "progress.jsonl"))
    lines = (output / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    tokenizer = load_tokenizer(spec.student)
    return report.seconds["predict"], [words(tokenizer, json.loads(line)["text"]) for line in lines]


def words(tokenizer: Any, text: str) -> list[int]:
    """A reply's text in tokens again: all contenders are compared in this form."""
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def plain_model(check: Check, dtype: str, **more: Any) -> Any:
    """The student as `from_pretrained` gives it."""
    release()
    model = AutoModelForCausalLM.from_pretrained(check.model(SHAPE), dtype=getattr(torch, dtype), **more)
    return model.to(pick_device()).eval()


@torch.inference_mode()
def plain(check: Check, model: Any, prompts: Answers, size: int) -> tuple[float, Answers]:
    """Batches in the order of the file, padded on the left."""
    student = student_spec(check)
    tokenizer = load_tokenizer(student)
    tokenizer.padding_side = "left"
    stops = stop_tokens(tokenizer, student)
    answers: Answers = []
    began = time.perf_counter()
    for start in range(0, len(prompts), size):
        inputs = tokenizer.pad({"input_ids": prompts[start : start + size]}, return_tensors="pt").to(
            model.device
        )
        out = model.generate(
            **inputs,
            max_new_tokens=check.scale.new_tokens,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=tokenizer.pad_token_id,
        )
        texts = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answers += [words(tokenizer, text) for text in texts]
    return time.perf_counter() - began, answers


def continuous(check: Check, dtype: str, prompts: Answers) -> tuple[float, Answers]:
    """Continuous batching with paged attention; the first few prompts warm it up."""
    student = student_spec(check)
    tokenizer = load_tokenizer(student)
    model = plain_model(check, dtype, attn_implementation="paged|sdpa")
    config = GenerationConfig(
        max_new_tokens=check.scale.new_tokens,
        do_sample=False,
        eos_token_id=stop_tokens(tokenizer, student),
        pad_token_id=tokenizer.pad_token_id,
    )
    model.generate_batch(inputs=prompts[:PLAIN_BATCH], generation_config=config)
    began = time.perf_counter()
    found = model.generate_batch(inputs=prompts, generation_config=config)
    seconds = time.perf_counter() - began
    if len(found) < len(prompts):
        raise RuntimeError(f"{len(prompts) - len(found)} of {len(prompts)} prompts were not answered")
    texts = [tokenizer.decode(each.generated_tokens, skip_special_tokens=True) for each in found.values()]
    return seconds, [words(tokenizer, text) for text in texts]
