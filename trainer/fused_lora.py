"""LoRA layers as one operation each, while a student is trained.

PEFT computes a layer and its adapter in six operations, each with its own node in the autograd graph. A small student's
step then waits for Python to start them, and a large one's reads and writes each layer's output three times over. Here
the adapter's product is added inside of the second matrix product, forward and backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import linear


class FusedLora(torch.autograd.Function):
    """`x W' + b + s (x A') B'`, where `W` and `b` are frozen (Hu et al. 2021, arXiv 2106.09685, section 4.1).

    The sum over the rank and the sum with the frozen product are rounded once, where PEFT rounds three times.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scaling: float
    ) -> Tensor:
        """The layer's output.

        Args:
            ctx: what backward needs.
            x: (..., inputs).
            weight: (outputs, inputs), frozen.
            bias: (outputs,), frozen.
            down: `A`, (rank, inputs).
            up: `B`, (outputs, rank).
            scaling: alpha over rank.

        Returns:
            (..., outputs).
        """
        rows = x.reshape(-1, x.shape[-1])
        inner = rows.mm(down.t())
        out = linear(rows, weight, bias).addmm_(inner, up.t(), alpha=scaling)
        ctx.save_for_backward(rows, weight, down, up, inner)
        ctx.scaling = scaling
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of `x`, where it wants one, of `down` and of `up`."""
        (gradient,) = gradients
        rows, weight, down, up, inner = ctx.saved_tensors
        out = gradient.reshape(-1, gradient.shape[-1])
        within = out.mm(up)
        into = None
        if ctx.needs_input_grad[0]:
            into = out.mm(weight).addmm_(within, down, alpha=ctx.scaling).view(*gradient.shape[:-1], -1)
        scaled = {"beta": 0, "alpha": ctx.scaling}  # without its first argument but for the shape
        of_down = torch.addmm(down, within.t(), rows, **scaled)
        of_up = torch.addmm(up, out.t(), inner, **scaled)
        return into, None, None, of_down, of_up, None


@contextmanager
def fused_lora(model: nn.Module) -> Iterator[int]:
    """Within it, the model's plain LoRA layers are computed fused; yields how many.

    Layers with dropout, with quantised weights, or with a variant of LoRA stay as they are.
    """
    layers: list[Any] = [module for module in model.modules() if _is_plain(module)]
    for layer in layers:
        layer.forward = partial(_forward, layer, layer.active_adapters[0])
    try:
        yield len(layers)
    finally:
        for layer in layers:
            del layer.forward


def _is_plain(module: Any) -> bool:
    if type(module) is not LoraLinear or type(module.base_layer) is not nn.Linear:
        return False
    names = module.active_adapters
    return (
        len(names) == 1
        and names[0] in module.lora_A
        and not (module.merged or module.disable_adapters or module.lora_variant)
        and isinstance(module.lora_dropout[names[0]], nn.Identity)
        and module.lora_B[names[0]].bias is None
        and module.lora_A[names[0]].weight.dtype == module.base_layer.weight.dtype
    )


def _forward(layer: Any, name: str, x: Tensor) -> Tensor:
    base = layer.base_layer
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    out: Tensor = FusedLora.apply(x, base.weight, base.bias, down, up, layer.scaling[name])  # type: ignore[no-untyped-call]
    return out
