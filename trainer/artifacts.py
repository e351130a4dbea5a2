"""Reads and writes files. A file that is written here is complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trainer.data_files import DataError
from trainer.fencing import check_fences, sync_folder

Model = TypeVar("Model", bound=BaseModel)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is complete or absent, even after a power failure.

    Raises:
        OSError: the disk is full, or the folder is not writable. The temporary file is removed.
        Superseded: another process owns the run, see `fencing.guard`. The temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        check_fences(path)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def dump(value: Any) -> Any:
    """`value` as JSON data. Pydantic models become objects; other values stay as they are."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, atomically."""
    write_text(path, json.dumps(dump(value), ensure_ascii=False, indent=2, default=str) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, "".join(json.dumps(dump(row), ensure_ascii=False, default=str) + "\n" for row in rows))


class DamagedFileError(DataError, ValueError):
    """A file that was written here is not as it was written: something else has changed it, or it is of another version.

    It is a ValueError too, as JSON's own errors are.
    """

    def __init__(self, path: Path, what: object):
        super().__init__(f"{path}: the file is damaged ({what}). Bring it back from a copy of the folder.")


def read_json(path: Path) -> Any:
    """Read one JSON document.

    Raises:
        DamagedFileError: it is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, error) from None


def read_model(kind: type[Model], path: Path) -> Model:
    """Read one JSON document that holds such a model.

    Raises:
        DamagedFileError: it holds none.
    """
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        raise DamagedFileError(path, _first(error)) from None


def read_models(kind: type[Model], path: Path) -> list[Model]:
    """Read a JSONL file in which each line holds such a model.

    Raises:
        DamagedFileError: a line is no JSON, or holds none.
    """
    try:
        return [kind.model_validate(row) for row in read_jsonl(path)]
    except ValidationError as error:
        raise DamagedFileError(path, _first(error)) from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file that `write_jsonl` wrote. Blank lines are skipped.

    Raises:
        DamagedFileError: a line is no JSON.
    """
    with path.open(encoding="utf-8") as file:
        try:
            for line in file:
                if line.strip():
                    yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DamagedFileError(path, error) from None


def whole_lines(path: Path, position: int, most: int = -1) -> tuple[list[bytes], int]:
    """The whole lines of a file that grows, from a position on (bytes), and the position after them.

    Args:
        most: bytes to read; -1 reads to the end.
    """
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read(most)
    except FileNotFoundError:
        return [], position
    whole = data[: data.rfind(b"\n") + 1]
    return whole.splitlines(), position + len(whole)


def publish_folder(temporary: Path, final: Path) -> None:
    """Rename a finished folder to its final name and replace an earlier folder of that name.

    The files are synced first, so if the folder exists, its content is on disk.
    """
    for path in temporary.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    check_fences(final)
    if final.exists():
        shutil.rmtree(final)
    os.replace(temporary, final)
    sync_folder(final.parent)
