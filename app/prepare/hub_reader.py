"""Data sets of the hub by name, through the `datasets` library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.splits import SPLITS, Split
from app.prepare.json_reader import SPLIT_NAMES, refuse_signs
from app.prepare.parquet_reader import plain
from app.prepare.tables import MAX_ROWS, InputError, RowFault, Table, check_columns, names
from trainer.presets import split_revision

PREFIX = "hub:"


def read_hub(given: str) -> list[Table]:
    """The splits of `hub:owner/name`, with `@revision` and `:config` if need be; a local folder may stand for the name.

    Classes are names and not numbers. A test split without labels is not told here: its rows have no answer.

    Raises:
        InputError: the library is not installed, or cannot load the data set.
    """
    place, _, config = given.removeprefix(PREFIX).partition(":")
    datasets = _library(given)
    try:
        found = _load(datasets, place, config or None)
    except Exception as error:  # the library has no common error: offline, gated, missing, broken files
        reason = " ".join(str(error).split())[:400]
        raise InputError(
            f"{given}: the data set cannot be loaded ({type(error).__name__}: {reason}). "
            "Check the name and the network, and HF_TOKEN for a gated or private one; a configuration is named as "
            "hub:owner/name:config."
        ) from None
    splits = {name: SPLIT_NAMES.get(name.casefold()) for name in found}
    if not any(splits.values()) and len(found) == 1:
        splits = dict.fromkeys(found)
    chosen = {name: split for name, split in splits.items() if split or len(found) == 1}
    if not chosen:
        raise InputError(f"{given}: none of its splits {names(list(found))} is a {', '.join(SPLITS)} split.")
    if sum(len(found[name]) for name in chosen) > MAX_ROWS:
        raise InputError(f"{given}: more than {MAX_ROWS:,} rows. Save a part of it as files and give those.")
    tables = [_table(datasets, f"{given} {name}", split, found[name]) for name, split in chosen.items()]
    if others := [name for name in found if name not in chosen]:
        tables[0].notes.append(f"{given}: the splits {names(others)} were not read.")
    return tables


def _library(given: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"{given}: this needs the datasets library. Install the extra: pip install 'pada[hub]'."
        ) from None
    return datasets


def _load(datasets: Any, place: str, config: str | None) -> Any:
    if (Path(place) / "dataset_dict.json").exists() or (Path(place) / "state.json").exists():
        found = datasets.load_from_disk(place)
        return found if isinstance(found, dict) else {"train": found}
    name, revision = (place, None) if Path(place).exists() else split_revision(place)
    return datasets.load_dataset(name, config, revision=revision)


def _table(datasets: Any, name: str, split: Split | None, rows: Any) -> Table:
    table = Table(name, split, "data set of the hub", list(rows.column_names))
    check_columns(table.columns, name)
    media = [key for key, feature in rows.features.items() if _is_media(feature)]
    rows = rows.remove_columns(media)
    table.leave_out(media)
    classes = {
        key: feature.int2str
        for key, feature in rows.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    for number, row in enumerate(rows, 1):
        # -1 is what data sets have where the label is kept secret
        values = {
            key: (classes[key](value) if value not in (None, -1) else None)
            if key in classes
            else plain(value)
            for key, value in row.items()
        }
        try:
            refuse_signs("".join(value for value in values.values() if isinstance(value, str)))
            table.add("row", number, values)
        except RowFault as fault:
            table.skip("row", number, str(fault), values)
    return table


def _is_media(feature: Any) -> bool:
    """Whether a column has pictures, sound or the like, which the library would decode."""
    if isinstance(feature, dict | list):
        return any(map(_is_media, feature.values() if isinstance(feature, dict) else feature))
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return _is_media(inner)
    return hasattr(feature, "decode") and type(feature).__name__ != "Json"
