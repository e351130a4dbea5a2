"""Only the owner with the highest token may write into a run's folder; see also app/executor/test_fence.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer import fencing
from trainer.artifacts import publish_folder, write_text
from trainer.fencing import Fence, Superseded, guard
from trainer.progress import Progress, ProgressLog


@pytest.fixture(autouse=True)
def own_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    """`guard` lasts as long as the process, so a test must not leave its fence to the next test."""
    monkeypatch.setattr(fencing, "_fences", [])


def test_a_later_owner_may_take_a_run_and_an_earlier_one_may_not(tmp_path: Path) -> None:
    # 10 is later than 9 as a number, not as text
    first, later = (Fence(folder=tmp_path / "owners", token=token) for token in (9, 10))
    first.take()
    first.check()
    later.take()
    later.check()
    with pytest.raises(Superseded, match="was taken over by another process"):
        first.check()
    with pytest.raises(Superseded):
        first.take()


def test_every_way_to_write_is_refused_to_an_earlier_owner(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fence = Fence(folder=run / "owners", token=1)
    fence.take()
    guard(fence)
    write_text(run / "rounds" / "file.txt", "mine")
    Fence(folder=run / "owners", token=2).take()

    with pytest.raises(Superseded):
        write_text(run / "rounds" / "file.txt", "late")
    with pytest.raises(Superseded):
        ProgressLog(run / "progress.jsonl")(Progress(time=0, stage="train"))
    (tmp_path / "new").mkdir()
    with pytest.raises(Superseded):
        publish_folder(tmp_path / "new", run / "model")
    assert (run / "rounds" / "file.txt").read_text() == "mine"
    assert sorted(path.name for path in run.iterdir()) == ["owners", "rounds"]


def test_a_fence_is_for_its_own_run(tmp_path: Path) -> None:
    fence = Fence(folder=tmp_path / "one" / "owners", token=1)
    fence.take()
    guard(fence)
    Fence(folder=tmp_path / "one" / "owners", token=2).take()
    write_text(tmp_path / "other" / "file.txt", "x")
    assert (tmp_path / "other" / "file.txt").exists()
