"""Files are complete or absent, even if writing fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from trainer.artifacts import (
    DamagedFileError,
    publish_folder,
    read_json,
    read_jsonl,
    read_model,
    read_models,
    whole_lines,
    write_json,
    write_jsonl,
    write_text,
)
from trainer.specs import LossPoint


def test_json_holds_models_paths_and_text_as_it_is(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "file.json", LossPoint(step=1, loss=0.5, learning_rate=0.1))
    assert read_json(tmp_path / "new" / "file.json") == {"step": 1, "loss": 0.5, "learning_rate": 0.1}
    write_json(tmp_path / "file.json", {"path": Path("a/b"), "text": "é"})
    text = (tmp_path / "file.json").read_bytes().decode()
    assert text == '{\n  "path": "a/b",\n  "text": "é"\n}\n'


def test_jsonl_is_one_object_a_line_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": "x\ny"}, LossPoint(step=2, loss=1.0, learning_rate=0.1)])
    assert path.read_text().splitlines() == [
        '{"a": "x\\ny"}',
        '{"step": 2, "loss": 1.0, "learning_rate": 0.1}',
    ]
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(read_jsonl(path)) == [{"a": 1}, {"a": 2}]


def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "earlier")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "later")
    assert path.read_text() == "earlier"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_a_published_folder_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    temporary, final = tmp_path / ".new", tmp_path / "model"
    for folder, name in ((final, "old.txt"), (temporary, "new.txt")):
        folder.mkdir()
        (folder / name).write_text("x")
    publish_folder(temporary, final)
    assert [path.name for path in final.iterdir()] == ["new.txt"]
    assert os.listdir(tmp_path) == ["model"]


class Point(BaseModel):
    x: int


@pytest.mark.parametrize("content", [b"", b'{"x": [1', b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"report\.json: the file is damaged \(.*Bring it back"):
        read_json(path)


@pytest.mark.parametrize("content", ["[1]", "null", '{"y": 1}', '{"x": "one"}'])
def test_a_file_that_holds_no_such_model_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "point.json"
    path.write_text(content)
    with pytest.raises(DamagedFileError, match=r"point\.json: the file is damaged"):
        read_model(Point, path)
    path.write_text('{"x": 1}')
    assert read_model(Point, path) == Point(x=1)


@pytest.mark.parametrize("line", [b"{", b"\xff"])
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": 1}\n' + line + b"\n")
    with pytest.raises(DamagedFileError, match=r"rows\.jsonl: the file is damaged"):
        list(read_jsonl(path))


@pytest.mark.parametrize("line", ['{"x": "one"}', "[1]", "null", "{"])
def test_a_line_that_holds_no_such_model_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "points.jsonl"
    path.write_text('{"x": 1}\n' + line + "\n")
    with pytest.raises(DamagedFileError, match=r"points\.jsonl: the file is damaged"):
        read_models(Point, path)
    path.write_text('{"x": 1}\n\n{"x": 2}\n')
    assert read_models(Point, path) == [Point(x=1), Point(x=2)]


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    assert whole_lines(file, 0) == ([], 0)
    file.write_bytes(b"one\ntw")
    assert whole_lines(file, 0) == ([b"one"], 4)
    file.write_bytes(b"one\ntwo\n")
    assert whole_lines(file, 4) == ([b"two"], 8)
    assert whole_lines(file, 0, 5) == ([b"one"], 4), "as much as is asked for"
