"""AdamW on float32 masters of the trainable parameters, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.specs import StudentSpec


class MasterAdamW:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) on float32 copies of the parameters, kept in one vector.

    Low-precision weights lose updates that are smaller than their rounding, so the masters are updated and the
    weights rounded from them (Micikevicius et al. 2018, arXiv 1710.03740). Gradients are summed in float32 as
    well, over micro-batches and processes. One vector makes clipping, the sum over processes and the update one
    operation each. Parameters that are float32 are views of the masters: nothing is kept twice.

    Args:
        parameters: what is trained, all on one device.
        weight_decay: applied to matrices; vectors (norms, biases) are left alone, as is usual.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, weight_decay: float):
        self.parameters = sorted(parameters, key=lambda parameter: parameter.ndim < 2)
        sizes = [parameter.numel() for parameter in self.parameters]
        decayed = sum(parameter.numel() for parameter in self.parameters if parameter.ndim >= 2)
        device = self.parameters[0].device
        self.master = torch.empty(sum(sizes), device=device)
        self.gradient = torch.zeros_like(self.master)
        self._masters = self._views(self.master, sizes)
        self._gradients = self._views(self.gradient, sizes)
        for parameter, master, gradient in zip(self.parameters, self._masters, self._gradients, strict=True):
            master.copy_(parameter.detach())
            if parameter.dtype == torch.float32:
                parameter.data, parameter.grad = master, gradient
        self._low = [index for index, each in enumerate(self.parameters) if each.dtype != torch.float32]
        self._adam = self._make_adam(decayed, weight_decay)

    def _views(self, vector: Tensor, sizes: list[int]) -> list[Tensor]:
        parts = torch.split(vector, sizes)
        return [part.view_as(parameter) for part, parameter in zip(parts, self.parameters, strict=True)]

    def _make_adam(self, decayed: int, weight_decay: float) -> torch.optim.AdamW:
        groups: list[dict[str, Any]] = []
        for part, decay in ((slice(None, decayed), weight_decay), (slice(decayed, None), 0.0)):
            if self.master[part].numel():
                parameter = nn.Parameter(self.master[part])
                parameter.grad = self.gradient[part]
                groups.append({"params": [parameter], "weight_decay": decay})
        adam = torch.optim.AdamW(groups, fused=self.master.device.type in ("cpu", "cuda"))
        for group in groups:
            parameter = group["params"][0]
            adam.state[parameter] = {
                "step": torch.zeros((), device=self.master.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return adam

    @torch.no_grad()
    def collect(self) -> None:
        """Add the gradients of one backward pass to the sum of this step."""
        pairs = [
            (self._gradients[index], gradient)
            for index in self._low
            if (gradient := self.parameters[index].grad) is not None
        ]
        if pairs:
            # one call in place of hundreds: a GPU adds faster than Python asks it to
            sums, gradients = zip(*pairs, strict=True)
            torch._foreach_add_(sums, gradients)
        for index in self._low:
            self.parameters[index].grad = None

    def discard(self) -> None:
        """Forget the gradients of this step."""
        self.gradient.zero_()
        for index in self._low:
            self.parameters[index].grad = None

    def unscale(self, scaler: torch.amp.GradScaler) -> None:
        """Divide the gradient by the loss scale, and let the scaler note whether it overflowed."""
        scaler.unscale_(self._adam)

    def clip(self, max_norm: float) -> float:
        """Scale the gradient down to `max_norm` if it is longer; returns its length before."""
        norm = torch.linalg.vector_norm(self.gradient)
        self.gradient.mul_(torch.clamp(max_norm / (norm + 1e-6), max=1.0))
        return float(norm)

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the masters, round the weights from them, and forget the gradients."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._adam.step()
        self._round()
        self.discard()

    def _round(self) -> None:
        if self._low:
            weights = [self.parameters[index].data for index in self._low]
            torch._foreach_copy_(weights, [self._masters[index] for index in self._low])

    def state(self) -> dict[str, Tensor]:
        """All that a continued run needs: the masters and Adam's moments and counts, as CPU or device tensors."""
        tensors = {"master": self.master}
        for index, (_, moments) in enumerate(self._adam.state.items()):
            tensors |= {f"{name}.{index}": tensor for name, tensor in moments.items()}
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `state()`.

        Raises:
            ValueError: the state is of another set of parameters.
        """
        own = self.state()
        if {name: each.shape for name, each in own.items()} != {n: t.shape for n, t in tensors.items()}:
            raise ValueError("the optimizer state is of another set of parameters")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
        self._round()

    @torch.no_grad()
    def restart(self, master: Tensor) -> None:
        """Begin from these masters, such as those of the first process."""
        self.master.copy_(master)
        self._round()

    def release(self) -> None:
        """Give the parameters storage of their own again, so that the optimizer can be freed."""
        for parameter in self.parameters:
            parameter.data, parameter.grad = parameter.data.clone(), None


def learning_rate(student: StudentSpec, step: int, steps: int) -> float:
    """The learning rate of one optimizer step.

    Args:
        student: peak rate, warm-up's share of the steps (linear from the first step on), and the decay after it.
        step: from 0.
        steps: of the whole run.
    """
    warmup = math.ceil(student.warmup_ratio * steps)
    if step < warmup:
        return student.learning_rate * (step + 1) / warmup
    left = (steps - step) / max(1, steps - warmup)
    factor = {"constant": 1.0, "linear": left, "cosine": 0.5 * (1 + math.cos(math.pi * (1 - left)))}
    return student.learning_rate * factor[student.schedule]
