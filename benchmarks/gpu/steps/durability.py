"""What must hold on a GPU as on a CPU: equal runs from one seed, SIGKILL and resume, forced out-of-memory."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import training_file
from benchmarks.gpu.training_run import TrainingRun, difference, figures, release, spec_for, train

SHAPE = "small"
KILL_STEPS, KILL_EVERY, KILL_AT = 60, 10, 25
"""Steps of the killed run, between its checkpoints, and at which it is killed."""

WAIT = 120.0
"""Longest wait (seconds) for a child to get so far."""


def run(check: Check) -> None:
    rows = training_file(check)
    check.put("equal_runs", value=equal_runs(check, rows))
    check.put("out_of_memory", value=out_of_memory(check, rows))
    check.put("kill", value=killed(check, rows))


def equal_runs(check: Check, rows: Path) -> dict[str, Any]:
    """Two runs with one seed."""
    batch = {"batch_size": check.scale.batch_size, "steps": check.scale.steps}
    first, second = (train(check, f"run-{number}", rows, SHAPE, **batch) for number in (1, 2))
    return {
        "same_loss": first.loss == second.loss,
        "same_adapter": digest(first) == digest(second),
        "loss_difference": difference(first.loss, second.loss),
        "steps": len(first.loss),
        "tokens_per_second": figures(check, SHAPE, second)["tokens_per_second"],
        "tokens_per_second_in_any_order": any_order(check, rows, batch),
    }


def any_order(check: Check, rows: Path, batch: dict[str, Any]) -> float:
    """The rate without `student.deterministic`."""
    run = train(check, "any-order", rows, SHAPE, deterministic=False, **batch)
    return float(figures(check, SHAPE, run)["tokens_per_second"])


def digest(run: TrainingRun) -> str:
    """Of the trained adapter."""
    return hashlib.sha256(
        (run.spec.output / "adapter" / "adapter_model.safetensors").read_bytes()
    ).hexdigest()


def out_of_memory(check: Check, rows: Path) -> dict[str, Any]:
    """Train with less memory than the micro-batch needs: it must halve it and go on to the same losses.

    The limit lies halfway between what the whole batch takes and what half of it takes, both measured.
    """
    whole = check.scale.batch_size
    batch = {"batch_size": whole, "steps": 3}
    memory = AllocatorMemory() if check.on_gpu else PretendedMemory()
    train(check, "half", rows, SHAPE, micro_batch_size=whole // 2, **batch)
    low = memory.peak()
    free = train(check, "whole", rows, SHAPE, micro_batch_size=whole, **batch)
    high = memory.peak()
    release()
    with memory.limited((low + high) // 2):
        tight = train(check, "tight", rows, SHAPE, micro_batch_size=whole, **batch)
    return {
        "forced_by": memory.how,
        "peak": {"half": low, "whole": high, "limit": (low + high) // 2},
        "halvings": tight.report["out_of_memory"],
        "micro_batch_size": tight.report["micro_batch_size"],
        "loss_difference": difference(tight.loss, free.loss),
        "steps": len(tight.loss),
    }


class AllocatorMemory:
    """A GPU's memory, in bytes, limited by PyTorch's allocator."""

    how = "a limit on the GPU's allocator"

    def peak(self) -> int:
        """The most that was allocated since the last training began."""
        return torch.cuda.max_memory_allocated()

    @contextmanager
    def limited(self, limit: int) -> Iterator[None]:
        """Let a block allocate no more."""
        torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)


class PretendedMemory:
    """A CPU's stand-in, in tokens of one forward pass: beyond the limit the embedding raises what a full GPU raises."""

    how = "an exception from the embedding layer, because a CPU has no such limit"

    def __init__(self) -> None:
        self.most, self.limit = 0, 2**62
        register_module_forward_pre_hook(self._look)

    def _look(self, module: torch.nn.Module, inputs: Any) -> None:
        if isinstance(module, torch.nn.Embedding):
            tokens = inputs[0].numel()
            self.most = max(self.most, tokens)
            if tokens > self.limit:
                raise torch.OutOfMemoryError(f"out of memory (pretended): {tokens} tokens at once")

    def peak(self) -> int:
        """The most tokens of a forward pass since this was last asked."""
        found, self.most = self.most, 0
        return found

    @contextmanager
    def limited(self, limit: int) -> Iterator[None]:
        """Let a block compute no more tokens at once."""
        self.limit = limit
        try:
            yield
        finally:
            self.limit = 2**62


def killed(check: Check, rows: Path) -> dict[str, Any]:
    """SIGKILL a training in the middle, start it again, and compare its losses with an undisturbed one's."""
    batch = {"batch_size": check.scale.batch_size, "steps": KILL_STEPS, "checkpoint_every": KILL_EVERY}
    undisturbed = train(check, "undisturbed", rows, SHAPE, **batch)
    spec = spec_for(rows, check.model(SHAPE), check.folder("killed"), **batch)
    order = spec.output / "spec.json"
    order.write_text(spec.model_dump_json(), encoding="utf-8")
    child = start(order)
    reached = kill_at(child, spec.output / "progress.jsonl", KILL_AT)
    again = start(order).wait(WAIT)
    report = json.loads((spec.output / "report.json").read_text(encoding="utf-8"))
    loss = [point["loss"] for point in report["loss"]]
    return {
        "killed_at_step": reached,
        "exit_code_after": again,
        "resumed_from": report["resumed_from"],
        "same_loss": loss == undisturbed.loss,
        "loss_difference": difference(loss, undisturbed.loss),
        "steps": len(loss),
    }


def start(order: Path) -> subprocess.Popen[bytes]:
    """The trainer as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "trainer.finetune", str(order)])


def kill_at(child: subprocess.Popen[bytes], progress: Path, step: int) -> int:
    """Kill a training once it has reported a step; the last step it reported."""
    deadline = time.monotonic() + WAIT
    while child.poll() is None and time.monotonic() < deadline and steps_of(progress) < step:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return steps_of(progress)


def steps_of(progress: Path) -> int:
    """Optimizer steps that a progress file reports."""
    text = progress.read_text(encoding="utf-8") if progress.exists() else ""
    return text.count('"stage":"train"')
