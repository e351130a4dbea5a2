"""What the page and the summary both say of a run."""

from __future__ import annotations

from typing import Any

import pytest

from app.report.html import render_html
from app.report.summary import summary_lines
from graphs.artifacts import TeacherScore, TeacherScores
from graphs.report import RoundReport, UnlabeledRows
from tests.app.report.html_page import Page, plain
from tests.app.report.report_example import STATES


def test_the_teachers_own_score_stands_beside_the_students_with_its_cost() -> None:
    scores = TeacherScores(
        metric="accuracy",
        validation=TeacherScore(n=300, score=0.905, ci95=(0.867, 0.933), unanswered=2),
        test=TeacherScore(n=400, score=0.885, ci95=(0.85, 0.912), unanswered=0),
        calls=141,
        tokens=90_000,
        usd=0.21,
    )
    report = STATES["finished"].model_copy(update={"teacher_scores": scores})
    page = plain(Page(render_html(report)).text)
    assert "The teacher itself 90.5 % 86.7 to 93.3 %" in page
    assert "Teacher itself 88.5 % test accuracy, a ceiling" in page
    (line,) = (line for line in map(plain, summary_lines(report)) if line.startswith("The teacher itself"))
    assert line.startswith("The teacher itself: validation 90.5 % (86.7 to 93.3 %).")
    assert "300 validation rows without seeing their answers" in line
    assert "left 2 unanswered: 141 calls, $0.21." in line
    # from 60.5 to 70.3 on the test rows, of the way to 88.5
    assert "The best student has gone 35 % of the way to it from the baseline." in line
    assert line.partition("). ")[2] in page
    assert "teacher itself" not in Page(render_html(STATES["finished"])).text.lower()


def test_rounds_say_what_became_of_unlabelled_rows() -> None:
    report = STATES["finished"]
    rows = UnlabeledRows(left=1200, looked_at=640, refused=7, chosen=40, accepted=36)
    rounds = [report.rounds[0], report.rounds[1].model_copy(update={"unlabeled": rows}), *report.rounds[2:]]
    said = (
        "f 1,200 unlabelled rows it looked at 640, 7 of them too close to other rows; the teacher was asked about 40, and 36 "
        "were accepted."
    )
    changed = report.model_copy(update={"rounds": rounds})
    assert f"Round 1: o{said}" in plain(Page(render_html(changed)).text)
    assert f"  O{said}" in summary_lines(changed)


def with_trainer(item: RoundReport, **values: Any) -> RoundReport:
    return item.model_copy(update={"trainer": item.trainer.model_copy(update=values)})


@pytest.mark.parametrize(("baseline", "best", "warned"), [(87, 144, True), (144, 144, False)])
def test_a_best_student_with_more_steps_is_a_warning(baseline: int, best: int, warned: bool) -> None:
    report = STATES["finished"]
    rounds = [with_trainer(item, steps=baseline if item.round == 0 else best) for item in report.rounds]
    trained = report.model_copy(update={"rounds": rounds})
    warning = f"more steps than the baseline ({best}, not {baseline})"
    assert (warning in summary_lines(trained)[1]) == warned
    assert (warning in Page(render_html(trained)).text) == warned
    unfinished = trained.model_copy(update={"test": None})
    assert warning not in " ".join(summary_lines(unfinished))


def test_warnings_of_the_trainer_are_shown_with_the_result() -> None:
    report = STATES["running"]
    *before, last = report.rounds
    warned = report.model_copy(
        update={"rounds": [*before, with_trainer(last, warnings=["3 answers are too long."])]}
    )
    assert summary_lines(warned)[1] == "3 answers are too long."
    assert "3 answers are too long." in Page(render_html(warned)).text
    assert "answers are too long" not in Page(render_html(report)).text


@pytest.mark.parametrize(("last", "warned"), [(0.0, True), (0.01, False)])
def test_students_that_get_nothing_right_are_a_warning(last: float, warned: bool) -> None:
    report = STATES["running"]
    nothing = [item.model_copy(update={"validation": 0.0}) for item in report.rounds]
    rounds = [*nothing[:-1], nothing[-1].model_copy(update={"validation": last})]
    changed = report.model_copy(update={"rounds": rounds})
    warning = f"No student gets a validation row right. Look at the replies in rounds/{rounds[-1].round}/predictions/"
    assert (warning in " ".join(summary_lines(changed))) == warned
    assert (warning in Page(render_html(changed)).text) == warned
