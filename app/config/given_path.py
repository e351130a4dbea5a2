"""What a path is that was given in the place of a config file, or of the rows of a config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.config.splits import Split

TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".parquet")
"""How names of tables end, of which `pada init` makes rows."""
ROWS = (".jsonl", ".ndjson", *TABLES)
"""How names of files of rows end, and no others; each may be gzipped."""
CONFIGS = (".yaml", ".yml")
METADATA = "run.json"
"""The file that every folder of a run has."""
LISTED = 4


def why_no_config(path: Path) -> str | None:
    """What a path is that cannot be a config, and what is meant; None where it may be one."""
    if path.is_dir():
        return f"this is {_folder(path)}"
    if is_named_as(path, ROWS):
        return f"this is a file of rows, and no config. `pada init {path}` makes data and a config of it."
    return None


def is_named_as(path: Path, ends: tuple[str, ...]) -> bool:
    """Whether a file's name ends so, gzipped or not."""
    return path.name.lower().removesuffix(".gz").endswith(ends)


def _folder(path: Path) -> str:
    config = path / "config.yaml"
    if (path / METADATA).exists():
        return f"the folder of a run. To go on with the run: `pada run {config} --output {path}`."
    if config.exists():
        return f"a folder. Give the config in it: {config}"
    found = sorted(item for item in path.iterdir() if item.is_file())
    if configs := [str(item) for item in found if is_named_as(item, CONFIGS)]:
        more = f" and {len(configs) - LISTED} more" if len(configs) > LISTED else ""
        return f"a folder. Give one of the configs in it: {', '.join(configs[:LISTED])}{more}"
    if any(is_named_as(item, ROWS) for item in found):
        config = path.absolute().parent / "config.yaml"
        beside = f"its config may be {config}; else " if config.exists() else ""
        return f"a folder of rows, and no config: {beside}`pada init {path}` makes one."
    return "a folder without a config. `pada init FILE...` makes one of your files of rows."


def why_no_rows(files: Mapping[Split, Path], *, jsonl: bool) -> str | None:
    """What a config names as `data` that cannot be its three files, and what is meant; None where it may be them.

    Args:
        files: the split -> its file.
        jsonl: the task reads no other files.
    """
    folders = {path.parent for path in files.values()}
    folder = folders.pop()
    if not folders and folder.is_file():
        return (
            f"data: {folder} is a file. `data` is a folder with train.jsonl, validation.jsonl and test.jsonl; `pada init {folder}` "
            "makes it, and a config."
        )
    if not folders and not folder.exists():
        return f"data: there is no folder {folder}. Check the path in the config."
    names = {path.name for path in files.values()}
    inside = folder / "data"
    if (
        not folders
        and not any((folder / name).exists() for name in names)
        and (inside / "train.jsonl").exists()
    ):
        return f"data: {folder} has no train.jsonl, and {inside} has one: name that folder."
    for split, path in files.items():
        if jsonl and path.exists() and is_named_as(path, TABLES):
            return (
                f"data.{split}: {path} is a table, and a run reads JSONL. `pada init` makes JSONL of tables, and a config: "
                "docs/guides/init.md."
            )
    return None
