"""The result file: each figure is on disk the moment it is measured."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


class ResultFile:
    """A JSON document that is changed one value at a time, each time atomically.

    One process writes at a time: the runner waits while a step works.

    Args:
        path: an existing file is continued, so that a second try adds to the first.
    """

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> dict[str, Any]:
        """The document so far."""
        if not self.path.exists():
            return {}
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    def put(self, *keys: str, value: Any) -> None:
        """Set `document[key][key]...` to a value; objects on the way are made."""
        document = place = self.read()
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = rounded(value)
        self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        os.chmod(name, 0o644)
        os.replace(name, self.path)


def rounded(value: Any) -> Any:
    """Floats to six significant digits, so that the file reads well."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value
