"""Which precision is picked; the loss scale of float16, and the steps that it skips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.trainer.trainings import WriteSpec, losses, run
from trainer import precision
from trainer.finetune import main
from trainer.model import load_model
from trainer.optimizer import MasterAdamW
from trainer.precision import pick_dtype
from trainer.specs import StudentSpec
from trainer.storage import EXIT_BLOCKED
from trainer.training import Trainer

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("native_bf16", "capability", "expected"),
    [
        (True, (9, 0), torch.bfloat16),
        (True, (8, 0), torch.bfloat16),
        (False, (7, 5), torch.float16),
        (False, (7, 0), torch.float16),
        (False, (6, 1), torch.float32),
    ],
    ids=["H100", "A100", "T4", "V100", "P40"],
)
def test_gpu_precision_follows_its_generation(
    monkeypatch: pytest.MonkeyPatch, native_bf16: bool, capability: tuple[int, int], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native_bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_dtype(StudentSpec(), GPU) == expected
    assert pick_dtype(StudentSpec(dtype="float32"), GPU) == torch.float32


@pytest.mark.parametrize(
    ("features", "bf16_time", "expected"),
    [
        ({"avx2": True}, 0.1, torch.float32),
        ({"avx512_bf16": True}, 0.5, torch.bfloat16),
        ({"amx_bf16": True}, 0.1, torch.bfloat16),
        ({"avx512_bf16": True}, 3.0, torch.float32),
    ],
)
def test_cpu_precision_follows_features_and_speed(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], bf16_time: float, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    monkeypatch.setattr(
        precision, "_product_seconds", lambda dtype: bf16_time if dtype == torch.bfloat16 else 1.0
    )
    assert pick_dtype(StudentSpec(), CPU) == expected


def test_scaled_float16_gradients_are_those_of_float32() -> None:
    """Gradients of about 1e-8 are 0 in float16, whose smallest number is 6e-8, and are kept with a scale."""
    found = {}
    for scale in (1.0, 2.0**16):
        weight = nn.Parameter(torch.full((4, 4), 0.5, dtype=torch.float16))
        optimizer = MasterAdamW([weight], weight_decay=0.0)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        loss = (weight @ torch.full((4, 1), 1.0, dtype=torch.float16)).float().sum() * 1e-8
        torch.autograd.backward([scaler.scale(loss)])
        optimizer.collect()
        optimizer.unscale(scaler)
        found[scale] = optimizer.gradient.clone()
    assert not found[1.0].any()
    torch.testing.assert_close(found[2.0**16], torch.full((16,), 1e-8), rtol=1e-2, atol=0)


def test_float16_training_follows_float32(write_spec: WriteSpec) -> None:
    exact = run(write_spec("exact"))
    found = run(write_spec("half", dtype="float16"))
    assert (found.dtype, found.predict.dtype, found.skipped) == ("float16", "float16", [])
    assert losses(found) == pytest.approx(losses(exact), rel=0.02)


def test_overflow_skips_the_step_and_halves_the_scale(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm = run(write_spec("calm", dtype="float16"))
    monkeypatch.setattr(precision, "LOSS_SCALE", 2.0**24)
    found = run(write_spec("high", dtype="float16"))
    assert found.skipped == list(range(1, len(found.skipped) + 1))
    assert 0 < len(found.skipped) < found.steps
    assert found.steps == calm.steps
    # nothing was learned in the first steps: the rows of step 2 meet the weights of step 1
    assert losses(found)[-1] > losses(calm)[-1]


def test_the_scale_goes_on_after_an_interruption(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(precision, "LOSS_SCALE", 2.0**24)
    calm = run(write_spec("calm", dtype="float16", checkpoint_every=2))
    real = Trainer._report
    stopped = len(calm.skipped) + 1

    def report(self: Trainer, point: Any, *more: Any) -> None:
        if point.step == stopped:
            raise OSError(28, "No space left on device")
        real(self, point, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_report", report)
        assert main([str(write_spec("broken", dtype="float16", checkpoint_every=2)[0])]) == EXIT_BLOCKED
    found = run(write_spec("broken", dtype="float16", checkpoint_every=2))
    assert found.resumed_from == [(stopped - 1) // 2 * 2]
    assert found.skipped == calm.skipped
    assert losses(found) == losses(calm)


def test_a_student_that_float16_cannot_hold_is_told(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_student: Path,
) -> None:
    """Activations beyond 65,504."""

    def load(*arguments: Any, **options: Any) -> Any:
        model = load_model(*arguments, **options)
        model.get_base_model().model.norm.weight.data.mul_(60_000)
        return model

    monkeypatch.setattr("trainer.finetune.load_model", load)
    assert main([str(write_spec(dtype="float16")[0])]) == 1
    message = capsys.readouterr().err
    assert "larger than float16 can hold" in message
    assert "student.dtype: float32" in message
