"""Numbers in words."""

from __future__ import annotations

import pytest

from app.report import wording


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.percent(0.7239), "72.4 %"),
        (wording.points(0.1), "+10.0 points"),
        (wording.points(-0.0004), "0.0 points"),
        (wording.points(-0.034), "−3.4 points"),
        (wording.interval((-0.02, 0.041)), "−2.0 to +4.1"),
        (wording.score_interval((0.66, 0.781)), "66.0 to 78.1 %"),
        (wording.p_value(0.0004), "p < 0.001"),
        (wording.p_value(0.0342), "p = 0.034"),
        (wording.duration(4.21), "4.2 s"),
        (wording.duration(59.7), "1 min 00 s"),
        (wording.duration(312), "5 min 12 s"),
        (wording.duration(3780), "1 h 03 min"),
        (wording.money(0.0031), "$0.0031"),
        (wording.money(1234.5), "$1,234.50"),
        (wording.tokens(999_960), "1.0M"),
        (wording.plural(1, "row"), "1 row"),
        (wording.plural(1204, "row"), "1,204 rows"),
    ],
)
def test_numbers_in_words(said: str, expected: str) -> None:
    assert said.replace(wording.NARROW, " ") == expected
