"""From the user's files to the rows of a run."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.config.data import DataSpec, prepare_data
from app.config.splits import SPLITS
from graphs.artifacts import DataReport
from graphs.run_paths import RunPaths
from trainer.artifacts import write_jsonl
from trainer.data_files import DataError, read_examples
from trainer.text import comparable

Rows = Sequence[dict[str, Any]]


def rows(split: str, labels: str) -> Rows:
    return [
        {"id": f"{split}-{place}", "prompt": f"{split} text {place}", "completion": label}
        for place, label in enumerate(labels)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 a, 20 b and 4 c to train on, mixed."""
    write_jsonl(tmp_path / "data" / "train.jsonl", rows("train", "aab" * 20 + "cccc"))
    write_jsonl(tmp_path / "data" / "validation.jsonl", rows("validation", "abc"))
    write_jsonl(tmp_path / "data" / "test.jsonl", rows("test", "cba"))
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "run")


def prepare(
    folder: Path, run: RunPaths, seed: int = 0, task: str = "classification", **fields: Any
) -> DataReport:
    return prepare_data(DataSpec(folder=folder, **fields), task, seed, run)


def refused(folder: Path, run: RunPaths, **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepare(folder, run, **fields)
    assert not run.data_report.exists()
    assert not any(run.data(split).exists() for split in SPLITS)
    return str(caught.value)


def append(folder: Path, split: str, row: dict[str, Any]) -> None:
    with (folder / f"{split}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def trained(run: RunPaths) -> list[str]:
    return [example.id for example in read_examples(run.data("train"))]


class TestSpec:
    @pytest.mark.parametrize("value", ["data", {"folder": "data"}, {"folder": "data", "limit": None}])
    def test_folder(self, value: Any) -> None:
        spec = TypeAdapter(DataSpec).validate_python(value)
        assert spec.file("test", Path("/configs")) == Path("/configs/data/test.jsonl")

    def test_paths(self) -> None:
        spec = DataSpec.model_validate({"train": "a.jsonl", "validation": "/b.jsonl", "test": "../c.jsonl"})
        files = [str(spec.file(split, Path("/configs"))) for split in SPLITS]
        assert files == ["/configs/a.jsonl", "/b.jsonl", "/configs/../c.jsonl"]

    def test_a_path_goes_before_the_folder(self) -> None:
        spec = DataSpec.model_validate({"folder": "data", "test": "other.jsonl"})
        assert spec.file("test") == Path("other.jsonl")
        assert spec.file("train") == Path("data/train.jsonl")

    def test_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/ann")
        assert DataSpec(folder=Path("~/data")).file("test", Path("/configs")) == Path(
            "/home/ann/data/test.jsonl"
        )

    def test_plain_limit_is_for_train(self) -> None:
        limit = DataSpec.model_validate({"folder": "data", "limit": 5}).limit
        assert limit.model_dump(exclude_none=True) == {"train": 5}

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"train": "a"}, "`data` lacks validation and test"),
            ({}, "`data` lacks train and validation and test"),
            ({"folder": "data", "limit": 0}, "greater than or equal to 1"),
            ({"folder": "data", "limit": True}, "limit"),
            ({"folder": "data", "limit": {"train": 1, "dev": 2}}, "limit.dev"),
            ({"folder": "data", "trian": "x"}, "trian"),
        ],
    )
    def test_refused(self, value: Any, message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            DataSpec.model_validate(value)


class TestPrepare:
    def test_writes_rows_and_report(self, folder: Path, run: RunPaths) -> None:
        report = prepare(folder, run)
        assert report.model_dump() == json.loads(run.data_report.read_text())
        assert report.rows == {"train": 64, "validation": 3, "test": 3}
        assert "these checks only" in report.test_rows
        for split in SPLITS:
            assert read_examples(run.data(split)) == read_examples(folder / f"{split}.jsonl")

    def test_again_nothing_is_rewritten(self, folder: Path, run: RunPaths) -> None:
        report = prepare(folder, run, limit=10)
        before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*")}
        assert prepare(folder, run, limit=10) == report
        assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*")} == before

    def test_a_moved_but_unchanged_folder_is_the_same(self, folder: Path, run: RunPaths) -> None:
        prepare(folder, run)
        moved = folder.rename(folder.with_name("moved"))
        assert prepare(moved, run).rows["train"] == 64

    def test_interrupted_before_the_report_it_starts_over(self, folder: Path, run: RunPaths) -> None:
        report = prepare(folder, run, limit=10)
        chosen = trained(run)
        run.data_report.unlink()
        run.data("test").unlink()
        assert prepare(folder, run, limit=10) == report
        assert trained(run) == chosen

    def test_a_lost_split_is_written_again(self, folder: Path, run: RunPaths) -> None:
        prepare(folder, run, limit=10)
        chosen = trained(run)
        run.data("train").unlink()
        prepare(folder, run, limit=10)
        assert trained(run) == chosen

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"seed": 1}, "`seed` changed"),
            ({"limit": 7}, "`limit` changed"),
            ({"task": "exact_match"}, "`task` changed"),
        ],
    )
    def test_other_settings_on_the_same_run(
        self, folder: Path, run: RunPaths, change: dict[str, Any], message: str
    ) -> None:
        prepare(folder, run)
        with pytest.raises(DataError, match=message):
            prepare(folder, run, **change)

    def test_a_changed_file_on_the_same_run(self, folder: Path, run: RunPaths) -> None:
        prepare(folder, run)
        append(folder, "test", {"id": "new", "prompt": "new", "completion": "a"})
        with pytest.raises(
            DataError, match=r"data differ: the test file test.jsonl changed since it began.*`output`"
        ):
            prepare(folder, run)
        assert len(read_examples(run.data("test"))) == 3


class TestRefused:
    def test_missing_file(self, folder: Path, run: RunPaths) -> None:
        (folder / "validation.jsonl").unlink()
        assert refused(folder, run).startswith(
            f"data.validation: There is no file {folder / 'validation.jsonl'}."
        )

    def test_folder_in_place_of_a_file(self, folder: Path, run: RunPaths) -> None:
        assert refused(folder, run, test=folder).startswith(f"data.test: {folder} cannot be read:")

    @pytest.mark.parametrize("split", SPLITS)
    def test_empty_split(self, folder: Path, run: RunPaths, split: str) -> None:
        path = folder / f"{split}.jsonl"
        path.write_text("\n")
        assert refused(folder, run).startswith(f"data.{split}: {path} has no rows.")

    def test_faulty_row(self, folder: Path, run: RunPaths) -> None:
        append(folder, "validation", {"id": "x", "prompt": "p"})
        path = folder / "validation.jsonl"
        assert refused(folder, run).startswith(
            f"data.validation: {path}, line 4: the row has no `completion`"
        )

    def test_one_file_for_two_splits(self, folder: Path, run: RunPaths) -> None:
        other = folder / ".." / "data" / "test.jsonl"
        assert refused(folder, run, validation=other).startswith(
            "data.validation and data.test are the same file"
        )

    def test_ids_in_two_files(self, folder: Path, run: RunPaths) -> None:
        append(folder, "test", {"id": "train-1", "prompt": "p", "completion": "a"})
        append(folder, "test", {"id": "train-2", "prompt": "q", "completion": "a"})
        said = refused(folder, run)
        assert f"the train row 'train-1' ({folder / 'train.jsonl'}, line 2)" in said
        assert f"the test row 'train-1' ({folder / 'test.jsonl'}, line 4)" in said
        assert said.endswith("(Further such ids: 1.)")

    @pytest.mark.parametrize(
        ("one", "other"), [("train", "validation"), ("train", "test"), ("validation", "test")]
    )
    def test_a_prompt_in_two_splits(self, folder: Path, run: RunPaths, one: str, other: str) -> None:
        append(folder, other, {"id": "x", "prompt": f' "{one.upper()},  text 2"?', "completion": "a"})
        said = refused(folder, run)
        assert said.startswith("The same prompt is that of ")
        assert f"the {one} row '{one}-2' ({folder / f'{one}.jsonl'}, line 3)" in said
        assert f"the {other} row 'x' ({folder / f'{other}.jsonl'}, line 4)" in said

    def test_labels_that_train_never_shows(self, folder: Path, run: RunPaths) -> None:
        for number, label in enumerate("eed"):
            append(folder, "test", {"id": f"x{number}", "prompt": f"new {number}", "completion": label})
        said = refused(folder, run)
        assert said.startswith(
            f"data.test: {folder / 'test.jsonl'} has the label 'e' (rows: 2), the label 'd' (rows: 1)"
        )
        assert "which train never shows: " in said
        assert "limit" not in said

    def test_labels_that_the_limit_leaves_out(self, folder: Path, run: RunPaths) -> None:
        said = refused(folder, run, limit=2)
        assert "data.validation: " in said
        assert "the label 'c' (rows: 1), which train never shows under `data.limit`" in said
        assert "raise the limit" in said

    def test_unknown_task(self, folder: Path, run: RunPaths) -> None:
        assert "There is no task 'clasification'" in refused(folder, run, task="clasification")


def test_chats_that_end_alike_are_not_the_same(folder: Path, run: RunPaths) -> None:
    for split, opening in (("train", "Lost my card."), ("test", "Cancel it?")):
        turns = [("user", opening), ("assistant", "Sure?"), ("user", "yes"), ("assistant", "a")]
        messages = [{"role": role, "content": content} for role, content in turns]
        append(folder, split, {"id": f"chat-{split}", "messages": messages})
    assert prepare(folder, run).rows["test"] == 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Where's my card?", "where s MY\ncard", True),
        ("“Hello” – there", "hello, there!", True),
        ("3 + 4", "3 - 4", False),
        ("3 * 4?", "3 / 4?", False),
        ("1.5", "15", False),
        ("?", "!", False),
        ("Straße", "STRASSE", True),
    ],
)
def test_fold(one: str, other: str, same: bool) -> None:
    assert (comparable(one) == comparable(other)) is same


class TestLimit:
    def test_is_in_proportion_and_in_file_order(self, folder: Path, run: RunPaths) -> None:
        report = prepare(folder, run, limit=16)
        assert report.rows == {"train": 16, "validation": 3, "test": 3}
        assert report.rows_in_files["train"] == 64
        chosen = read_examples(run.data("train"))
        assert Counter(example.completion for example in chosen) == {"a": 10, "b": 5, "c": 1}
        places = [int(example.id.removeprefix("train-")) for example in chosen]
        assert places == sorted(places)

    def test_per_class(self, folder: Path, run: RunPaths) -> None:
        prepare(folder, run, limit={"per_class": 3, "test": 3})
        chosen = read_examples(run.data("train"))
        assert Counter(example.completion for example in chosen) == {"a": 3, "b": 3, "c": 3}

    def test_per_class_and_train(self, folder: Path, run: RunPaths) -> None:
        prepare(folder, run, limit={"per_class": 4, "train": 6})
        chosen = read_examples(run.data("train"))
        assert Counter(example.completion for example in chosen) == {"a": 2, "b": 2, "c": 2}

    def test_other_splits(self, folder: Path, run: RunPaths) -> None:
        report = prepare(folder, run, limit={"validation": 2, "test": 1})
        assert report.rows == {"train": 64, "validation": 2, "test": 1}

    def test_the_seed_alone_decides(self, folder: Path, tmp_path: Path) -> None:
        chosen = []
        for name, seed in (("one", 1), ("same", 1), ("other", 2)):
            prepare(folder, RunPaths(tmp_path / name), seed=seed, limit=16)
            chosen.append(trained(RunPaths(tmp_path / name)))
        assert chosen[0] == chosen[1] != chosen[2]
