"""The folder of a run, as commands get it, and its config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.config.given_path import CONFIGS, METADATA, is_named_as
from app.errors import ConfigError, FolderError

if TYPE_CHECKING:
    from app.config.run_config import RunConfig

RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]
LISTED = 4
"""Runs that an error names."""


def config_of(folder: Path) -> Path:
    """The config in a run's folder.

    Raises:
        FolderError: the folder holds no run; the message says what it is, and where runs are.
    """
    if not (folder / METADATA).exists():
        raise FolderError(f"{folder}: {_what_it_is(folder)}")
    return folder / "config.yaml"


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "there is no such folder. Give the folder of a run: the last line that `pada run` prints."
    if path.is_file():
        what = "this is a config" if is_named_as(path, CONFIGS) else "this is a file"
        return f"{what}, and not the folder of a run.{_runs_of(path)}"
    here = sorted(str(found.parent) for found in (*path.glob(f"*/{METADATA}"), *path.glob(f"*/*/{METADATA}")))
    if here:
        more = f" and {len(here) - LISTED} more" if len(here) > LISTED else ""
        return f"this is not the folder of a run, but has some: {', '.join(here[:LISTED])}{more}."
    started = f" Start one: pada run {path / 'config.yaml'}" if (path / "config.yaml").exists() else ""
    return f"this is not the folder of a run (it has no {METADATA}).{started}"


def _runs_of(path: Path) -> str:
    """Where the run of a config is."""
    from app.config.run_config import load_config

    try:
        folder = default_output(path, load_config(path))
    except ConfigError:
        return " Give the folder: the last line that `pada run` prints."
    there = (folder / METADATA).exists()
    return f" Its run is in {folder}." if there else f" It has no run yet; `pada run {path}` starts it."


def default_output(path: Path, config: RunConfig) -> Path:
    """The folder of the run of a config file, unless the command line names another."""
    return config.output or Path("runs", path.stem).resolve()


def read_config(path: Path) -> RunConfig:
    """A config file; from now on this process may import the task class that it names."""
    from app.config.run_config import load_config
    from trainer.tasks import add_task_folder

    config = load_config(path)
    if config.task_folder:
        add_task_folder(config.task_folder)
    return config
