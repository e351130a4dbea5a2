"""A token bucket for each key."""

from __future__ import annotations

import pytest

from app.api.keys.rate_limit import Rates


def test_a_full_bucket_holds_a_minute_and_fills_within_one() -> None:
    now = [100.0]
    rates = Rates(60, clock=lambda: now[0])
    assert [rates.take("key") for _ in range(60)] == [0.0] * 60
    assert rates.take("key") == pytest.approx(1.0), "one request a second comes back"
    assert rates.take("other") == 0.0
    now[0] += 0.5
    assert rates.take("key") == pytest.approx(0.5)
    now[0] += 0.5
    assert rates.take("key") == 0.0
    now[0] += 3600
    assert [rates.take("key") for _ in range(60)] == [0.0] * 60
    assert rates.take("key") > 0, "no more than a minute's requests are saved up"
