"""A run that has read its rows and trained nothing, for rows that people add to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.config.run_config import RunConfig, parse_config
from graphs.run_paths import RunPaths
from tests.tiny_task import AFTER, BEFORE, config_for, rows
from trainer.artifacts import write_json, write_jsonl, write_text

NEW = {
    "prompt": f"{BEFORE}nobody could say where the repay of last autumn went{AFTER}",
    "completion": "refund",
}
LEAK = {key: rows("validation", 1)[0][key] for key in ("prompt", "completion")}


def begin_run(folder: Path, **loop: Any) -> tuple[RunPaths, RunConfig]:
    """The run's folder as it is once its rows are read."""
    paths = RunPaths(folder)
    for split in ("train", "validation", "test"):
        write_jsonl(paths.data(split), rows(split, 40))
    write_json(paths.data_report, {})
    document = config_for(folder / "data", "builtin:smollm2-135m", "http://127.0.0.1:9/v1", loop=loop)
    config = parse_config(document, "config", folder)
    write_text(paths.config, yaml.safe_dump(config.model_dump(mode="json")))
    return paths, config
