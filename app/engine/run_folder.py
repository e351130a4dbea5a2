"""A run's folder: made once, owned by one process at a time, recognised when the run goes on."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from app.config.given_path import METADATA
from app.config.run_config import RunConfig
from app.engine.fresh_folder import LOCK, FolderBefore
from app.errors import FolderError
from app.launchers.processes import Process
from graphs.run_paths import RunPaths
from trainer.artifacts import read_model, write_json, write_text


class RunMetadata(BaseModel):
    """`run.json`: which run the folder holds."""

    run_id: str
    created: float
    """Seconds since the epoch."""
    identity: dict[str, Any]
    """The part of the config that makes it this run; see `RunConfig.identity`."""


@contextmanager
def owned(root: Path) -> Iterator[RunPaths]:
    """The folder, locked for this process. The lock ends with the process, however that ends. Its file names the process.

    A start that fails before its run has begun leaves no folder behind that was not there.

    Raises:
        FolderError: another process works on the run, or the folder cannot be made.
    """
    try:
        before = FolderBefore(root)
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FolderError(f"{root}: the run's folder cannot be made: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(
                f"{root}: another process is running this run. Wait for it, or end it first."
            ) from None
        name_owner(handle, str(Process.find(os.getpid()) or ""))
        try:
            with before.unless_begun():
                yield RunPaths(root)
        finally:
            name_owner(handle, "")
    finally:
        os.close(handle)


def name_owner(handle: int, name: str) -> None:
    """Write who holds the lock into its file; a full disk must not stop a run that could go on without it."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, name.encode(), 0)


def owner_of(root: Path) -> Process | None:
    """The process that works on the run, on this machine or another one; None if there is none."""
    try:
        owner = Process.parse((root / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return None if owner is None or owner.is_gone else owner


def open_run(paths: RunPaths, config: RunConfig, run_id: str | None = None) -> RunMetadata:
    """Start a new run in the folder, or recognise the run that it holds; writes the resolved config.

    Args:
        run_id: the id of a new run; None makes one.

    Raises:
        FolderError: the folder holds a run with other settings, or files but no run.
    """
    file = paths.root / METADATA
    if not file.exists():
        refuse_other_files(paths)
        write_config(paths, config)
        new = RunMetadata(run_id=run_id or uuid.uuid4().hex, created=time.time(), identity=config.identity())
        write_json(file, new)
    metadata = read_model(RunMetadata, file)
    if differing := differences(today(metadata.identity), config.identity()):
        raise FolderError(
            f"{paths.root}: this folder holds a run with other settings: {'; '.join(differing[:3])}. "
            "Choose another `output`, or restore the settings to continue this run."
        )
    write_config(paths, config)
    return metadata


def refuse_other_files(paths: RunPaths) -> None:
    """Raises FolderError when the folder has files and no run."""
    others = sorted(path.name for path in paths.root.iterdir() if path.name not in (LOCK, "owners"))
    if others and not paths.config.exists():
        raise FolderError(
            f"{paths.root}: the folder is not empty ({others[0]}) and holds no run. Choose another `output`."
        )


def write_config(paths: RunPaths, config: RunConfig) -> None:
    """Write the resolved config, all defaults included. It holds the names of API keys, never the keys."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(paths.config, text)


def today(identity: dict[str, Any]) -> dict[str, Any]:
    """The identity of a run that an earlier version began, as this version has it: new options have their defaults."""
    data = identity["data"]
    # an identity does not say where the files lie, and a config has to
    placed = data if data.get("hub") else data | {"folder": "."}
    try:
        return RunConfig.model_validate(identity | {"data": placed}).identity()
    except ValidationError:
        return identity  # a key has gone or has another meaning: the difference names it


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """`key was x, is y` for every setting that differs."""
    lines = []
    for key in {**old, **new}:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key} was {before!r}, is {after!r}")
    return lines
