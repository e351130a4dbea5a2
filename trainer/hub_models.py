"""Models of the Hugging Face hub as folders of its cache. This module does not import torch.

`owner/name` is what the cache has, else the hub's newest commit; `owner/name@revision` is that commit, tag or branch. The
library reads the token from HF_TOKEN or its own login, the cache from HF_HOME, and stays offline with HF_HUB_OFFLINE.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from trainer.presets import split_revision

TEXTS = ["*.json", "*.jinja", "*.txt", "*.model"]
"""Config, tokenizer and template. Never code, and never a pickle."""
WEIGHTS = ["*model*.safetensors"]
"""Without the second copy in another layout (`consolidated.safetensors`) that some repositories have."""
ELSEWHERE = ["onnx/*", "openvino/*", "original/*", "gguf/*"]
"""Folders with other forms of the same model."""


class HubError(Exception):
    """A model of the hub cannot be had. The message says what to do."""


def fetch(name: str, *, weights: bool = True) -> Path:
    """The folder of a model; what the cache has of it is not asked for again.

    Args:
        name: `owner/name` or `owner/name@revision`.
        weights: False for config and tokenizer alone.

    Raises:
        HubError: it is not there, or not for this token, or there is no network.
    """
    with suppress(LocalEntryNotFoundError):  # not there, or not whole
        folder = _snapshot(name, weights, cached=True)
        if not weights or _has_weights(folder):
            return folder
    try:
        return _snapshot(name, weights, cached=False)
    except Exception as error:  # besides these, the library lets through whatever its HTTP client raises
        raise HubError(_explained(name, error)) from error


def find(name: str) -> None:
    """Refuse a model that cannot be had, before its weights are downloaded. Config and tokenizer are.

    Raises:
        HubError: see `fetch`.
    """
    fetch(name, weights=constants.HF_HUB_OFFLINE)  # offline, weights that the cache lacks would never come


def _snapshot(name: str, weights: bool, *, cached: bool) -> Path:
    repo, revision = split_revision(name)
    disable_progress_bars()  # they would be drawn over what the command shows, and fill the trainer's log
    try:
        folder = snapshot_download(
            repo,
            revision=revision,
            local_files_only=cached,
            allow_patterns=[*TEXTS, *WEIGHTS] if weights else TEXTS,
            ignore_patterns=ELSEWHERE,
        )
    except HFValidationError as error:
        raise HubError(f"{name!r} is no name on the hub (`owner/name`), and no folder.") from error
    return Path(folder)


def _has_weights(folder: Path) -> bool:
    """Whether all weights are there. Another program may have put a part of a model into the cache."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return any(folder.rglob("*.safetensors"))
    files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / file).exists() for file in files)


def _explained(name: str, error: Exception) -> str:
    repo, revision = split_revision(name)
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{repo}"
        return f"{repo} is gated: accept its terms at {page}, and set HF_TOKEN to a token of that account."
    if isinstance(error, RepositoryNotFoundError):
        return f"There is no model {repo} on the hub, or it is private. Check the name, or set HF_TOKEN to a token that may read it."
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{repo} has no revision {revision!r} on the hub. Name a commit, a tag or a branch after the @."
        )
    if isinstance(error, LocalEntryNotFoundError):
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        return (
            f"{name} is not, or not whole, in the hub's cache ({constants.HF_HUB_CACHE}), and {why}. Download it where there is "
            f"a network (`hf download {repo}`), or name a folder."
        )
    return f"{name} cannot be had from the hub: {' '.join(str(error).split())[:300] or type(error).__name__}"
