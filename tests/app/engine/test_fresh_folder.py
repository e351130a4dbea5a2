"""What a start that fails leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import parse_config
from app.engine.run_folder import owned
from app.engine.runner import Runner
from app.errors import FolderError, PadaError
from graphs.errors import LoopError
from graphs.run_paths import RunPaths
from graphs.teacher.cost import Charge
from graphs.teacher.ledger import Ledger
from tests.tiny_task import config_for, write_data
from trainer.artifacts import write_json
from trainer.data_files import DataError
from trainer.progress import ProgressLog

NOWHERE = "http://127.0.0.1:9/v1"


def start(root: Path, document: dict[str, Any]) -> None:
    asyncio.run(Runner(parse_config(document, "config.yaml", Path()), root, lambda _: None).run())


def tiny(data: Path, **changes: Any) -> dict[str, Any]:
    return config_for(data, broken_student(data.with_name("student")), NOWHERE) | changes


def broken_student(folder: Path) -> Path:
    """A student that is there, and cannot be loaded."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("no weights")
    return folder


def no_rows(document: dict[str, Any], data: Path) -> None:
    (data / "test.jsonl").unlink()


def a_bad_row(document: dict[str, Any], data: Path) -> None:
    (data / "test.jsonl").write_text("no JSON\n")


def no_key(document: dict[str, Any], data: Path) -> None:
    document["teacher"]["headers_env"] = {"api-key": "NO_SUCH_VARIABLE"}


def no_price(document: dict[str, Any], data: Path) -> None:
    document["budget"] = {"max_usd": 1}


def no_student(document: dict[str, Any], data: Path) -> None:
    document["student"]["model"] = "/no/such/model"


def no_embedder(document: dict[str, Any], data: Path) -> None:
    document["embedder"] = "/no/such/model"


def no_task(document: dict[str, Any], data: Path) -> None:
    document["task"] = "nowhere:Task"


@pytest.mark.parametrize("spoil", [no_rows, a_bad_row, no_key, no_price, no_student, no_embedder, no_task])
@pytest.mark.parametrize("before", ["missing", "empty"])
def test_a_run_that_never_begins_leaves_no_folder(
    tmp_path: Path, spoil: Callable[[dict[str, Any], Path], None], before: str
) -> None:
    data = write_data(tmp_path / "data", 8)
    document = tiny(data)
    spoil(document, data)
    root = tmp_path / "runs" / "deep" / "first"
    if before == "empty":
        root.mkdir(parents=True)
    with pytest.raises((PadaError, DataError, LoopError)):
        start(root, document)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "data",
        *["runs"] * (before == "empty"),
        "student",
    ]
    assert before == "missing" or list(root.iterdir()) == []


@pytest.mark.student
def test_a_student_that_cannot_be_loaded_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(LoopError, match="Cannot load the tokenizer"):
        start(tmp_path / "run", tiny(write_data(tmp_path / "data", 8)))
    assert not (tmp_path / "run").exists()


def fail(root: Path, made: Callable[[Path], None]) -> None:
    def failing() -> None:
        with owned(root):
            made(root)
            raise LoopError("It failed.")

    with pytest.raises(LoopError):
        failing()


def order(root: Path, *stages: str) -> None:
    """What a trainer leaves that has got so far."""
    write_json(root / "tuning" / "spec.json", {})
    log = ProgressLog(root / "tuning" / "progress.jsonl")
    for stage in stages:
        log.write(stage=stage, message="")


@pytest.mark.parametrize(
    ("stages", "kept"),
    [
        (("load", "error"), False),
        (("load", "train", "error"), True),
        (("load",), True),  # ended without a word: its log says more
        ((), True),
    ],
)
def test_what_a_trainer_has_done_is_kept(tmp_path: Path, stages: tuple[str, ...], kept: bool) -> None:
    fail(tmp_path / "run", lambda root: order(root, *stages))
    assert (tmp_path / "run" / "tuning").exists() == kept


def test_answers_of_a_student_are_kept(tmp_path: Path) -> None:
    fail(tmp_path / "run", lambda root: write_json(RunPaths(root).round(0).predictions("validation"), []))
    assert (tmp_path / "run" / "rounds").exists()


def test_answers_that_were_paid_for_are_kept(tmp_path: Path) -> None:
    def opened(root: Path) -> None:
        Ledger(root / "ledger.sqlite", "run").close()

    fail(tmp_path / "run", opened)
    assert not (tmp_path / "run").exists()

    async def ask(root: Path) -> None:
        ledger = Ledger(root / "ledger.sqlite", "run")
        await ledger.hold("key", "judge", "model", Charge(1, 1, 1, 0.0), lambda _: True)
        ledger.close()

    fail(tmp_path / "run", lambda root: asyncio.run(ask(root)))
    assert (tmp_path / "run" / "ledger.sqlite").exists()


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").touch()
    with pytest.raises(FolderError, match="is not empty"):
        start(tmp_path, tiny(write_data(tmp_path / "data", 8)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "notes", "student"]
    assert (tmp_path / "notes" / "thesis.tex").exists()


def test_the_folder_of_a_run_that_another_process_works_on_stays(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with owned(root):
        with pytest.raises(FolderError, match="another process"), owned(root):
            pass
        assert (root / ".lock").exists()


def test_a_start_that_was_stopped_can_go_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), owned(tmp_path / "run"):
        raise KeyboardInterrupt
    assert (tmp_path / "run").exists()
