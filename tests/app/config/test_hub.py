"""A task's own data set, read by the `datasets` library from copies on disk: here they are made, and never fetched."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from datasets import ClassLabel, Dataset, DatasetDict

from app.api.runs.validation import admit
from app.cli.client import Client
from app.config.data import DataSpec, prepare_data
from app.config.run_config import load_config
from app.config.splits import SPLITS
from app.errors import ConfigError
from app.settings import Settings
from graphs.run_paths import RunPaths
from tests.trainer.tasks import native_rows
from trainer.data_files import DataError, read_examples
from trainer.records import Example
from trainer.tasks import load_task
from trainer.tasks.base import Hub
from trainer.text import comparable

SOURCES: dict[str, Any] = {
    "squad": native_rows.squad_rows,
    "arc_challenge": native_rows.arc_rows,
    "hellaswag": native_rows.hellaswag_rows,
    "gsm8k": native_rows.gsm8k_rows,
    "banking77": native_rows.banking_rows,
    "restaurant8k_slots": native_rows.restaurant_rows,
}


def source_of(task: str, count: int = 120) -> DatasetDict:
    """The splits that the source of a task has, each of other rows."""
    hub = load_task(task).hub
    assert hub
    names = {name for name in (hub.train, hub.validation, hub.test) if name is not None}
    return DatasetDict(
        {name: Dataset.from_list(SOURCES[task](count, seed)) for seed, name in enumerate(sorted(names))}
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def as_parquet(source: DatasetDict, folder: Path) -> None:
    """As repositories of the hub have them."""
    for name, rows in source.items():
        rows.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")


def prepared(task: str, copy: Path, run: Path, **fields: Any) -> dict[str, list[Example]]:
    paths = RunPaths(run)
    prepare_data(DataSpec(hub=str(copy), **fields), task, 0, paths)
    return {split: read_examples(paths.data(split)) for split in SPLITS}


@pytest.mark.parametrize("task", SOURCES)
@pytest.mark.parametrize("write", [as_parquet, DatasetDict.save_to_disk])
def test_every_benchmark_is_read(task: str, write: Any, copy: Path, tmp_path: Path) -> None:
    source = source_of(task)
    write(source, copy)
    rows = prepared(task, copy, tmp_path / "run")
    hub = load_task(task).hub
    assert hub
    if hub.validation:
        assert [len(rows[split]) for split in SPLITS] == [120, 120, 120]
    else:
        assert len(rows["test"]) == 120
        assert len(rows["train"]) + len(rows["validation"]) == 120
        assert 10 <= len(rows["validation"]) <= 15
    loaded = load_task(task, rows["train"])
    for example in rows["test"]:
        assert loaded.render(example).completion == example.completion
        assert loaded.unknown_label(example) is None
    published = [task_row for row in source[hub.test] if (task_row := loaded.convert(row))]
    assert [example.prompt for example in rows["test"]] == [row["prompt"] for row in published]


@pytest.mark.parametrize(("task", "field"), [("squad", "title"), ("hellaswag", "source_id")])
def test_rows_of_one_article_stay_together(task: str, field: str, copy: Path, tmp_path: Path) -> None:
    source_of(task).save_to_disk(copy)
    rows = prepared(task, copy, tmp_path / "run")
    titles = {split: {example.field(field) for example in rows[split]} for split in SPLITS}
    assert not titles["train"] & titles["validation"]


def test_validation_rows_are_drawn_in_proportion_to_the_labels(copy: Path, tmp_path: Path) -> None:
    source_of("banking77").save_to_disk(copy)
    rows = prepared("banking77", copy, tmp_path / "run")
    assert set(Counter(example.completion for example in rows["validation"]).values()) == {4}


def test_limits_hold_for_rows_of_the_hub(copy: Path, tmp_path: Path) -> None:
    source_of("banking77").save_to_disk(copy)
    rows = prepared("banking77", copy, tmp_path / "run", limit={"per_class": 5, "test": 9})
    assert set(Counter(example.completion for example in rows["train"]).values()) == {5}
    assert set(Counter(example.completion for example in rows["test"]).values()) == {3}


def test_classes_are_read_as_their_names(copy: Path, tmp_path: Path) -> None:
    source = source_of("banking77")
    names = ClassLabel(names=sorted(set(source["train"]["label"])))
    DatasetDict({name: rows.cast_column("label", names) for name, rows in source.items()}).save_to_disk(copy)
    rows = prepared("banking77", copy, tmp_path / "run")
    assert {example.completion for example in rows["test"]} == set(names.names)


def test_a_configuration_of_the_repository_is_found(copy: Path, tmp_path: Path) -> None:
    """`allenai/ai2_arc` holds two benchmarks."""
    for name, seed in (("ARC-Easy", 5), ("ARC-Challenge", 6)):
        for place, split in enumerate(SPLITS):
            rows = Dataset.from_list(native_rows.arc_rows(10, 10 * seed + place))
            rows.to_parquet(copy / name / f"{split}-00000-of-00001.parquet")
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{name}/{split}-*"} for split in SPLITS],
        }
        for name in ("ARC-Easy", "ARC-Challenge")
    ]
    (copy / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    rows = prepared("arc_challenge", copy, tmp_path / "run")
    assert {example.id.split("_")[1] for example in rows["train"]} == {"60"}


def test_the_published_files_of_restaurants8k_are_read(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are one JSON list each, whose rows differ in their keys."""
    task = load_task("restaurant8k_slots")
    files = {}
    for seed, split in enumerate(("train", "test")):
        path = tmp_path / f"{split}.json"
        rows = native_rows.restaurant_rows(60, seed)
        twice = {"slot": "time", "valueSpan": {"endIndex": 1}}
        rows.append({"userInput": {"text": "1 or 2"}, "labels": [twice, twice]})
        path.write_text(json.dumps(rows, indent=4))
        files[split] = str(path)
    monkeypatch.setattr(type(task), "hub", Hub(path="json", files=files))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    paths = RunPaths(tmp_path / "run")
    prepare_data(DataSpec(hub=True), "restaurant8k_slots", 0, paths)
    test = read_examples(paths.data("test"))
    assert len(test) == 60
    for row, example in zip(native_rows.restaurant_rows(60, 1), test, strict=True):
        text = row["userInput"]["text"]
        spans = {label["slot"]: label["valueSpan"] for label in row.get("labels", [])}
        wanted = {slot: text[span.get("startIndex", 0) : span["endIndex"]] for slot, span in spans.items()}
        assert json.loads(example.completion) == wanted
        assert ("The agent asked for: time" in example.prompt) is ("context" in row)


@pytest.mark.parametrize("write", [as_parquet, DatasetDict.save_to_disk])
def test_splits_may_be_parts_of_one(
    write: Any, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"train": "test[:50%]", "validation": "test[50%:75%]", "test": "test[75%:]"}
    monkeypatch.setattr(type(load_task("gsm8k")), "hub", Hub(path="made", **parts))
    source = DatasetDict({"test": Dataset.from_list(native_rows.gsm8k_rows(120))})
    write(source, copy)
    rows = prepared("gsm8k", copy, tmp_path / "run")
    assert [len(rows[split]) for split in SPLITS] == [60, 30, 30]
    asked = [example.prompt for split in SPLITS for example in rows[split]]
    assert asked == source["test"]["question"][:]


def test_prompts_that_splits_share_stay_in_test(copy: Path, tmp_path: Path) -> None:
    source = source_of("gsm8k")
    shared = source["test"][3]
    again = shared | {"question": shared["question"].upper()}
    source["train"] = Dataset.from_list([again, *source["train"]])
    source.save_to_disk(copy)
    rows = prepared("gsm8k", copy, tmp_path / "run")
    assert len(rows["test"]) == 120
    others = [comparable(example.prompt) for split in ("train", "validation") for example in rows[split]]
    assert len(others) == 120
    assert comparable(shared["question"]) not in others


def test_the_run_keeps_its_rows_when_the_source_is_gone(copy: Path, tmp_path: Path) -> None:
    source_of("gsm8k").save_to_disk(copy)
    before = prepared("gsm8k", copy, tmp_path / "run")
    copy.rename(tmp_path / "gone")
    assert prepared("gsm8k", copy, tmp_path / "run") == before
    assert prepared("gsm8k", tmp_path / "gone", tmp_path / "again") == before


def refused(task: str, hub: str | bool, run: Path) -> str:
    with pytest.raises(DataError) as caught:
        prepare_data(DataSpec(hub=hub), task, 0, RunPaths(run))
    return str(caught.value)


def test_what_cannot_be_read(copy: Path, tmp_path: Path) -> None:
    said = refused("gsm8k", str(copy), tmp_path / "run")
    assert said.startswith(f"The split 'train' of {copy} cannot be loaded (")
    assert "Check the name and the network" in said
    assert said.endswith("or give the files under `data`.")
    source = source_of("gsm8k")
    source["test"] = Dataset.from_list([{"question": "Why?", "answer": "42"}])
    source.save_to_disk(copy)
    assert "the completion does not end with a line `#### `" in refused("gsm8k", str(copy), tmp_path / "run")


def test_a_task_without_a_data_set_of_its_own(tmp_path: Path) -> None:
    said = refused("classification", True, tmp_path / "run")
    assert "the task 'classification' has no data set of its own" in said
    assert "arc_challenge" in said


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'pada[hub]'" in refused("gsm8k", True, tmp_path / "run")


def test_a_service_reads_no_folder_that_it_does_not_allow(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, allowed_paths=[tmp_path / "allowed"])

    def admitted(hub: str | bool) -> DataSpec:
        document = {"task": "gsm8k", "loop": {"method": "vanilla"}, "data": {"hub": hub}}
        return admit(document, None, settings).data

    with pytest.raises(ConfigError, match=r"config.data.hub: /etc lies in no folder of PADA_ALLOWED_PATHS"):
        admitted("/etc")
    with pytest.raises(ConfigError, match=r"config.data.hub: .* lies in no folder"):
        admitted("../etc")
    assert admitted(str(tmp_path / "allowed/copy")).hub == str(tmp_path / "allowed/copy")
    assert admitted(True).hub is True


def test_a_run_on_a_service_uploads_no_rows_of_the_hub(tmp_path: Path) -> None:
    posted = []

    def answer(request: httpx.Request) -> httpx.Response:
        posted.append((request.url.path, json.loads(request.content)))
        return httpx.Response(202, json={"id": "r1"})

    path = tmp_path / "config.yaml"
    path.write_text("task: gsm8k\nloop: {method: vanilla}\ndata: {hub: true, limit: 9}\n")
    client = Client("http://service", None)
    client._http = httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer))
    assert client.start(load_config(path)) == "r1"
    [(where, body)] = posted
    assert (where, body["dataset"]) == ("/v1/runs", None)
    assert body["config"]["data"] == {"hub": True, "limit": {"train": 9}}


def test_config(tmp_path: Path) -> None:
    def config(data: str) -> DataSpec:
        path = tmp_path / "config.yaml"
        path.write_text(f"task: gsm8k\nloop: {{method: vanilla}}\ndata: {data}\n")
        return load_config(path).data

    assert config("{hub: true, limit: 100}") == DataSpec(hub=True, limit=100)
    assert config("{hub: me/gsm8k}").hub == "me/gsm8k"
    (tmp_path / "copy").mkdir()
    assert config("{hub: copy}").hub == str(tmp_path / "copy")
    with pytest.raises(ConfigError, match="`data` has both `hub` and folder: keep one of them"):
        config("{hub: true, folder: rows}")
    with pytest.raises(ConfigError, match="or `hub: true`"):
        config("{hub: false}")
