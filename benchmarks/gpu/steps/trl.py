"""TRL's SFTTrainer with its best settings against the trainer: same model, same rows, one process, one after the other.

The global batch has the same number of rows, or of tokens where rows are packed. `wrapped` packing lets rows see
each other, which is fast and wrong; it is here so that TRL's fastest is among them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import training_file
from benchmarks.gpu.training_run import (
    BASE,
    SEED,
    WARM_UP,
    encoded,
    figures,
    planned,
    release,
    spec_for,
    train,
)
from trainer.data import Row
from trainer.model import load_model, load_tokenizer
from trainer.specs import StudentSpec

SHAPE = "large"

BLOCKS = {"full": 2048, "toy": 256}
"""Tokens of a packed sequence, by scale."""


@dataclass(frozen=True)
class Variant:
    """One way of setting up SFTTrainer."""

    packing: str | None = None
    """Its strategy; None pads batches of rows of like lengths."""
    liger: bool = False
    autocast: bool = False
    """A float32 adapter under bf16 autocast; else all is bf16."""


VARIANTS = {
    "packed (wrapped), Liger": Variant("wrapped", liger=True),
    "padded, Liger": Variant(liger=True),
    "padded": Variant(),
    "padded, Liger, autocast": Variant(liger=True, autocast=True),
    "packed (bfd), Liger": Variant("bfd", liger=True),
}


class Clock(TrainerCallback):  # type: ignore[misc]
    """The moments at which steps ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.time())


def run(check: Check) -> None:
    scale, rows = check.scale, training_file(check)
    size = check.figure("lora", "best_micro_batch", default=scale.micro_batches[0])
    batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.steps}
    ours = figures(check, SHAPE, train(check, "ours", rows, SHAPE, **batch))
    check.put("ours", value=ours)
    spec = spec_for(rows, check.model(SHAPE), check.folder("plan"), **batch)
    rates = {}
    for name, variant in VARIANTS.items():
        found = attempt(check, spec, variant, size)
        check.put("trl", name, value=found)
        if "tokens_per_second" in found:
            rates[name] = found["tokens_per_second"]
    best = max(rates, key=lambda name: rates[name])
    check.put("fastest_trl", value=best)
    check.put("times_trl", value=ours["tokens_per_second"] / rates[best])


def attempt(check: Check, spec: Any, variant: Variant, size: int) -> dict[str, Any]:
    """One variant; its micro-batch is halved until it fits, and an error is written instead of a rate."""
    while size:
        release()
        AcceleratorState._reset_state(reset_partial_state=True)  # autocast is set once for a process
        try:
            return train_trl(check, spec, variant, size)
        except torch.OutOfMemoryError:
            size //= 2
        except Exception as error:
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    return {"error": "out of memory with one row"}


def train_trl(check: Check, spec: Any, variant: Variant, size: int) -> dict[str, Any]:
    """Tokens per second of the steps after the warm-up."""
    plan = planned(spec)
    ordered = [row for batch in plan for row in batch]
    mean = sum(row.length for row in ordered) / len(ordered)
    block = BLOCKS[check.scale.name]
    if variant.packing:
        # 'bfd' makes one sequence of all blocks of a batch, whose mask grows with its square: one block at a time
        size = 1 if variant.packing == "bfd" else max(1, round(size * mean / block))
        steps_rows = max(size, round(check.scale.batch_size * mean / block))
    else:
        steps_rows = check.scale.batch_size
    clock = Clock()
    trainer = SFTTrainer(
        model=student(check, variant),
        processing_class=load_tokenizer(StudentSpec(model=spec.student.model)),
        train_dataset=dataset(ordered if not variant.packing else encoded(spec.train[0], spec.student.model)),
        args=SFTConfig(**settings(check, variant, size, max(1, steps_rows // size), len(plan))),
        callbacks=[clock],
    )
    trainer.train()
    seen = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    loss = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    seconds = clock.times[-1] - clock.times[WARM_UP - 1]
    return {
        "tokens_per_second": (seen[len(clock.times) - 1] - seen[WARM_UP - 1]) / seconds,
        "micro_batch_size": size,
        "accumulation": max(1, steps_rows // size),
        "attention": trainer.model.config._attn_implementation,
        "timed_steps": len(clock.times) - WARM_UP,
        "memory_mb": torch.cuda.max_memory_allocated() / 2**20 if check.on_gpu else None,
        "loss": loss,
    }


def student(check: Check, variant: Variant) -> Any:
    """The student with our first adapter."""
    torch.manual_seed(SEED)
    spec = StudentSpec.model_validate(BASE | {"model": str(check.model(SHAPE))})
    model = load_model(spec, trainable=True, dtype=torch.bfloat16)
    for parameter in model.parameters():
        if parameter.requires_grad and variant.autocast:
            parameter.data = parameter.data.float()
    return model


def dataset(rows: list[Row]) -> Dataset:
    """Rows in tokens, with a loss on completions alone."""
    return Dataset.from_list(
        [
            {
                "input_ids": row.prompt + row.completion,
                "completion_mask": [0] * len(row.prompt) + [1] * len(row.completion),
            }
            for row in rows
        ]
    )


def settings(check: Check, variant: Variant, size: int, accumulation: int, steps: int) -> dict[str, Any]:
    """SFTConfig's arguments."""
    output: Path = check.folder("trl")
    return {
        "output_dir": str(output),
        "use_cpu": not check.on_gpu,
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": accumulation,
        "max_steps": steps,
        "learning_rate": BASE["learning_rate"],
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch_fused",
        "bf16": variant.autocast,
        "gradient_checkpointing": False,
        "completion_only_loss": True,
        "packing": variant.packing is not None,
        "packing_strategy": variant.packing or "bfd",
        "max_length": BLOCKS[check.scale.name],
        "train_sampling_strategy": "sequential",
        "use_liger_kernel": variant.liger and check.on_gpu,  # its kernels need a GPU
        "dataloader_pin_memory": check.on_gpu,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
    }
