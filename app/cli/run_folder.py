"""The folder of a run, as commands get it, and its config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.errors import PadaError

if TYPE_CHECKING:
    from app.config.run_config import RunConfig

RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]


def config_of(folder: Path) -> Path:
    """The config in a run's folder; raises PadaError when the folder holds no run."""
    path = folder / "config.yaml"
    if not path.exists():
        raise PadaError(f"{folder}: this is not the folder of a run (it has no config.yaml).")
    return path


def read_config(path: Path) -> RunConfig:
    """A config file; from now on this process may import the task class that it names."""
    from app.config.run_config import load_config
    from trainer.tasks import add_task_folder

    config = load_config(path)
    if config.task_folder:
        add_task_folder(config.task_folder)
    return config
