"""Rows without answers: which may be chosen, in which form, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.config.data import DataSpec, prepare_data
from graphs.artifacts import DataReport, UnlabeledReport
from graphs.run_paths import RunPaths
from tests.tiny_task import request_of, rows, write_data, write_rows
from trainer.artifacts import read_jsonl
from trainer.data_files import DataError


def prepare(
    tmp_path: Path, *pool: dict[str, Any], task: str = "classification"
) -> tuple[DataReport, RunPaths]:
    data, run = tmp_path / "data", RunPaths(tmp_path / "run")
    if not data.exists():
        write_data(data)
    write_rows(tmp_path / "logs.jsonl", list(pool))
    spec = DataSpec(folder=data, unlabeled=tmp_path / "logs.jsonl")
    return prepare_data(spec, task, 0, run), run


def kept(run: RunPaths) -> list[dict[str, Any]]:
    return list(read_jsonl(run.data("unlabeled")))


def test_rows_get_the_form_of_the_train_rows_and_ids(tmp_path: Path) -> None:
    """Logs have what people wrote, without the words around it that all prompts of the task share."""
    row = rows("pool")[0]
    report, run = prepare(
        tmp_path, {"prompt": request_of(row["prompt"])}, {"id": 7, "prompt": rows("pool")[1]["prompt"]}
    )
    assert [(r["id"], r["prompt"]) for r in kept(run)] == [
        ("logs-1", row["prompt"]),
        ("7", rows("pool")[1]["prompt"]),
    ]
    assert report.unlabeled == UnlabeledReport(rows_in_file=2, rows=2, refused={})


def test_answers_are_left_out(tmp_path: Path) -> None:
    asked = rows("pool")[0]["prompt"]
    turns = [{"role": "user", "content": rows("pool")[1]["prompt"]}]
    _, run = prepare(
        tmp_path,
        {"prompt": asked, "completion": "what a model once said"},
        {"messages": [*turns, {"role": "assistant", "content": "what a model once said"}]},
        {"messages": [{**turns[0], "content": rows("pool")[2]["prompt"]}]},
    )
    assert "once said" not in run.data("unlabeled").read_text()
    assert [row["completion"] for row in kept(run)] == [""] * 3
    assert [row["messages"] for row in kept(run)][1] == turns


def test_rows_of_the_splits_and_repeats_are_refused_and_counted(tmp_path: Path) -> None:
    """Also in another spelling, and without the words that all prompts share."""
    split = [
        {"prompt": request_of(rows(name)[0]["prompt"]).upper()}
        for name in ("train", "validation", "test", "test")
    ]
    fresh = {"prompt": rows("pool")[0]["prompt"]}
    report, run = prepare(tmp_path, *split, fresh, fresh)
    assert [row["prompt"] for row in kept(run)] == [fresh["prompt"]]
    assert report.unlabeled == UnlabeledReport(
        rows_in_file=6, rows=1, refused={"test": 2, "train": 1, "unlabeled": 1, "validation": 1}
    )


def test_a_file_of_nothing_but_rows_of_the_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"logs.jsonl has no prompt of its own: .*\(2 of test\)"):
        prepare(tmp_path, *({"prompt": row["prompt"]} for row in rows("test")[:2]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "hello"}, "the row has no `prompt`"),
        ({"prompt": " "}, "`prompt` is empty"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, "`messages` is empty"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "robot", "content": "b"}]},
            "unknown role 'robot'",
        ),
    ],
)
def test_what_is_no_prompt_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, {"prompt": rows("pool")[0]["prompt"]}, row)
    assert str(caught.value).startswith(f"data.unlabeled: {tmp_path / 'logs.jsonl'}, line 2: ")
    assert message in str(caught.value)


def test_another_file_cannot_take_its_place_in_a_run(tmp_path: Path) -> None:
    first, second = ({"prompt": rows("pool")[n]["prompt"]} for n in (0, 1))
    prepare(tmp_path, first)
    assert prepare(tmp_path, first)[0].unlabeled
    with pytest.raises(DataError, match=r"the unlabeled file logs.jsonl changed since it began"):
        prepare(tmp_path, second)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    spec = DataSpec(folder=write_data(tmp_path / "data"), unlabeled=tmp_path / "no.jsonl")
    with pytest.raises(DataError, match=r"data.unlabeled: There is no file .*no.jsonl"):
        prepare_data(spec, "classification", 0, RunPaths(tmp_path / "run"))


def test_system_turns_that_all_train_rows_have_are_added(tmp_path: Path) -> None:
    system = {"role": "system", "content": "You sort mail."}
    data = write_data(tmp_path / "data")
    for split in ("train", "validation", "test"):
        found = [json.loads(line) for line in (data / f"{split}.jsonl").read_text().splitlines()]
        write_rows(
            data / f"{split}.jsonl",
            [row | {"messages": [system, {"role": "user", "content": row["prompt"]}]} for row in found],
        )
    asked = [row["prompt"] for row in rows("pool")[:2]]
    _, run = prepare(tmp_path, {"prompt": asked[0]}, {"messages": [{"role": "user", "content": asked[1]}]})
    assert [row["messages"] for row in kept(run)] == [
        [system, {"role": "user", "content": prompt}] for prompt in asked
    ]
