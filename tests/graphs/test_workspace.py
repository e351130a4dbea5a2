"""What the nodes share: rows that are read once, the sealed test rows, failures and the corpus."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from graphs.artifacts import SealedAccess
from graphs.workspace import Workspace, log_test_access
from tests.graphs.loop_harness import new_loop
from tests.tiny_task import rows
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.records import Prediction


def accesses(workspace: Workspace) -> list[SealedAccess]:
    path = workspace.paths.test_access
    return [SealedAccess(**line) for line in read_jsonl(path)] if path.exists() else []


def test_test_rows_are_not_read_as_the_others(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    with pytest.raises(ValueError, match="sealed: use open_test"):
        workspace.examples("test")
    assert accesses(workspace) == []


def test_an_access_to_the_test_rows_is_on_file_with_its_reason(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    before = time.time()
    examples = workspace.open_test("for a test")
    assert [example.id for example in examples] == [row["id"] for row in rows("test", 40)]
    workspace.open_test("again")
    first, second = accesses(workspace)
    assert (first.reason, second.reason) == ("for a test", "again")
    assert first.process == os.getpid()
    assert before - 1 <= first.time <= second.time


def test_an_access_is_logged_even_if_the_rows_cannot_be_read(tmp_path: Path) -> None:
    """So no crash can hide that they were opened."""
    workspace = new_loop(tmp_path).workspace()
    workspace.paths.data("test").unlink()
    with pytest.raises(FileNotFoundError):
        workspace.open_test("lost")
    assert [access.reason for access in accesses(workspace)] == ["lost"]


def test_test_rows_stay_closed_if_the_access_cannot_be_logged(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    workspace.paths.test_access.mkdir()
    with pytest.raises(IsADirectoryError):
        workspace.open_test("nowhere to write it down")


def test_the_first_access_may_come_before_the_folder(tmp_path: Path) -> None:
    paths = new_loop(tmp_path / "other").paths
    log_test_access(type(paths)(tmp_path / "new"), "checks")
    assert (tmp_path / "new" / "test_access.jsonl").exists()


def test_rows_are_read_once(tmp_path: Path) -> None:
    """Thousands of branches need them."""
    workspace = new_loop(tmp_path).workspace()
    examples = workspace.examples("train")
    workspace.paths.data("train").unlink()
    assert workspace.examples("train") is examples


async def answered(workspace: Workspace, replies: dict[str, str]) -> None:
    """Round 0's student has answered these validation rows; score its replies."""
    predictions = [Prediction(id=name, text=text) for name, text in replies.items()]
    write_jsonl(workspace.paths.round(0).predictions("validation"), predictions)
    await workspace.score_round(0, "validation")


async def test_failures_are_the_wrong_answers_with_row_and_score(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    right, wrong = workspace.examples("validation")[:2]
    await answered(workspace, {right.id: right.completion, wrong.id: "nonsense"})
    failures = workspace.failures(0, "validation")
    assert list(failures) == [wrong.id]
    failure = failures[wrong.id]
    assert failure.id == wrong.id
    assert failure.for_teacher() == {
        "prompt": wrong.prompt,
        "expected": wrong.completion,
        "predicted": "nonsense",
    }
    assert failure.score_for_teacher()["value"] == 0


async def test_scores_are_for_the_rows_that_were_answered(tmp_path: Path) -> None:
    """A student answers a sample of train only."""
    workspace = new_loop(tmp_path).workspace()
    answered_row = workspace.examples("validation")[3]
    await answered(workspace, {answered_row.id: answered_row.completion})
    scores = workspace.round(0).scores("validation")
    assert [(score.id, score.correct) for score in scores] == [(answered_row.id, True)]


def test_accepted_rows_are_those_of_all_rounds_until_one(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    for round_number in (1, 2, 3):
        row = {"id": f"r{round_number}", "prompt": "p", "completion": "c"}
        write_jsonl(workspace.paths.round(round_number).accepted, [row])
    assert [row.id for row in workspace.accepted(2)] == ["r1", "r2"]
    assert workspace.accepted(0) == []


async def test_the_corpus_is_built_once_and_logs_that_it_reads_test_rows(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    corpus = await workspace.corpus(1)
    assert await workspace.corpus(2) is corpus
    assert [access.reason for access in accesses(workspace)] == [
        "compared with new rows, so that none of it leaks into training"
    ]
    workspace.forget_corpus()
    assert await workspace.corpus(2) is not corpus
    await workspace.aclose()


async def test_a_cancelled_branch_does_not_stop_the_corpus_for_the_others(tmp_path: Path) -> None:
    workspace = new_loop(tmp_path).workspace()
    branch = asyncio.create_task(workspace.corpus(1))
    await asyncio.sleep(0)
    branch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await branch
    corpus = await workspace.corpus(1)
    assert corpus.row(workspace.examples("train")[0].id)["prompt"] == workspace.examples("train")[0].prompt
    await workspace.aclose()
