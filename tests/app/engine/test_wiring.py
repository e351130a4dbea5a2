"""What a run is put together of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import parse_config
from app.engine.wiring import open_workspace
from app.errors import ConfigError
from graphs.run_paths import RunPaths
from tests.fakes import FakeStudent
from tests.tiny_task import write_data


async def refused(tmp_path: Path, document: dict[str, Any]) -> str:
    """The error with which a run of the tiny task's rows is refused."""
    write_data(tmp_path / "run" / "data")
    loop = {"method": "vanilla"} | document.pop("loop", {})
    config = parse_config({"data": "data", "loop": loop} | document, "config.yaml", tmp_path)
    with pytest.raises(ConfigError) as caught:
        async with open_workspace(config, "run", RunPaths(tmp_path / "run"), FakeStudent()):
            pass
    return str(caught.value)


@pytest.mark.parametrize("key", ["oversample", "qc_blind"])
async def test_where_answers_to_new_rows_cannot_be_scored_nothing_asks_for_it(
    tmp_path: Path, key: str
) -> None:
    said = await refused(tmp_path, {"task": "mbpp", "loop": {key: 2}})
    assert said == f"loop.{key}: mbpp cannot score answers to new rows; leave it out."


@pytest.mark.parametrize(
    ("task", "label", "said"),
    [
        ("classification", "refunds", "no train row has the label 'refunds'; did you mean 'refund'?"),
        (
            "classification",
            "x",
            "no train row has the label 'x'; they have 'delivery', 'invoice', 'login', 'refund'.",
        ),
        ("exact_match", "x", "answers of exact_match are no labels; leave it out."),
    ],
)
async def test_a_described_label_must_be_one(tmp_path: Path, task: str, label: str, said: str) -> None:
    document = {"task": task, "label_descriptions": {label: "what it means"}}
    assert await refused(tmp_path, document) == f"label_descriptions: {said}"
