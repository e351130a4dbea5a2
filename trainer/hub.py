"""Loads a benchmark's rows with the `datasets` library, which is imported on first use. This module does not import torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.data_files import DataError
from trainer.presets import split_revision
from trainer.tasks.base import Hub


def load_split(hub: Hub, split: str, place: str | None = None) -> list[dict[str, Any]]:
    """The rows of one split as in the source, except that class numbers become class names.

    Args:
        hub: the task's own data set.
        split: name of the split in the source.
        place: read this copy instead: another repository, or a folder that holds a repository or was written by
            `save_to_disk`.

    Raises:
        DataError: the library is not installed, or it cannot load the split.
    """
    datasets = _library()
    try:
        rows = _load(datasets, hub, split, place)
    except Exception as error:  # the library has no common error: offline, gated, missing, broken files
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"The split {split!r} of {place or hub.path} cannot be loaded ({type(error).__name__}: {reason}). Check the "
            "name and the network, and HF_TOKEN for a gated or private one, or give the files under `data`."
        ) from error
    names = {
        key: feature.int2str
        for key, feature in rows.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    return [{key: names[key](value) if key in names else value for key, value in row.items()} for row in rows]


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError(
            "`data.hub` needs the datasets library. Install the extra: pip install 'pada[hub]'."
        ) from None
    return datasets


def _load(datasets: Any, hub: Hub, split: str, place: str | None) -> Any:
    if place is None:
        return datasets.load_dataset(
            hub.path, hub.name, split=split, revision=hub.revision, data_files=hub.files
        )
    if (Path(place) / "dataset_dict.json").exists():
        return _slice(datasets, datasets.load_from_disk(place), split)
    name, revision = (place, None) if Path(place).exists() else split_revision(place)
    has_name = hub.name in datasets.get_dataset_config_names(name, revision=revision)
    return datasets.load_dataset(name, hub.name if has_name else None, split=split, revision=revision)


def _slice(datasets: Any, saved: Any, split: str) -> Any:
    """A split of a saved data set, or a part of one, such as `test[:100]`."""
    sizes = {name: len(rows) for name, rows in saved.items()}
    [part] = datasets.ReadInstruction.from_spec(split).to_absolute(sizes)
    return saved[part.splitname].select(range(part.from_, part.to))
