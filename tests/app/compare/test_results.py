"""What is said of a difference."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli.compare_tables import show
from app.compare.models import Results, Row
from app.compare.results import corrected_verdict
from app.compare.statistics import Estimate
from app.compare.wording import headline


@pytest.mark.parametrize(
    ("low", "p_value", "said"),
    [(0.01, 0.01, "improved"), (0.01, 0.2, "no difference shown"), (-0.01, 0.01, "no difference shown")],
)
def test_improved_needs_the_interval_and_the_corrected_p_value(low: float, p_value: float, said: str) -> None:
    assert corrected_verdict(Estimate(0.05, low, 0.1, 0.01), p_value) == said


def test_the_table_says_improved_only_where_it_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {
        "task": "classification", "method": "random", "seeds": [0, 1], "accepted": 40.0, "trained_on": 40.0,
        "test_mean": 0.7, "ci95": (0.6, 0.8), "test": [0.7, 0.7], "vs_reference": None, "gain_per_row": 0.001,
        "gain_per_1k_tokens": None, "gain_per_training_second": None, "gain_per_usd": None,
        "calls": 1200, "tokens": 9, "usd": 0.5, "failures_fixed": None, "curve": [], "stopped": ["", ""],
    }  # fmt: skip
    improved = {
        "difference": 0.05,
        "ci95": (0.01, 0.09),
        "p_value": 0.0004,
        "verdict": "improved",
        "mcnemar": [0.01, 0.2],
    }
    not_shown = improved | {"ci95": (-0.01, 0.09), "p_value": 0.2, "verdict": "no difference shown"}
    rows: Any = [row | {"vs_vanilla": not_shown}, row | {"method": "pada", "vs_vanilla": improved}]
    results = Results(metric="accuracy", test_rows=100, training="equal epochs", reference="pada", rows=rows)
    show(results)
    printed = capsys.readouterr().out.splitlines()
    one, other = (next(line for line in printed if line.startswith(name)) for name in ("random", "pada"))
    assert "improved" not in one
    assert "+5.0 (-1.0 to +9.0)" in one
    assert "+5.0 (+1.0 to +9.0) improved" in other
    assert "< 0.001" in other
    rows.append(row | {"method": "auggpt", "vs_vanilla": improved | {"difference": 0.09}})
    assert headline(results) == "Better than plain fine-tuning: pada"
    ranked = results.model_copy(update={"rows": [Row(**each) for each in rows]})
    assert headline(ranked) == "Better than plain fine-tuning: auggpt and pada"
    rows += [row | {"method": name, "vs_vanilla": improved | {"difference": 0.01}} for name in ("a", "b")]
    many = results.model_copy(update={"rows": [Row(**each) for each in rows]})
    assert headline(many) == "Better than plain fine-tuning: auggpt, pada and 2 more"
    assert headline(results.model_copy(update={"rows": results.rows[:1]})).startswith("No method is shown")
