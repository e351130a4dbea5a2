"""Runs that take more time or disk than the service allows, with real workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.db.leases import RunEnd
from app.executor import limits
from app.executor.limits import size_of, watch_limits
from app.settings import Settings
from tests.service import serving
from tests.tiny_task import config_for


def test_a_run_over_a_limit_ends_and_says_which_setting_is_to_be_raised(
    tmp_path: Path, data: Path, student: Path
) -> None:
    config = config_for(data, student, "http://127.0.0.1:9/v1", loop={"method": "vanilla"})
    config |= {"data": {"folder": str(data)}, "teacher": None}
    allowed = json.dumps([str(data), str(student)])
    with serving(tmp_path / "home", PADA_ALLOWED_PATHS=allowed, PADA_MAX_HOURS="0.000001") as service:
        run = service.start_run(config)
        ended = service.wait(run)
        assert ended["status"] == "failed"
        assert "It has worked for 1e-06 hours" in ended["reason"]
        assert "PADA_MAX_HOURS; then `resume` goes on" in ended["reason"]
        assert service.terminate() == 0
        service.settings |= {"PADA_MAX_HOURS": "1", "PADA_MAX_RUN_BYTES": "1"}
        service.start()
        assert service.post(f"/{run}/resume").status_code == 202
        ended = service.wait(run)
        assert ended["status"] == "failed"
        assert "It has filled 1 bytes of disk" in ended["reason"]
        assert "PADA_MAX_RUN_BYTES" in ended["reason"]


async def test_hours_of_earlier_starts_count(tmp_path: Path) -> None:
    ends: list[RunEnd] = []
    await watch_limits(Settings(max_hours=2), tmp_path, 7200, ends.append)
    assert [end.status for end in ends] == ["failed"]
    assert "worked for 2 hours" in ends[0].reason


async def test_a_folder_that_grows_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOK_SECONDS", 0.01)
    looks: list[int] = []

    def grow(root: Path) -> Any:
        looks.append(1)
        (root / "rounds").mkdir(exist_ok=True)
        (root / "rounds" / f"{len(looks)}.bin").write_bytes(b"x" * 400)
        return size_of(root)

    monkeypatch.setattr(limits, "size_of", grow)
    ends: list[RunEnd] = []
    await watch_limits(Settings(max_run_bytes=1000), tmp_path, 0, ends.append)
    assert len(looks) == 3
    assert "filled 1,000 bytes" in ends[0].reason
