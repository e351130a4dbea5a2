"""A run's folder: made once, owned by one process at a time, recognised when the run goes on."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from app.config.run_config import RunConfig
from app.errors import FolderError
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, write_json, write_text


@contextmanager
def owned(root: Path) -> Iterator[RunPaths]:
    """The folder, locked for this process; the lock goes with the process however it ends.

    Raises:
        FolderError: another process works on it, or it cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FolderError(f"{root}: the run's folder cannot be made: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(
                f"{root}: another process is running this run. Wait for it, or end it first."
            ) from None
        yield RunPaths(root)
    finally:
        os.close(handle)


def enter(paths: RunPaths, config: RunConfig, run_id: str | None = None) -> dict[str, Any]:
    """The run's card (`run_id`, `created`): a new one, or that of the run that goes on.

    Args:
        run_id: of a new run; None makes one.

    Raises:
        FolderError: the folder holds a run with other settings, or files that are no run.
    """
    card = paths.root / "run.json"
    if not card.exists():
        strangers = sorted(path.name for path in paths.root.iterdir() if path.name not in (".lock", "owners"))
        if strangers and not paths.config.exists():
            raise FolderError(
                f"{paths.root}: the folder is not empty ({strangers[0]}) and holds no run. Choose another `output`."
            )
        keep_config(paths, config)
        name = run_id or uuid.uuid4().hex
        write_json(card, {"run_id": name, "created": time.time(), "identity": config.identity()})
    found: dict[str, Any] = read_json(card)
    if differing := differences(found["identity"], config.identity()):
        raise FolderError(
            f"{paths.root}: this folder holds a run with other settings: {'; '.join(differing[:3])}. "
            "Choose another `output`, or put the settings back to go on with it."
        )
    keep_config(paths, config)
    return found


def keep_config(paths: RunPaths, config: RunConfig) -> None:
    """Write the settled config, all defaults included; it holds names of keys, never keys."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(paths.config, text)


def differences(old: dict[str, Any], new: dict[str, Any], where: str = "") -> list[str]:
    """`key was x, is y` for every setting that differs."""
    found = []
    for key in {**old, **new}:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, f"{where}{key}.")
        elif before != after:
            found.append(f"{where}{key} was {before!r}, is {after!r}")
    return found
