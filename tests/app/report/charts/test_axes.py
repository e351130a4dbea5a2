"""What stands at the axes of charts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
import vl_convert

from app.report import charts
from trainer.specs import LossPoint


@dataclass
class Student:
    """A student with a score."""

    round: int
    validation: float
    ci95: tuple[float, float]
    promoted: bool = True
    reason: str = ""
    train_rows: int = 10


def texts(chart: Any) -> list[str]:
    return re.findall(r">([^<>]+)</text>", vl_convert.vegalite_to_svg(chart.to_dict()))


@pytest.mark.parametrize(
    "ends", [(0.0, 0.03), (0.0, 1.0), (0.97, 1.0), (0.0, 0.0), (0.5, 0.9), (1.0, 1.0)], ids=str
)
def test_the_axis_of_scores_stays_between_0_and_100_percent(ends: tuple[float, float]) -> None:
    students = [Student(number, sum(ends) / 2, ends) for number in range(2)]
    shown = [
        float(text.rstrip("%").replace("−", "-")) for text in texts(charts.scores(students)) if "%" in text
    ]
    assert shown
    assert min(shown) >= 0
    assert max(shown) <= 100


def test_steps_are_counted_in_whole_numbers() -> None:
    curve = [LossPoint(step=step, loss=1 / step, learning_rate=0.1) for step in (1, 2, 3)]
    shown = texts(charts.loss({0: curve}))
    before = shown[: shown.index("Optimizer step")]
    assert [text for text in before if text.replace(".", "").isdigit()] == ["1", "2", "3"]
