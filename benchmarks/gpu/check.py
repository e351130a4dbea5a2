"""What every step is given: sizes, folders, and where figures go."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.results import ResultFile
from benchmarks.gpu.scale import Scale


class NotHereError(Exception):
    """A step cannot be run here; the message says why."""


@dataclass(frozen=True)
class Check:
    """One step at work."""

    name: str
    scale: Scale
    work: Path
    results: ResultFile

    @property
    def on_gpu(self) -> bool:
        """Whether this is the measurement; a rehearsal keeps to the CPU."""
        return self.scale.name == "full"

    def put(self, *keys: str, value: Any) -> None:
        """Write a figure of this step at once, and print it."""
        self.results.put("steps", self.name, *keys, value=value)
        sys.stdout.write(f"{'.'.join(keys)} = {json.dumps(value, default=str)[:400]}\n")

    def figure(self, step: str, *keys: str, default: Any = None) -> Any:
        """A figure that an earlier step wrote, or the default."""
        found: Any = self.results.read().get("steps", {}).get(step, {})
        for key in keys:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return found if found not in ({}, None) else default

    def model(self, shape: str) -> Path:
        """The folder of a student or of the embedder, made by the step `students`."""
        folder = self.work / "models" / shape
        if not (folder / "model.safetensors").exists():
            raise NotHereError(f"There is no {folder}: run the step `students` first.")
        return folder

    def folder(self, name: str) -> Path:
        """An empty folder of this step."""
        folder = self.work / self.name / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def file(self, name: str, rows: list[dict[str, Any]]) -> Path:
        """Rows as JSONL, in this step's folder."""
        path = self.work / self.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    @contextmanager
    def timed(self, *keys: str) -> Iterator[None]:
        """Write how many seconds a block took."""
        began = time.monotonic()
        yield
        self.put(*keys, value=time.monotonic() - began)
