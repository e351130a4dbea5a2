"""The files that a run's rows come from, by content: a run that goes on must find the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from graphs.artifacts import DataInputs, InputFile
from trainer.data_files import DataError


def data_inputs(limit: dict[str, int], task_name: str, seed: int, files: Mapping[str, Path]) -> DataInputs:
    """What the rows of a run depend on.

    Args:
        files: what a file is for, a split or `unlabeled` -> its place.

    Raises:
        DataError: a file cannot be read.
    """
    return DataInputs(
        task=task_name,
        seed=seed,
        limit=limit,
        files={use: InputFile(name=path.name, sha256=sha256_of(path, use)) for use, path in files.items()},
    )


def sha256_of(path: Path, use: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"data.{use}: There is no file {path}. Check the path in the config.") from None
    except OSError as error:
        raise DataError(f"data.{use}: {path} cannot be read: {error.strerror}.") from None


def refuse_change(before: DataInputs, now: DataInputs, root: Path) -> None:
    """Raises DataError where a run's rows would be others than when it began."""
    changed = [f"`{key}`" for key in ("task", "seed", "limit") if getattr(before, key) != getattr(now, key)]
    changed += [
        f"the {use} file {(now.files.get(use) or before.files[use]).name}"
        for use in dict.fromkeys((*before.files, *now.files))
        if content_of(before, use) != content_of(now, use)
    ]
    if changed:
        raise DataError(
            f"{root} holds a run whose data differ: {', '.join(changed)} changed since it began. "
            "Undo the change to go on with that run, or set another `output` to begin a new one."
        )


def content_of(inputs: DataInputs, use: str) -> str | None:
    """SHA-256 of a file; None where there is none for this use."""
    return inputs.files[use].sha256 if use in inputs.files else None
