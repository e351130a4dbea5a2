"""The summary on the terminal."""

from __future__ import annotations

from app.report import wording
from app.report.summary import summary_lines
from graphs.report import Report
from tests.app.report.report_example import STATES


def test_summary_tells_score_patterns_and_cost() -> None:
    lines = [line.replace(wording.NARROW, " ") for line in summary_lines(STATES["finished"])]
    assert lines[0].startswith("The student improved by 9.8 points. Test accuracy rose from 60.5 % to 70.3 %")
    assert (
        "All students: learning rate 0.0006, 90 steps; best of 3 trials with the baseline on validation"
        in lines
    )
    assert "Before any fine-tuning: test accuracy 3.1 %" in lines
    assert "  Two intents in one message: 3 fixed, 6 unmoved, of 9 failures" in lines
    assert lines[-1] == (
        "288 accepted rows, 358 teacher calls (12 more came from the ledger), $0.75, 9 min 15 s"
    )


def test_summary_cannot_steer_the_terminal() -> None:
    report: Report = STATES["failed"].model_copy(update={"stopped": "bad\x1b[2J\r\nnews\u202e"})
    lines = summary_lines(report)
    assert "Failed: bad [2J news" in lines
    assert all(line.isprintable() for line in (line.replace(wording.NARROW, " ") for line in lines))
