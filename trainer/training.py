"""The training loop: global batches, micro-batches, processes, checkpoints, and what can go wrong."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.utils import broadcast

from trainer.checkpoints import TrainState, checkpoints_folder, save_checkpoint
from trainer.compiling import compile_layers, undo, warm_up
from trainer.data import Row, batches
from trainer.determinism import equal_runs
from trainer.fitting import is_out_of_memory
from trainer.fused_lora import fused_lora
from trainer.loss import choose_layout
from trainer.optimizer import MasterAdamW, learning_rate
from trainer.precision import loss_scaler
from trainer.prefetch import Prefetch
from trainer.progress import ProgressLog, peak_memory_mb
from trainer.specs import LossPoint, TrainSpec

MAX_HALVINGS = 3
"""How often a run may halve its micro-batch before it gives up."""


class TrainingError(Exception):
    """Training cannot go on; the message says at which step and what to do."""


class Trainer:
    """One training run: the loop over global batches, and what it needs to be interrupted.

    Every process computes its share of a global batch in micro-batches. The loss is the sum of the labels' losses
    over the number of labels of the whole global batch, so that gradients only need to be summed, and the result
    does not depend on how the batch was cut.

    Args:
        spec: what is trained.
        accelerator: device and processes.
        model: with trainable parameters, on the device.
        rows: in tokens, the same on every process.
        state: new, or of the last checkpoint.
        tensors: the last checkpoint's optimizer state.
        pad_token: fills up batches.
        progress: where a line for each step goes.
    """

    def __init__(
        self,
        spec: TrainSpec,
        accelerator: Accelerator,
        model: Any,
        rows: list[Row],
        state: TrainState,
        tensors: dict[str, torch.Tensor] | None,
        pad_token: int,
        progress: ProgressLog,
    ):
        self.spec = spec
        self.accelerator = accelerator
        self.model = model
        self.rows = rows
        self.state = state
        self.progress = progress
        trainable = (parameter for parameter in model.parameters() if parameter.requires_grad)
        self.optimizer = MasterAdamW(trainable, weight_decay=spec.student.weight_decay)
        if tensors is not None:
            self.optimizer.load(tensors)
            state.resumed_from.append(state.step)
        elif accelerator.num_processes > 1:
            self.optimizer.restart(broadcast(self.optimizer.master))
        self.scaler = loss_scaler(accelerator.device, state.dtype, state.loss_scale)
        self.layout = choose_layout(model, rows, pad_token, dropout=spec.student.lora.dropout)
        if works_apart(accelerator.device):
            self.layout = replace(self.layout, prefetch=Prefetch(self.layout.for_gpu))
        self.compile_seconds = 0.0
        self.warnings: list[str] = []

    def train(self) -> None:
        """Run to the last step, from wherever the state is.

        Raises:
            TrainingError: the loss is not a number, or memory does not suffice for the smallest micro-batch.
        """
        student = self.spec.student
        lengths = [row.length for row in self.rows]
        steps = student.steps_for(len(lengths))
        plan = list(batches(lengths, student.batch_size, steps=steps, seed=self.spec.seed))
        with fused_lora(self.model):
            compiled = self._compile() if student.compile and self.state.step < len(plan) else []
            with self._order():
                self._run(plan)
        if self.layout.prefetch:
            self.layout.prefetch.close()
        undo(compiled)
        self.optimizer.release()

    def _order(self) -> contextlib.AbstractContextManager[None]:
        """Sums in a fixed order, where the device would not keep one by itself."""
        if self.spec.student.deterministic and works_apart(self.accelerator.device):
            return equal_runs(self._probe, self._warn)
        return contextlib.nullcontext()

    def _probe(self) -> None:
        """A small step that leaves nothing behind."""
        try:
            self._both_ways(sorted(self.rows, key=lambda row: row.length)[:2])
        finally:
            self.optimizer.discard()

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self.progress.write(stage="warning", message=message)

    def _both_ways(self, rows: list[Row]) -> None:
        """A forward and a backward pass; the gradient is to be thrown away."""
        torch.autograd.backward([self.layout.loss(self.model, rows)])

    def _run(self, plan: list[list[int]]) -> None:
        """The steps that are left."""
        student = self.spec.student
        for step in range(self.state.step, len(plan)):
            begin = time.monotonic()
            batch = [self.rows[index] for index in plan[step]]
            if self.layout.prefetch and step + 1 < len(plan):
                self.layout.prefetch.ask(self._micro_batches([self.rows[index] for index in plan[step + 1]]))
            point = self._step(batch, step, learning_rate(student, step, len(plan)))
            seconds = time.monotonic() - begin
            self.state.step = step + 1
            self.state.rows += len(batch)
            self.state.completion_tokens += sum(len(row.completion) for row in batch)
            self.state.loss.append(point)
            self.state.seconds += seconds
            self._report(point, len(plan), sum(row.length for row in batch) / seconds)
            if (step + 1) % student.checkpoint_every == 0 or step + 1 == len(plan):
                self._checkpoint()

    def _compile(self) -> list[torch.nn.Module]:
        """Compile the decoder's layers with the longest and the shortest rows, whose gradients are thrown away."""
        layers = compile_layers(self.model)
        ordered = sorted(self.rows, key=lambda row: row.length)
        size = self.state.micro_batch_size

        def both_ways(rows: list[Row]) -> None:
            try:
                self._both_ways(rows)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise

        self.compile_seconds = warm_up(
            [partial(both_ways, rows) for rows in (ordered[-size:], ordered[:size])]
        )
        self.optimizer.discard()
        return layers

    def _report(self, point: LossPoint, steps: int, tokens_per_second: float) -> None:
        self.progress.write(
            stage="train",
            step=point.step,
            steps=steps,
            loss=point.loss,
            learning_rate=point.learning_rate,
            tokens_per_second=tokens_per_second,
            memory_mb=self.memory_mb(),
            eta_seconds=self.state.seconds / point.step * (steps - point.step),
        )

    def _step(self, batch: list[Row], step: int, rate: float) -> LossPoint:
        loss = self._gradient(batch, step)
        if not math.isfinite(loss):
            if self.scaler.is_enabled():
                raise TrainingError(self._too_large(step, "loss"))
            raise TrainingError(
                f"The loss is {loss} at step {step + 1}: the training diverged. Lower student.learning_rate "
                f"(now {self.spec.student.learning_rate:g}), or look at the rows of this step: "
                f"{', '.join(row.id for row in batch[:8])}."
            )
        self.optimizer.unscale(self.scaler)
        norm = self.optimizer.clip(self.spec.student.max_grad_norm)
        if math.isfinite(norm):
            self.optimizer.step(rate)
        else:
            self._skip(step, norm)
        self._rescale()
        return LossPoint(step=step + 1, loss=loss, learning_rate=rate)

    def _skip(self, step: int, norm: float) -> None:
        """Leave the weights as they are where a scaled gradient overflowed."""
        if not self.scaler.is_enabled():
            raise TrainingError(f"The gradient is {norm} at step {step + 1}: lower student.learning_rate.")
        if self.scaler.get_scale() <= 1:
            raise TrainingError(self._too_large(step, "gradient"))
        self.optimizer.discard()
        self.state.skipped.append(step + 1)

    def _rescale(self) -> None:
        if self.scaler.is_enabled():
            self.scaler.update()
            self.state.loss_scale = self.scaler.state_dict()

    def _too_large(self, step: int, what: str) -> str:
        return (
            f"The {what} of step {step + 1} is larger than float16 can hold: set student.dtype: float32 (or bfloat16, "
            f"where the GPU has it), or lower student.learning_rate (now {self.spec.student.learning_rate:g})."
        )

    def _gradient(self, batch: list[Row], step: int) -> float:
        """Fill the optimizer's gradient with the mean over the global batch; returns the mean loss.

        When memory does not suffice in any process, all of them start this step again with smaller micro-batches.
        """
        while True:
            loss, failures = self._sum_over_processes(self._accumulate(batch, step))
            if not failures:
                break
            self._halve(step)
        if self.accelerator.num_processes > 1:
            torch.distributed.all_reduce(self.optimizer.gradient)
        return loss

    def _accumulate(self, batch: list[Row], step: int) -> list[float]:
        """This process's share of the gradient; returns its share of the loss, and 1 if memory ran out."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        # Dropout's random numbers follow from the step, so that a continued run draws the same ones.
        torch.manual_seed((self.spec.seed * 1_000_003 + step) * world + rank)
        labels = sum(len(row.completion) for row in batch)
        losses = []
        try:
            for rows in self._micro_batches(batch):
                loss = self.layout.loss(self.model, rows) / labels
                torch.autograd.backward([self.scaler.scale(loss)])
                self.optimizer.collect()
                losses.append(loss.detach())
            # read once: each reading waits for all that the GPU has to do
            total = sum(torch.stack(losses).tolist()) if losses else 0.0
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return [0.0, 1.0]
        return [total, 0.0]

    def _micro_batches(self, batch: list[Row]) -> list[list[Row]]:
        """This process's share of a global batch."""
        mine = batch[self.accelerator.process_index :: self.accelerator.num_processes]
        size = self.state.micro_batch_size
        return [mine[start : start + size] for start in range(0, len(mine), size)]

    def _sum_over_processes(self, values: list[float]) -> list[float]:
        if self.accelerator.num_processes == 1:
            return values
        # Float32 on the wire, because not every device has float64.
        summed = torch.tensor(values, device=self.accelerator.device)
        torch.distributed.all_reduce(summed)
        return [float(value) for value in summed.tolist()]

    def _halve(self, step: int) -> None:
        """Halve the micro-batch, which doubles the accumulation: the global batch stays."""
        size = self.state.micro_batch_size
        self.optimizer.discard()
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        if size == 1 or len(self.state.out_of_memory) == MAX_HALVINGS:
            raise TrainingError(
                f"Out of memory at step {step + 1} with {size} rows at once, after "
                f"{len(self.state.out_of_memory)} halvings: lower student.max_length "
                f"(now {self.spec.student.max_length}), or use a smaller student."
            )
        self.state.micro_batch_size = size // 2
        self.state.out_of_memory.append(
            f"Step {step + 1}: out of memory with {size} rows at once; went on with {size // 2} and more accumulation."
        )

    def _checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(checkpoints_folder(self.spec.output), self.state, self.optimizer.state())

    def memory_mb(self) -> float:
        """The largest memory so far, in MB: of the device's tensors, or of the process on a CPU."""
        if self.accelerator.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return peak_memory_mb()


def works_apart(device: torch.device) -> bool:
    """Whether the device works while this process prepares the next step."""
    return device.type == "cuda"
