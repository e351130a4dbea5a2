"""Fine-tune a student and predict with it, in one process start: `python -m trainer.finetune SPEC.json`.

The same module runs under `accelerate launch`, on several GPUs and several hosts. What it leaves in `output`: the
artifact, predictions, `progress.jsonl`, and `report.json`, which is written last. Started again after a kill it goes
on from its last checkpoint; started again after the report it does nothing.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list
from safetensors import SafetensorError

from trainer.artifacts import publish_folder, write_json
from trainer.attention import attention_warning
from trainer.checkpoints import TrainState, checkpoints_folder, last_checkpoint
from trainer.data import Row, encode, length_warnings
from trainer.data_files import DataError, read_examples
from trainer.determinism import ask_for_workspace
from trainer.fitting import Fit, fit
from trainer.kernels import use_kernels
from trainer.model import load_model, load_tokenizer
from trainer.precision import pick_dtype
from trainer.predict import predict_files, predict_served
from trainer.presets import split_revision
from trainer.program import followed, run_spec
from trainer.progress import ProgressLog
from trainer.records import Example
from trainer.specs import EXECUTION, PredictReport, TrainReport, TrainSpec
from trainer.tasks import Task, add_task_folder, load_task
from trainer.training import Trainer, TrainingError
from trainer.vllm import VllmError
from trainer.weights import ModelError

KNOWN = (DataError, ModelError, TrainingError, VllmError, OSError, SafetensorError)
"""Errors that speak for themselves."""

DATA_PARALLEL = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
"""Ways of accelerate in which each process holds the whole model."""


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code."""
    return run_spec("finetune", TrainSpec, _work, KNOWN, arguments)


def _work(spec: TrainSpec) -> None:
    with followed(spec, KNOWN, enabled=os.environ.get("RANK", "0") == "0") as progress:
        if progress:
            finetune(spec, progress)


def finetune(spec: TrainSpec, progress: ProgressLog) -> None:
    """Train, publish the artifact, predict, and write the report.

    Raises:
        DataError: the rows or the task cannot be used, or all rows are over-long.
        ModelError: the student cannot be loaded.
        TrainingError: the loss diverged, memory does not suffice, or the processes are not those of the spec.
        OSError: a file cannot be written.
    """
    start = time.monotonic()
    progress.write(stage="load", message=f"Loading {spec.student.model}")
    ask_for_workspace()
    accelerator = Accelerator()
    _check_processes(spec, accelerator)
    _share_threads(accelerator)
    task, examples = _read(spec)
    tokenizer = load_tokenizer(spec.student)
    rows, over_long = encode(examples, task, tokenizer, spec.student)
    if not rows:
        raise DataError(f"All {len(over_long)} training rows are longer than student.max_length tokens.")
    warnings = length_warnings(rows, len(over_long), task, spec.student)
    for warning in warnings:
        progress.write(stage="warning", message=warning)
    trainer, fitted = _prepare(spec, accelerator, rows, tokenizer, progress)
    for warning in filter(None, (fitted.warning, attention_warning(trainer.model))):
        warnings.append(warning)
        progress.write(stage="warning", message=warning)
    loaded = time.monotonic()
    trainer.train()
    warnings += trainer.warnings
    memory = fitted.report(trainer.memory_mb())
    model = trainer.model
    trainable = [parameter.numel() for parameter in model.parameters() if parameter.requires_grad]
    if not _leave(accelerator):
        return
    artifact = _publish(spec, model, tokenizer)
    trained = time.monotonic()
    predicted = _predict(spec, model, tokenizer, task, progress, artifact)
    seconds = {
        "load": loaded - start,
        "train": trainer.state.seconds,
        "predict": time.monotonic() - trained,
    }
    if spec.student.compile:
        seconds["compile"] = trainer.compile_seconds
    report = _report(spec, trainer, over_long, warnings, artifact, sum(trainable), predicted, seconds)
    report.memory = memory
    write_json(spec.output / "report.json", report)
    shutil.rmtree(checkpoints_folder(spec.output), ignore_errors=True)
    progress.write(stage="done", step=report.steps, steps=report.steps)


def _check_processes(spec: TrainSpec, accelerator: Accelerator) -> None:
    """Refuse to train with other processes than were asked for: `accelerate launch --cpu` runs one without a word."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
    if here != spec.student.num_processes:
        raise TrainingError(
            f"The spec asks for {spec.student.num_processes} training processes on this host, and {here} run. Start "
            f"`accelerate launch --multi_gpu --num_processes {spec.student.num_processes} -m trainer.finetune SPEC`; "
            "on CPUs set ACCELERATE_USE_CPU=true as well."
        )
    if accelerator.distributed_type not in DATA_PARALLEL:
        raise TrainingError(
            f"accelerate is configured for {accelerator.distributed_type.value}; the trainer needs a whole model in "
            "each process: choose plain multi-GPU."
        )


def _share_threads(accelerator: Accelerator) -> None:
    """Give each of several processes its part of the cores: their threads wait by spinning."""
    if accelerator.num_processes > 1 and "OMP_NUM_THREADS" not in os.environ:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // here))


def _read(spec: TrainSpec) -> tuple[Task, list[Example]]:
    examples = [example for path in spec.train for example in read_examples(path)]
    if spec.task_folder:
        add_task_folder(spec.task_folder)
    return load_task(spec.task, examples), examples


def _prepare(
    spec: TrainSpec, accelerator: Accelerator, rows: list[Row], tokenizer: Any, progress: ProgressLog
) -> tuple[Trainer, Fit]:
    """The trainer, new or as its last checkpoint left it, with a micro-batch that fits."""
    fingerprint = _fingerprint(spec, rows)
    found = last_checkpoint(checkpoints_folder(spec.output))
    accelerator.wait_for_everyone()
    if found is not None and found[0].fingerprint != fingerprint:
        raise TrainingError(
            f"{checkpoints_folder(spec.output)} belongs to another spec or other rows: choose another output folder, "
            "or remove it to start anew."
        )
    state, tensors = found or (_new_state(spec, accelerator, fingerprint), None)
    fitted = fit(spec.student, accelerator, rows, state.micro_batch_size, state.dtype)
    state.micro_batch_size = fitted.micro_batch_size
    # The new adapter's random numbers; the same on each process.
    torch.manual_seed(spec.seed)
    model = load_model(
        spec.student,
        spec.adapter,
        trainable=True,
        device=accelerator.device,
        dtype=getattr(torch, state.dtype),
    )
    if not spec.student.compile:  # which fuses these operations itself
        use_kernels(model)
    trainer = Trainer(spec, accelerator, model, rows, state, tensors, tokenizer.pad_token_id, progress)
    return trainer, fitted


def _new_state(spec: TrainSpec, accelerator: Accelerator, fingerprint: str) -> TrainState:
    student = spec.student
    # Measured, so the first process decides for all.
    dtype = broadcast_object_list([str(pick_dtype(student, accelerator.device)).removeprefix("torch.")])[0]
    share = math.ceil(student.batch_size / accelerator.num_processes)
    return TrainState(
        fingerprint=fingerprint, dtype=dtype, micro_batch_size=min(student.micro_batch_size or share, share)
    )


def _fingerprint(spec: TrainSpec, rows: list[Row]) -> str:
    """Of all that decides the trained weights: the student, the seed, and the rows in tokens."""
    # an option that is off leaves the fingerprint as it was before there was the option
    off = {"compile"} if not spec.student.compile else set()
    student = spec.student.model_dump_json(exclude={*EXECUTION, *off, "max_new_tokens"})
    digest = hashlib.sha256(f"{student}|{spec.adapter}|{spec.seed}".encode())
    for row in rows:
        digest.update(repr((row.prompt, row.completion)).encode())
    return digest.hexdigest()


def _leave(accelerator: Accelerator) -> bool:
    """End the work of several processes; true for the one that goes on to publish and predict."""
    accelerator.wait_for_everyone()
    main_process = bool(accelerator.is_main_process)
    accelerator.end_training()
    return main_process


def _publish(spec: TrainSpec, model: Any, tokenizer: Any) -> Path:
    """Save the adapter, or the full model with its tokenizer; the folder is there whole or not at all."""
    final = spec.output / ("model" if spec.student.method == "full" else "adapter")
    temporary = final.with_name(f".{final.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    if spec.student.method == "full":
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    else:
        # The student's own name, and not where its weights happen to be cached.
        config = model.peft_config["default"]
        config.base_model_name_or_path, config.revision = split_revision(spec.student.model)
        model.save_pretrained(temporary, save_embedding_layers=False)
    publish_folder(temporary, final)
    return final


def _predict(
    spec: TrainSpec, model: Any, tokenizer: Any, task: Task, progress: ProgressLog, artifact: Path
) -> PredictReport:
    if not spec.predict:
        return PredictReport(device=model.device.type, dtype=str(model.dtype).removeprefix("torch."))
    model.requires_grad_(False).eval()
    if spec.student.engine == "vllm":
        model.to("cpu")  # the server may need this GPU's memory
        torch.cuda.empty_cache()
        return predict_served(artifact, tokenizer, task, spec.student, spec.predict, progress)
    return predict_files(model, tokenizer, task, spec.student, spec.predict, progress)


def _report(
    spec: TrainSpec,
    trainer: Trainer,
    over_long: list[str],
    warnings: list[str],
    artifact: Path,
    trainable: int,
    predict: PredictReport,
    seconds: dict[str, float],
) -> TrainReport:
    state = trainer.state
    processes = trainer.accelerator.num_processes
    share = math.ceil(spec.student.batch_size / processes)
    return TrainReport(
        steps=state.step,
        rows=len(trainer.rows),
        over_long=over_long,
        warnings=warnings,
        loss=state.loss,
        artifact=artifact,
        trainable_parameters=trainable,
        completion_tokens=state.completion_tokens,
        samples_per_second=state.rows / max(state.seconds, 1e-9),
        micro_batch_size=state.micro_batch_size,
        accumulation=math.ceil(share / state.micro_batch_size),
        num_processes=processes,
        out_of_memory=state.out_of_memory,
        skipped=state.skipped,
        resumed_from=state.resumed_from,
        predict=predict,
        seconds=seconds,
        device=trainer.accelerator.device.type,
        dtype=state.dtype,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
