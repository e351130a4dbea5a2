"""What the trainer does for a GPU, as far as a CPU can run it: batches laid out ahead, widths, masks, compiled layers."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from tests.trainer.test_finetune import out_of_memory_above
from tests.trainer.token_rows import LONG, SHORT, WITHOUT_PREFIX, llama
from tests.trainer.trainings import WriteSpec, losses, run
from trainer import compiling, training
from trainer.data import Row
from trainer.finetune import main
from trainer.loss import Layout, bias, choose_layout
from trainer.packing import pack
from trainer.prefetch import Prefetch


def ahead(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Batches are laid out on the thread, in plain memory; returns the thread's name for each."""
    threads: list[str] = []

    def lay_out(self: Layout, rows: Any) -> Any:
        threads.append(threading.current_thread().name)
        return self.batch(rows)

    monkeypatch.setattr(training, "works_apart", lambda device: True)
    monkeypatch.setattr(Layout, "for_gpu", lay_out)
    return threads


def test_batches_laid_out_ahead_change_nothing(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm = run(write_spec("calm", micro_batch_size=4))
    threads = ahead(monkeypatch)
    found = run(write_spec("ahead", micro_batch_size=4))
    assert losses(found) == losses(calm)
    # two micro-batches a step, of which the first step's, and the probe before it, are laid out when they are taken
    assert len(threads) == 2 * found.steps + 1
    assert [name.startswith("layout") for name in threads].count(False) == 3


def test_halving_lays_out_anew(write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run(write_spec("calm"))
    ahead(monkeypatch)
    out_of_memory_above(monkeypatch, limit=4)
    found = run(write_spec("tight"))
    assert found.micro_batch_size == 4
    assert losses(found) == pytest.approx(losses(calm), rel=1e-4)


def test_a_model_without_a_fixed_order_trains_and_says_so(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What PyTorch raises where an operation adds in any order, here at the first backward pass alone."""
    calm = run(write_spec("calm"))
    ahead(monkeypatch)
    asked = iter([True])

    def both_ways(self: Any, rows: Any) -> None:
        assert torch.are_deterministic_algorithms_enabled()
        if next(asked, False):
            raise RuntimeError("scatter_add_ does not have a deterministic implementation, but you set ...")

    monkeypatch.setattr(training.Trainer, "_both_ways", both_ways)
    found = run(write_spec("loose"))
    assert losses(found) == losses(calm)
    assert found.warnings == [
        "Equal seeds give slightly different students on this GPU: scatter_add_ does not have a deterministic "
        "implementation."
    ]
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_error_of_the_thread_is_raised_where_the_batch_is_taken() -> None:
    def lay_out(rows: Any) -> Any:
        raise MemoryError("no room")

    prefetch = Prefetch(lay_out)
    rows = [Row("a", [1], [2])]
    prefetch.ask([rows])
    with pytest.raises(MemoryError, match="no room"):
        prefetch.take(rows)
    prefetch.close()


@pytest.mark.parametrize("batch", [SHORT, WITHOUT_PREFIX, LONG], ids=["short", "bare", "long"])
def test_wider_sequences_and_added_masks_give_the_same_loss(batch: list[Row]) -> None:
    model = llama()
    layout = choose_layout(model, SHORT, 0, dropout=0)
    wide = pack(batch, 0, layout.hidden_size, 16)
    assert wide.input_ids.shape[1] % 16 == 0
    assert wide.attention_mask is not None
    assert wide.attention_mask.shape[-2:] == (wide.input_ids.shape[1],) * 2
    with torch.no_grad():
        expected = layout.logits(model, layout.batch(batch))
        torch.testing.assert_close(layout.logits(model, wide), expected, rtol=1e-4, atol=1e-4)
        added = bias(wide.attention_mask, torch.float32)
        logits = model(
            input_ids=wide.input_ids, attention_mask=added, position_ids=wide.position_ids
        ).logits.flatten(0, 1)[wide.places]
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_eager_attention_is_told(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transformers.LlamaForCausalLM._supports_sdpa", False)
    found = run(write_spec(epochs=0.25))
    (warning,) = found.warnings
    assert warning.startswith("LlamaForCausalLM knows no attention but the eager one")


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_layers_train_alike(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    plain = run(write_spec("plain", epochs=1))
    monkeypatch.setattr(compiling, "BACKEND", backend)
    found = run(write_spec("compiled", epochs=1, compile=True))
    assert losses(found) == pytest.approx(losses(plain), rel=1e-3)
    assert found.seconds["compile"] > 0
    assert "compile" not in plain.seconds


def test_a_compiler_that_fails_is_one_clear_error(
    write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler here")

    torch._dynamo.reset()
    monkeypatch.setattr(compiling, "BACKEND", broken)
    assert main([str(write_spec(compile=True)[0])]) == 1
    message = capsys.readouterr().err
    assert "torch.compile failed" in message
    assert "student.compile: false" in message
