"""Greedy replies: the product's predictions against a plain `generate` loop and transformers' `generate_batch`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

import torch
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.generation import ContinuousBatchingConfig

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import training_rows
from benchmarks.gpu.training_run import release
from trainer.data import Encoder, stop_tokens
from trainer.data_files import read_examples
from trainer.model import load_tokenizer
from trainer.precision import pick_device
from trainer.predict import predict
from trainer.progress import ProgressLog
from trainer.specs import PredictSpec, StudentSpec
from trainer.tasks import load_task

SHAPE = "large"
SMALL_BATCH, LARGE_BATCH = 8, 64
"""Of the plain loop: what people write, and a batch that fills a GPU better."""

Prompts = list[list[int]]


@dataclass(frozen=True)
class Replies:
    """What one contender answered, in the order of the prompts."""

    seconds: float
    """Loading not counted."""
    tokens: int
    texts: list[str]


def run(check: Check) -> None:
    scale = check.scale
    rows = check.file("prompts.jsonl", training_rows(scale.prompts, scale.asked_words, (1, 1)))
    least = scale.few_prompts // 4
    few = check.file("few.jsonl", training_rows(least, scale.asked_words, (1, 1)))
    prompts = tokens_of(check, rows)
    check.put("prompt_tokens", value=[min(map(len, prompts)), max(map(len, prompts))])
    low = "bfloat16" if check.on_gpu else "float32"
    compare(check, measured(check, rows, prompts, low))
    exact(check, few, prompts[:least])


def measured(check: Check, rows: Path, prompts: Prompts, dtype: str) -> dict[str, Replies]:
    """The replies of every contender that could answer; errors and rates are written."""
    few = prompts[: check.scale.few_prompts]
    warm_up(check, dtype, prompts)
    contenders: dict[str, Callable[[], Replies]] = {
        f"ours{label}, batches of {size}": partial(ours, check, rows, dtype, size, **engine)
        for label, engine in engines().items()
        for size in check.scale.predict_batches[: 1 if engine.get("engine") == "paged" else None]
    }
    contenders |= {
        f"plain, batches of {SMALL_BATCH}": lambda: plain(check, few, dtype, SMALL_BATCH),
        f"plain, batches of {LARGE_BATCH}": lambda: plain(check, prompts, dtype, LARGE_BATCH),
        "generate_batch": lambda: continuous(check, prompts, dtype),
    }
    found = {}
    for name, answer in contenders.items():
        release()
        try:
            found[name] = answer()
        except Exception as error:
            message = " ".join(str(error).split())[:300]
            check.put("contenders", name, value={"error": f"{type(error).__name__}: {message}"})
        else:
            check.put("contenders", name, value=rates(found[name]))
    return found


def engines() -> dict[str, dict[str, str]]:
    """What `student.engine` may name, by a label; vLLM is a server of its own, which does not travel."""
    field = StudentSpec.model_fields.get("engine")
    names = [name for name in get_args(field.annotation) if name not in ("auto", "vllm")] if field else []
    return {f" ({name})": {"engine": name} for name in names} or {"": {}}


def rates(replies: Replies) -> dict[str, float]:
    """What is written of one contender."""
    return {
        "prompts": len(replies.texts),
        "seconds": replies.seconds,
        "prompts_per_second": len(replies.texts) / replies.seconds,
        "tokens_per_second": replies.tokens / replies.seconds,
    }


def compare(check: Check, found: dict[str, Replies]) -> None:
    """Ratios of our fastest to every other, and how alike the answers are.

    Raises:
        RuntimeError: there is nothing of ours to compare; the errors are written.
    """
    rate = {name: rates(replies)["prompts_per_second"] for name, replies in found.items()}
    own = [name for name in rate if name.startswith("ours")]
    if not own:
        raise RuntimeError(f"our predictions failed: {check.figure('generate', 'contenders')}")
    best = max(own, key=lambda name: rate[name])
    check.put("fastest", value=best)
    for name in found:
        if not name.startswith("ours"):
            check.put("times", name, value=rate[best] / rate[name])
            check.put("agreement", name, value=agreement(found[best].texts, found[name].texts))


def exact(check: Check, few: Path, prompts: Prompts) -> None:
    """In float32 rounding hides nothing: the same answers as the plain loop."""
    reference = plain(check, prompts, "float32", SMALL_BATCH)
    found = ours(check, few, "float32", LARGE_BATCH)
    check.put("agreement", "float32, plain", value=agreement(found.texts, reference.texts))


def agreement(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, float]:
    """Share of equal answers, and the mean share of an answer before the first character that differs."""
    pairs = list(zip(ours, theirs, strict=False))
    same = [
        sum(1 for _ in takewhile(lambda each: each[0] == each[1], zip(*pair, strict=False))) for pair in pairs
    ]
    shares = [length / max(1, *map(len, pair)) for length, pair in zip(same, pairs, strict=True)]
    equal = sum(one == other for one, other in pairs)
    return {
        "prompts": len(pairs),
        "equal": equal / len(pairs),
        "until_first_difference": sum(shares) / len(pairs),
    }


def warm_up(check: Check, dtype: str, prompts: Prompts) -> None:
    """Load the kernels of all contenders: a process's first products take seconds."""
    few = check.file("warm-up.jsonl", training_rows(SMALL_BATCH, check.scale.asked_words, (1, 1)))
    ours(check, few, dtype, SMALL_BATCH)
    plain(check, prompts[:SMALL_BATCH], dtype, SMALL_BATCH)


def student_spec(check: Check, **more: Any) -> StudentSpec:
    """The student of all contenders."""
    return StudentSpec.model_validate(
        {"model": str(check.model(SHAPE)), "max_new_tokens": check.scale.new_tokens} | more
    )


def tokens_of(check: Check, rows: Path) -> Prompts:
    """The prompts in tokens, as the product writes them."""
    student = student_spec(check)
    encoder = Encoder(load_task("exact_match"), load_tokenizer(student), student)
    return [row.prompt for row in encoder.rows(read_examples(rows))]


def ours(check: Check, rows: Path, dtype: str, size: int, **student: str) -> Replies:
    """The product's own predictions."""
    release()
    output = check.folder("ours")
    spec = PredictSpec.model_validate(
        {
            "task": "exact_match",
            "student": student_spec(check, dtype=dtype, predict_batch_size=size, **student),
            "output": output,
            "predict": [{"name": "prompts", "rows": rows, "output": output / "answers.jsonl"}],
        }
    )
    report = predict(spec, ProgressLog(output / "progress.jsonl"))
    lines = (output / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    return Replies(report.seconds["predict"], report.generated_tokens, texts)


def plain_model(check: Check, dtype: str, **more: Any) -> Any:
    """The student as `from_pretrained` gives it."""
    release()
    model = AutoModelForCausalLM.from_pretrained(check.model(SHAPE), dtype=getattr(torch, dtype), **more)
    return model.to(pick_device()).eval()


def generation_config(check: Check, tokenizer: Any) -> GenerationConfig:
    """Greedy, with the product's stop tokens."""
    return GenerationConfig(
        max_new_tokens=check.scale.new_tokens,
        do_sample=False,
        eos_token_id=stop_tokens(tokenizer, student_spec(check)),
        pad_token_id=tokenizer.pad_token_id,
    )


@torch.inference_mode()
def plain(check: Check, prompts: Prompts, dtype: str, size: int) -> Replies:
    """`generate` on batches in the order of the file, padded on the left."""
    model = plain_model(check, dtype)
    tokenizer = load_tokenizer(student_spec(check))
    tokenizer.padding_side = "left"
    config = generation_config(check, tokenizer)
    texts: list[str] = []
    tokens = 0
    began = time.perf_counter()
    for start in range(0, len(prompts), size):
        batch = tokenizer.pad({"input_ids": prompts[start : start + size]}, return_tensors="pt").to(
            model.device
        )
        out = model.generate(**batch, generation_config=config)[:, batch["input_ids"].shape[1] :]
        texts += tokenizer.batch_decode(out, skip_special_tokens=True)
        tokens += int((out != tokenizer.pad_token_id).sum())
    return Replies(time.perf_counter() - began, tokens, texts)


def continuous(check: Check, prompts: Prompts, dtype: str) -> Replies:
    """Continuous batching with paged attention, from the start of the first request to the end of the last.

    What it does before, sizing its cache and capturing CUDA graphs, is not counted: a server does it once.
    """
    model = plain_model(check, dtype, attn_implementation="paged|sdpa")
    tokenizer = load_tokenizer(student_spec(check))
    config = generation_config(check, tokenizer)
    # On a GPU it sizes its cache by the memory there is, and on a CPU that takes most of the time.
    toy = ContinuousBatchingConfig(block_size=32, num_blocks=128, max_batch_tokens=256)
    options = {"generation_config": config, "continuous_batching_config": None if check.on_gpu else toy}
    found = model.generate_batch(inputs=prompts, **options)
    if len(found) < len(prompts):
        raise RuntimeError(f"{len(prompts) - len(found)} of {len(prompts)} prompts were not answered")
    starts, ends = zip(*(each.lifespan for each in found.values()), strict=True)
    replies = [each.generated_tokens for each in found.values()]
    texts = [tokenizer.decode(reply, skip_special_tokens=True) for reply in replies]
    return Replies(max(ends) - min(starts), sum(map(len, replies)), texts)
