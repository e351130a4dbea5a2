"""A review on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.review import show
from app.engine.reviews import PendingReview
from graphs.run_paths import RunPaths
from trainer.artifacts import write_jsonl


def test_patterns_are_shown_with_their_strategies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = {
        "id": "r1-p0",
        "name": "Refunds\x1b[2J",
        "description": "Taken for exchanges.",
        "title": "Plain refunds",
        "instructions": "Write them.",
        "failures": 3,
    }
    show(PendingReview(about="patterns", round=1, patterns=[pattern]), tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("r1-p0  Refunds")
    assert lines[0].endswith("(3 failures)")
    assert "\x1b" not in lines[0]
    assert lines[2].strip() == "Plain refunds: Write them."
    assert "--veto ID" in lines[-1]


def test_rows_that_nobody_can_accept_are_only_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(name: str, verdict: str) -> dict[str, object]:
        return {
            "id": name,
            "prompt": f"prompt of {name}",
            "completion": "refund",
            "round": 1,
            "batch": "r1-b0",
            "origin": "pattern",
            "pattern": "r1-p0",
            "attempt": 1,
            "verdict": verdict,
            "reason": "",
        }

    rows = [row("judged", "judge"), row("taken", "accepted"), row("leaked", "leak")]
    write_jsonl(RunPaths(tmp_path).round(1).rows, rows)
    show(PendingReview(about="rows", round=1, accepted=1, rejected=1), tmp_path)
    out = capsys.readouterr().out
    assert out.index("prompt of taken") < out.index("prompt of judged"), "accepted rows come first"
    assert "prompt of leaked" not in out
    assert "1 row that nobody can accept are not shown (leak)." in out
    assert "--reject ID" in out
