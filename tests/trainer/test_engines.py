"""Engines: a row's answer is the same from each of them."""

from __future__ import annotations

from functools import partialmethod
from typing import Any

import pytest
import torch
from transformers import ContinuousBatchingConfig

from tests.trainer.reference_model import PROMPTS, reference_reply
from trainer import decoding
from trainer.engines import PagedEngine, TorchEngine, local_engine
from trainer.replies import reply_of
from trainer.specs import StudentSpec


def test_a_batch_that_does_not_fit_is_halved(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stops = [reference_reply(tiny_model, PROMPTS[0], 8, [])[0][3]]
    done: list[int] = []
    expected = TorchEngine(tiny_model, 6).generate(PROMPTS, max_new_tokens=8, stops=stops, done=done.append)
    assert done == [6]
    real, sizes = decoding._generate, []

    def small(model: Any, prefix: Any, suffixes: Any, *more: Any) -> Any:
        sizes.append(len(suffixes))
        if len(suffixes) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(model, prefix, suffixes, *more)

    monkeypatch.setattr(decoding, "_generate", small)
    done.clear()
    found = TorchEngine(tiny_model, 6).generate(PROMPTS, max_new_tokens=8, stops=stops, done=done.append)
    assert found == expected
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]
    assert sum(done) == 6


def test_one_row_that_does_not_fit_is_an_error(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(decoding, "_generate", never)
    with pytest.raises(torch.OutOfMemoryError):
        TorchEngine(tiny_model, 4).generate(PROMPTS, max_new_tokens=2, stops=[0], done=lambda rows: None)


def test_paged_replies_are_those_of_our_loop(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library's continuous batching on the CPU, with rows that stop at different steps."""
    # by itself the library takes nine tenths of the free memory
    small = ContinuousBatchingConfig(num_blocks=8, max_batch_tokens=64)
    batched = partialmethod(type(tiny_model).generate_batch, continuous_batching_config=small)
    monkeypatch.setattr(type(tiny_model), "generate_batch", batched)
    stops = [
        reference_reply(tiny_model, PROMPTS[0], 8, [])[0][3],
        reference_reply(tiny_model, PROMPTS[1], 8, [])[0][1],
    ]
    before = tiny_model.config._attn_implementation
    ours = TorchEngine(tiny_model, 4).generate(PROMPTS, max_new_tokens=8, stops=stops, done=lambda rows: None)
    paged = PagedEngine(tiny_model, 4).generate(
        PROMPTS, max_new_tokens=8, stops=stops, done=lambda rows: None
    )
    assert "our own loop answers instead" not in capsys.readouterr().err
    assert paged == ours
    assert tiny_model.config._attn_implementation == before
    assert len({len(reply.tokens) for reply in ours}) > 1


def test_where_paging_fails_our_loop_answers(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Any, **_: Any) -> Any:
        raise ValueError("no blocks left")

    monkeypatch.setattr(type(tiny_model), "generate_batch", broken, raising=False)
    done: list[int] = []
    found = PagedEngine(tiny_model, 4).generate(PROMPTS, max_new_tokens=3, stops=[0], done=done.append)
    assert found == TorchEngine(tiny_model, 4).generate(
        PROMPTS, max_new_tokens=3, stops=[0], done=lambda rows: None
    )
    assert "no blocks left" in capsys.readouterr().err
    assert sum(done) == 6


def test_auto_is_our_loop(tiny_model: Any) -> None:
    assert local_engine(tiny_model, StudentSpec()).name == "torch"
    assert local_engine(tiny_model, StudentSpec(engine="paged")).name == "paged"
    assert local_engine(tiny_model, StudentSpec(engine="torch")).name == "torch"


def test_the_stop_token_is_no_part_of_a_reply() -> None:
    assert reply_of([4, 5, 0], [0]).tokens == [4, 5]
    assert not reply_of([0], [0]).truncated
    assert reply_of([4, 5], [0]).truncated
