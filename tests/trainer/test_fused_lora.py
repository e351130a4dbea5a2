"""Fused LoRA layers against PEFT's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from trainer.fused_lora import FusedLora, fused_lora


class Net(nn.Module):
    """Two layers, one with a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.second = nn.Linear(8, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., 6) -> (..., 5)."""
        out: Tensor = self.second(torch.tanh(self.first(x)))
        return out


def adapted(dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    """The net with an adapter that changes its output."""
    torch.manual_seed(0)
    lora: dict[str, Any] = {"r": 3, "lora_alpha": 6, "target_modules": ["first", "second"]}
    model = get_peft_model(Net().to(dtype), LoraConfig(**lora | options), autocast_adapter_dtype=False)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return model.train()


def both_ways(model: Any, x: Tensor) -> dict[str, Tensor]:
    """The output, and the gradients of the input and of what is trained."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    out = model(x)
    torch.autograd.backward([(out * torch.arange(1.0, 6.0, dtype=x.dtype)).sum()])
    gradients = {name: each.grad for name, each in model.named_parameters() if each.requires_grad}
    return {"out": out.detach(), "x": x.grad, **gradients}


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 6), (6,)])
def test_output_and_gradients_are_those_of_peft(shape: tuple[int, ...]) -> None:
    model, x = adapted(), torch.randn(shape, dtype=torch.float64)
    expected = both_ways(model, x)
    assert len(expected) == 6
    with fused_lora(model) as count:
        found = both_ways(model, x)
    assert count == 2
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)
    after = both_ways(model, x)
    assert all(torch.equal(after[name], value) for name, value in expected.items()), "as before"


def test_gradients_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    x, weight, bias, down, up = (
        torch.randn(shape, dtype=torch.float64) for shape in ((4, 6), (5, 6), (5,), (3, 6), (5, 3))
    )
    trained = [each.requires_grad_() for each in (x, down, up)]

    def layer(x: Tensor, down: Tensor, up: Tensor) -> Tensor:
        out: Tensor = FusedLora.apply(x, weight, bias, down, up, 0.5)  # type: ignore[no-untyped-call]
        return out

    torch.testing.assert_close(layer(*trained), x @ weight.T + bias + 0.5 * x @ down.T @ up.T)
    assert torch.autograd.gradcheck(layer, trained)


def test_low_precision_is_rounded_no_worse_than_by_peft() -> None:
    model = adapted(torch.bfloat16)
    x = torch.randn(64, 6, dtype=torch.bfloat16)
    plain = both_ways(model, x)
    with fused_lora(model):
        fused = both_ways(model, x)
    exact = both_ways(model.double(), x.double())
    for name in ("out", "x"):
        errors = [(each[name].double() - exact[name]).norm() for each in (fused, plain)]
        assert errors[0] <= 1.2 * errors[1], name


@pytest.mark.parametrize("options", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_other_layers_stay_as_they_are(options: dict[str, Any]) -> None:
    with fused_lora(adapted(**options)) as count:
        assert count == 0


def test_what_answers_without_its_adapter_stays_as_it_is() -> None:
    model = adapted()
    with model.disable_adapter(), fused_lora(model) as count:
        assert count == 0


def test_an_adapter_of_another_precision_stays_as_it_is() -> None:
    model = adapted(torch.bfloat16)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    with fused_lora(model) as count:
        assert count == 0
