"""A config that is right, and files of it and of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config.run_config import RunConfig, load_config
from app.errors import ConfigError

GOOD: dict[str, Any] = {
    "task": "classification",
    "data": {"train": "rows/a.jsonl", "validation": "rows/b.jsonl", "test": "/far/c.jsonl"},
    "teacher": {"base_url": "http://localhost:1/v1", "model": "big", "ledger": "../paid.sqlite"},
    "output": "runs/first",
}


def load(tmp_path: Path, document: object) -> RunConfig:
    path = tmp_path / "here" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return load_config(path)


def refused(tmp_path: Path, document: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, document)
    assert str(tmp_path / "here" / "config.yaml") in str(caught.value)
    return str(caught.value)
