"""Checkpoints are complete or absent, and only the newest stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer import checkpoints
from trainer.checkpoints import TrainState, last_checkpoint, save_checkpoint


def state(step: int) -> TrainState:
    return TrainState(fingerprint="f", dtype="float32", micro_batch_size=4, step=step, seconds=1.5)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    tensors = {"master": torch.arange(6.0), "exp_avg.0": torch.tensor([1.0, float("inf")])}
    save_checkpoint(tmp_path, state(12), tensors)
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint
    assert checkpoint[0] == state(12)
    assert checkpoint[1].keys() == tensors.keys()
    assert all(torch.equal(checkpoint[1][name], tensor) for name, tensor in tensors.items())


def test_a_newer_one_replaces_the_older_ones(tmp_path: Path) -> None:
    # 100 is newer than 9, also where names are compared as text
    for step in (9, 100):
        save_checkpoint(tmp_path, state(step), {"master": torch.ones(1) * step})
    assert len(list(tmp_path.iterdir())) == 1
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint
    assert checkpoint[0].step == 100
    assert checkpoint[1]["master"].item() == 100


def test_one_that_was_not_finished_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, state(1), {"master": torch.ones(1)})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "publish_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, state(2), {"master": torch.ones(1) * 2})
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint
    assert checkpoint[0].step == 1
    save_checkpoint(tmp_path, state(3), {"master": torch.ones(1) * 3})
    assert len(list(tmp_path.iterdir())) == 1, "the unfinished one is removed with the older ones"
