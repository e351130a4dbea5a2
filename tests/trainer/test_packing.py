"""How rows are laid out for one forward pass."""

from __future__ import annotations

from tests.trainer.token_rows import LONG, PREFIX, SHORT
from trainer.packing import pack, pad


def test_prefix_is_there_once() -> None:
    batch = pack(SHORT, 0, hidden_size=1000)
    own = sum(row.length - 1 - len(PREFIX) for row in SHORT)
    assert batch.input_ids.shape == (1, len(PREFIX) + own)
    assert batch.targets.numel() == batch.keep.sum() == sum(len(row.completion) for row in SHORT)


def test_long_rows_do_not_attend_to_each_other_for_nothing() -> None:
    assert pack(LONG, 0, hidden_size=16).input_ids.shape[0] == len(LONG)
    assert pack(LONG, 0, hidden_size=10_000).input_ids.shape[0] == 1


def test_padding_is_no_label() -> None:
    batch = pad(SHORT, 0)
    assert batch.keep.sum(1).tolist() == [len(row.completion) for row in SHORT]
    assert batch.input_ids[batch.keep].tolist() == [
        token for row in SHORT for token in (row.prompt + row.completion)[len(row.prompt) - 1 : -1]
    ]
