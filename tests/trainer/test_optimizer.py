"""The optimizer against PyTorch's own, and the schedule against transformers'."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from trainer.optimizer import MasterAdamW, learning_rate
from trainer.specs import StudentSpec


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3)).to(dtype)


def test_float32_steps_are_those_of_adamw() -> None:
    mine, theirs = network(), network()
    decayed = [p for p in theirs.parameters() if p.ndim >= 2]
    others = [p for p in theirs.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, weight_decay=0.1)
    optimizer = MasterAdamW(mine.parameters(), weight_decay=0.1)
    for step in range(5):
        for group in adam.param_groups:
            group["lr"] = 0.01 * (step + 1)
        # Two micro-batches.
        for part in torch.randn(2, 4, 6):
            for net in (mine, theirs):
                torch.autograd.backward([net(part).square().sum()])
            optimizer.collect()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        assert optimizer.clip(1.0) == pytest.approx(float(norm), rel=1e-5)
        optimizer.step(0.01 * (step + 1))
        adam.step()
        adam.zero_grad()
    for own, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-7)


def test_masters_keep_updates_that_bf16_would_lose() -> None:
    weight = nn.Parameter(torch.full((4, 4), 1.0, dtype=torch.bfloat16))
    optimizer = MasterAdamW([weight], weight_decay=0.0)
    for _ in range(100):
        weight.grad = torch.ones_like(weight)
        optimizer.collect()
        # Below half of bf16's spacing under 1, which is 2**-8.
        optimizer.step(1e-4)
    torch.testing.assert_close(weight.float(), torch.full((4, 4), 0.99), rtol=0, atol=2**-9)


def test_state_goes_on_where_it_was() -> None:
    first, second = network(torch.bfloat16), network(torch.bfloat16)
    one, two = (MasterAdamW(net.parameters(), weight_decay=0.0) for net in (first, second))
    inputs = torch.randn(3, 4, 6).bfloat16()

    def step(net: nn.Module, optimizer: MasterAdamW, part: torch.Tensor) -> None:
        torch.autograd.backward([net(part).square().sum()])
        optimizer.collect()
        optimizer.step(0.05)

    step(first, one, inputs[0])
    two.load({name: tensor.clone() for name, tensor in one.state().items()})
    for part in inputs[1:]:
        step(first, one, part)
        step(second, two, part)
    for own, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(own, other)


def test_state_of_other_parameters_is_refused() -> None:
    other = MasterAdamW(nn.Linear(2, 2).parameters(), weight_decay=0.0)
    with pytest.raises(ValueError, match="another set"):
        MasterAdamW(network().parameters(), weight_decay=0.0).load(other.state())


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_decay_is_that_of_transformers(name: str) -> None:
    """Theirs starts with a step at rate 0, ours with the first rise: past the warm-up they agree."""
    student = StudentSpec.model_validate({"schedule": name, "warmup_ratio": 0.1, "learning_rate": 1.0})
    adam = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    make = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}[name]
    schedule = make(adam, 4, 40)
    theirs = []
    for _ in range(40):
        theirs.append(schedule.get_last_lr()[0])
        adam.step()
        schedule.step()
    ours = [learning_rate(student, step, 40) for step in range(40)]
    assert ours[:4] == pytest.approx(theirs[1:5])
    assert ours[4:] == pytest.approx(theirs[4:])


def test_constant_rate_without_warmup() -> None:
    student = StudentSpec(schedule="constant", warmup_ratio=0.0, learning_rate=0.5)
    assert {learning_rate(student, step, 7) for step in range(7)} == {0.5}
