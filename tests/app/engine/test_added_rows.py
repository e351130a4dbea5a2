"""The verdict of a row that a person adds, and what is said of its future."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.engine import added_rows
from app.engine.added_rows import add_row
from app.engine.row_text import RowText, next_step
from app.engine.run_status import RunStatus
from app.errors import Conflict
from graphs import person_rows
from graphs.artifacts import GateDecision
from graphs.rounds import Round
from tests.app.engine.rows_of_people import LEAK, NEW, begin_run
from tests.tiny_task import rows
from trainer.artifacts import write_jsonl


def test_the_checks_that_need_no_model_give_the_verdict(tmp_path: Path) -> None:
    paths, config = begin_run(tmp_path)
    train = rows("train", 1)[0]
    given = {
        "leak": LEAK,
        "duplicate": {key: train[key] for key in NEW},
        "invalid": NEW | {"completion": "weather"},
        "empty": NEW | {"completion": " \n"},
        "waiting": NEW,
    }
    for verdict, row in given.items():
        added = add_row(paths, config, RowText(**row))
        assert (added.checked.verdict, bool(added.checked.reason)) == (verdict, True)
    other = add_row(paths, config, RowText(**NEW | {"completion": "login"}))
    assert other.checked.verdict == "duplicate", "two answers to one prompt"
    assert (other.evidence or {})["id"] == person_rows.row_id(**NEW)
    assert len(person_rows.all_rows(paths)) == 6, "none gets lost"
    assert len(paths.test_access.read_text().splitlines()) == 6


def test_a_row_is_compared_with_those_that_rounds_have_accepted(tmp_path: Path) -> None:
    paths, config = begin_run(tmp_path)
    write_jsonl(paths.round(1).accepted, [{"id": "r1-b0-a1-0", **NEW}])
    assert add_row(paths, config, RowText(**NEW)).checked.verdict == "duplicate"


def test_too_many_that_wait_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, config = begin_run(tmp_path)
    monkeypatch.setattr(added_rows, "MOST_WAITING", 1)
    add_row(paths, config, RowText(**NEW))
    with pytest.raises(Conflict, match="1 rows of people wait"):
        add_row(paths, config, RowText(**LEAK))


def test_what_happens_to_it_is_said_honestly(tmp_path: Path) -> None:
    paths, config = begin_run(tmp_path, rounds=2)
    loop = config.loop
    for status in ("finished", "cancelled"):
        assert next_step(status, loop, paths).startswith(f"This run is {status}. The row is kept")
    waiting: tuple[RunStatus, ...] = ("queued", "running", "paused", "failed")
    for one in waiting:
        assert next_step(one, loop, paths).startswith("The next round of this run")
    plain = loop.model_copy(update={"method": "vanilla"})
    assert next_step("running", plain, paths).startswith("This run only fine-tunes on the given rows.")
    Round(paths, 1).write_gate(GateDecision(promoted=True, reason="", stopped="Nothing is wrong any more."))
    assert "its last round" in next_step("running", loop, paths)
    Round(paths, 1).paths.gate.unlink()
    write_jsonl(paths.round(2).batches, [])
    assert "its last round" in next_step("running", loop, paths)
