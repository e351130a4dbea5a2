"""Training speed against TRL's SFTTrainer: same student, LoRA, rows and global batch; each in a process of its own.

`python benchmarks/training.py [--data FOLDER] [--rows N] [--student NAME] [--output FILE]`

`ours` is the trainer as it is. `trl defaults` is SFTTrainer as it comes. `trl tuned` has what makes it fastest on the
machine at hand: bf16 weights, no gradient checkpointing, batches of like lengths; several settings are tried and the
fastest counts. The tuned ones get our batches in our order and our first adapter, so that the loss curves compare
step by step. Rates leave out the first steps, in which threads and allocators settle.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import arguments, conditions, publish, read_rows, run_alone, write_rows

WARM_UP = 2
"""Steps that are not timed."""

BATCH = 8
SEED = 0
RATE = 2e-4

STUDENT: dict[str, Any] = {
    "epochs": 1.0,
    "batch_size": BATCH,
    "learning_rate": RATE,
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "lora": {"r": 16, "alpha": 32, "target_modules": "all-linear"},
}

TUNED = {
    "trl tuned (float32 adapter)": {"adapter": "float32", "autocast": False},
    "trl tuned (bf16 adapter)": {"adapter": "bfloat16", "autocast": False},
    "trl tuned (autocast)": {"adapter": "float32", "autocast": True},
}
"""Settings of SFTTrainer on bf16 weights."""

NAMES = ("Anna Berg", "Tom Reyes", "Li Wei", "Sara Khan", "Omar Diaz", "Nina Roth")
TIMES = ("7 pm", "half past eight", "noon", "18:30", "quarter to nine")
DATES = ("tomorrow", "next Friday", "the 3rd of May", "tonight", "on Sunday")
FORMS = (
    "A table for {people} {date} at {time} please, the name is {name}.",
    "Hi, this is {name}. Could we come {date}? There are {people} of us, around {time} would be best if you have it.",
    "{people} people, {time}.",
    "Do you have anything {date}?",
)


def synthetic(count: int) -> list[dict[str, str]]:
    """Requests for a table and their details as JSON, all behind one instruction."""
    draw = random.Random(SEED)
    rows = []
    for number in range(count):
        form = draw.choice(FORMS)
        slots = {
            "people": str(draw.randint(2, 9)),
            "date": draw.choice(DATES),
            "time": draw.choice(TIMES),
            "name": draw.choice(NAMES),
        }
        used = {key: value for key, value in slots.items() if f"{{{key}}}" in form}
        prompt = (
            "Extract the details of the booking from the message as a JSON object. Use only the keys date, time, "
            "people and name, copy the values from the message, and leave out keys that are not mentioned."
            f"\n\nMessage: {form.format(**slots)}"
        )
        rows.append({"id": f"booking-{number}", "prompt": prompt, "completion": json.dumps(used)})
    return rows


def train_ours(model: str, rows: Path, output: Path) -> dict[str, Any]:
    from trainer.finetune import finetune
    from trainer.progress import ProgressLog
    from trainer.specs import TrainSpec

    spec = TrainSpec.model_validate(
        {
            "task": "exact_match",
            "student": STUDENT | {"model": model},
            "train": [rows],
            "output": output,
            "seed": SEED,
        }
    )
    finetune(spec, ProgressLog(output / "progress.jsonl"))
    lines = [json.loads(line) for line in (output / "progress.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["stage"] == "train"]
    report = json.loads((output / "report.json").read_text())
    return {
        "times": [line["time"] for line in steps],
        "loss": [line["loss"] for line in steps],
        "memory_mb": max(line["memory_mb"] for line in steps),
        "dtype": report["dtype"],
    }


def train_trl(model: str, rows: Path, output: Path, settings: dict[str, Any] | None) -> dict[str, Any]:
    """SFTTrainer with `settings`, or as it comes when None."""
    import torch
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from trainer.progress import peak_memory_mb

    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.time())

    common = {
        "use_cpu": not torch.cuda.is_available(),
        "output_dir": str(output),
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 1,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": SEED,
        "disable_tqdm": True,
    }
    if settings is None:
        arguments = default_arguments(model, rows)
        config = SFTConfig(**common)
    else:
        arguments = tuned_arguments(model, rows, settings)
        config = SFTConfig(
            **common,
            bf16=settings["autocast"],
            gradient_checkpointing=False,
            completion_only_loss=True,
            train_sampling_strategy="sequential",
        )
    trainer = SFTTrainer(args=config, callbacks=[Clock()], **arguments)
    trainer.train()
    loss = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "times": times,
        "loss": loss,
        "memory_mb": peak_memory_mb(),
        "dtype": str(trainer.model.dtype)[6:],
    }


def default_arguments(model: str, rows: Path) -> dict[str, Any]:
    from datasets import Dataset
    from peft import LoraConfig

    from trainer.weights import resolve_model

    examples = read_rows(rows)
    chats = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
        }
        for row in examples
    ]
    return {
        "model": str(resolve_model(model)),
        "train_dataset": Dataset.from_list(chats),
        "peft_config": LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    }


def tuned_arguments(model: str, rows: Path, settings: dict[str, Any]) -> dict[str, Any]:
    import torch
    from datasets import Dataset

    from trainer.data import batches, encode
    from trainer.data_files import read_examples
    from trainer.model import load_model, load_tokenizer
    from trainer.specs import StudentSpec
    from trainer.tasks import load_task

    student = StudentSpec.model_validate(STUDENT | {"model": model, "dtype": "bfloat16"})
    tokenizer = load_tokenizer(student)
    tokens, _ = encode(read_examples(rows), load_task("exact_match"), tokenizer, student)
    steps = student.steps_for(len(tokens))
    plan = batches([row.length for row in tokens], BATCH, steps=steps, seed=SEED)
    ordered = [tokens[index] for batch in plan for index in batch]
    torch.manual_seed(SEED)
    network = load_model(student, trainable=True, dtype=torch.bfloat16)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(getattr(torch, settings["adapter"]))
    dataset = Dataset.from_list(
        [
            {
                "input_ids": row.prompt + row.completion,
                "completion_mask": [0] * len(row.prompt) + [1] * len(row.completion),
            }
            for row in ordered
        ]
    )
    return {"model": network, "train_dataset": dataset, "processing_class": tokenizer}


def work(name: str, model: str, rows: Path, output: Path) -> None:
    """In a process of its own: one contender."""
    settings, folder = TUNED.get(name), output.with_suffix("")
    result = train_ours(model, rows, folder) if name == "ours" else train_trl(model, rows, folder, settings)
    output.write_text(json.dumps(result | rates(result.pop("times"))))


def rates(times: list[float]) -> dict[str, float]:
    """Rates from the moments at which steps ended. All batches have the same number of rows."""
    steps = [after - before for before, after in zip(times[WARM_UP - 1 :], times[WARM_UP:], strict=False)]
    return {
        "samples_per_second": BATCH * len(steps) / sum(steps),
        # the median step shrugs off what else the machine does
        "median_step_seconds": statistics.median(steps),
    }


def difference(curve: list[float], reference: list[float]) -> dict[str, float]:
    """How far two loss curves lie apart, in units of the reference's mean."""
    scale = statistics.mean(reference)
    apart = [abs(ours - theirs) / scale for ours, theirs in zip(curve, reference, strict=True)]
    return {"largest": max(apart), "mean": statistics.mean(apart)}


def summarize(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ratios against TRL's defaults and its fastest setting, and the curves' differences."""
    ours = results["ours"]
    best = max(TUNED, key=lambda name: results[name]["samples_per_second"])
    rate = ours["samples_per_second"]
    return {
        "fastest_trl": best,
        "times_trl_tuned": rate / results[best]["samples_per_second"],
        "times_trl_defaults": rate / results["trl defaults"]["samples_per_second"],
        "loss_difference": {name: difference(ours["loss"], results[name]["loss"]) for name in TUNED},
    }


def main() -> None:
    parser = arguments(__doc__, "training.json")
    parser.add_argument("--data", type=Path, help="folder with train.jsonl; default: rows made by code")
    parser.add_argument("--rows", type=int, default=112, help="rows, rounded down to whole batches")
    options = parser.parse_args()
    if options.work:
        work(options.work, options.student, options.rows_file, options.output)
        return
    count = options.rows // BATCH * BATCH
    rows = read_rows(options.data / "train.jsonl", count) if options.data else synthetic(count)
    report = conditions(options.data, len(rows))
    with tempfile.TemporaryDirectory() as name:
        path = write_rows(Path(name) / "rows.jsonl", rows)
        results = {
            contender: run_alone(__file__, contender, path, options.student)
            for contender in ("ours", *TUNED, "trl defaults")
        }
    publish(report | summarize(results) | {"contenders": results}, options.output, hidden=("contenders",))


if __name__ == "__main__":
    main()
