"""Checkpoints of a training run. A checkpoint is complete or absent, and consists of safetensors and JSON only."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.artifacts import publish_folder, read_model, write_json
from trainer.specs import LossPoint

MANIFEST = "manifest.json"
TENSORS = "state.safetensors"


class TrainState(BaseModel):
    """Progress of a run. With the optimizer's tensors, it is all that a resumed run needs.

    The order of the rows and the random numbers of a step depend only on the seed and the step.
    """

    fingerprint: str
    """Hash of everything that determines the result. A checkpoint of another run is refused."""
    dtype: str
    micro_batch_size: int
    step: int = 0
    loss: list[LossPoint] = []
    rows: int = 0
    """Rows seen, in all epochs."""
    completion_tokens: int = 0
    """Labels seen, in all epochs."""
    seconds: float = 0.0
    """Training time of all attempts."""
    out_of_memory: list[str] = []
    skipped: list[int] = []
    """Steps whose gradient overflowed float16."""
    loss_scale: dict[str, int | float] = {}
    """State of `torch.amp.GradScaler`; empty in other precisions."""
    resumed_from: list[int] = []


def checkpoints_folder(output: Path) -> Path:
    """Where a run keeps its checkpoints."""
    return output / "checkpoints"


def save_checkpoint(folder: Path, state: TrainState, tensors: dict[str, Tensor]) -> None:
    """Write `folder/step-N` and remove older checkpoints.

    The files are written to a temporary folder, the manifest last. Then the folder gets its final name.
    """
    name = f"step-{state.step:08d}"
    temporary = folder / f".{name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({key: tensor.cpu() for key, tensor in tensors.items()}, temporary / TENSORS)
    write_json(temporary / MANIFEST, state)
    publish_folder(temporary, folder / name)
    for older in folder.iterdir():
        if older.name.lstrip(".") < name:
            shutil.rmtree(older)


def last_checkpoint(folder: Path) -> tuple[TrainState, dict[str, Tensor]] | None:
    """The newest checkpoint in `folder`, or None. Its tensors are on the CPU."""
    newest = max(folder.glob("step-*"), default=None)
    if newest is None:
        return None
    state = read_model(TrainState, newest / MANIFEST)
    return state, load_file(newest / TENSORS)
