"""Errors that pass once the machine has room again."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from tests.no_room import no_room
from trainer.storage import is_blocked


def test_a_full_disk_that_only_the_text_of_safetensors_tells(tmp_path: Path) -> None:
    with pytest.raises(SafetensorError) as full, no_room():
        save_file({"weight": torch.zeros(100_000)}, tmp_path / "model.safetensors")
    assert is_blocked(full.value)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (PermissionError(errno.EACCES, "Permission denied"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
        (ValueError("28"), False),
    ],
)
def test_other_errors(error: Exception, passes: bool) -> None:
    assert is_blocked(error) is passes
