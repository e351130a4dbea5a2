"""`/comparisons`: the list, a comparison at work, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.api.comparisons.folders import add_comparison, finish, say, scored, started
from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import HOSTILE, open_page, signed_in


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", comparisons=[tmp_path / "runs"])) as running:
        yield running


def named(text: str) -> str:
    """The id of the first comparison that a page leads to."""
    found = re.search(r'href="/comparisons/([0-9a-f]{32})"', text)
    assert found
    return found[1]


def test_a_comparison_is_shown_live_and_at_its_end(service: Service, tmp_path: Path) -> None:
    with service.client() as client:
        assert "There is no comparison yet" in open_page(client, "/comparisons")
        folder = add_comparison(tmp_path / "runs" / "<b>tickets", task=HOSTILE)
        say(folder, "pada", 0, started(), scored(0, 0.5))
        say(
            folder,
            "random",
            0,
            started(),
            scored(0, 0.5),
            {"type": "run", "status": "failed", "reason": HOSTILE},
        )
        text = open_page(client, "/comparisons")
        assert "0 of 6 runs ended" in text
        assert "<b>tickets" not in text
        name = named(text)

        text = open_page(client, f"/comparisons/{name}")
        assert f'hx-get="/comparisons/{name}?part=1"' in text
        assert "not begun" in text
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        drawn = client.get(f"/comparisons/{name}/charts").json()
        assert (drawn["over"], set(drawn["charts"])) == (False, set()), "one point is no line"
        say(folder, "pada", 0, scored(1, 0.75))
        assert set(client.get(f"/comparisons/{name}/charts").json()["charts"]) == {"curves"}

        finish(folder)
        part = open_page(client, f"/comparisons/{name}?part=1")
        assert "hx-get" not in part
        assert "Better than plain fine-tuning: random and pada" in part
        assert "+10.0 improved" in part
        drawn = client.get(f"/comparisons/{name}/charts").json()
        assert (drawn["over"], set(drawn["charts"])) == (True, {"differences", "curves"})


def test_the_comparison_of_another_key_is_not_found(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", auth="on", comparisons=[tmp_path / "runs"])
    with serve(settings) as service:
        owner, key = make_key(service, "read")
        _, other = make_key(service, "write")
        add_comparison(tmp_path / "runs" / "mine", owner=owner)
        with signed_in(service, key) as client:
            name = named(open_page(client, "/comparisons"))
            assert "mine" in open_page(client, f"/comparisons/{name}")
        with signed_in(service, other) as client:
            assert "mine" not in open_page(client, "/comparisons")
            for part in ("", "/charts"):
                assert client.get(f"/comparisons/{name}{part}").status_code == 404
