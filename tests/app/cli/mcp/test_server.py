"""`pada mcp` as a real process: an agent checks, starts, follows, stops and reviews runs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from app.cli.mcp.command import mcp
from app.errors import PadaError
from tests.app.cli.mcp.agent import agent
from tests.command import CANARY
from tests.reviewed_run import run_to_review
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_config, write_data


@pytest.mark.student
async def test_a_run_is_checked_started_followed_and_stopped_by_an_agent(
    tmp_path: Path, student: Path
) -> None:
    work = tmp_path / "work"
    write_data(work / "rows")
    model = shutil.copytree(student, work / "student")
    config = config_for(Path("rows"), model, None, loop={"method": "vanilla"}) | {"data": "rows"}
    write_config(work / "tiny.yaml", config)
    write_config(work / "faulty.yaml", config | {"data": "none"})
    async with agent(work) as peer:
        assert (await peer.call("check", config="tiny.yaml"))["ok"]
        checked = await peer.call("check", config="faulty.yaml")
        assert not checked["ok"]
        assert "there is no folder" in checked["findings"][0]["message"]

        assert "there is no folder" in await peer.refused("run", config="faulty.yaml")

        begun = await peer.call("run", config="tiny.yaml")
        assert begun["status"] == "running"
        assert "at work already" in await peer.refused("run", config="tiny.yaml")
        stopped = await peer.call("stop", run="runs/tiny")
        assert stopped["status"] == "paused"


@pytest.mark.student
async def test_a_review_is_shown_to_an_agent_and_answered(
    tmp_path: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    work = tmp_path / "work"
    rows = write_data(work / "rows")
    await run_to_review(work / "run", rows, scripted_teacher.url)
    allowed = {"PADA_TEACHER_KEYS": json.dumps({scripted_teacher.url: ["TINY_KEY"]})}
    async with agent(work, **allowed) as peer:
        review = (await peer.call("review", run="run"))["review"]
        assert (review["about"], review["round"]) == ("patterns", 1)
        assert all(pattern["instructions"] for pattern in review["patterns"])
        vetoed, *kept = [pattern["id"] for pattern in review["patterns"]]
        assert "No such pattern" in await peer.refused("review", run="run", answer={"veto": ["r9-p9"]})
        assert "veto" in await peer.refused("review", run="run", answer={"vetoes": []})
        assert (await peer.call("review", run="run", answer={"veto": [vetoed]}))["status"] == "running"
        state = await peer.call("status", run="run", wait_seconds=200)
        assert (state["status"], state["review"]["about"]) == ("paused", "rows")
        written = await peer.call("rows", run="run", limit=200)
        assert {row["pattern"] for row in written["rows"] if "pattern" in row} == set(kept)
        assert CANARY not in peer.heard
    assert {call.authorization for call in scripted_teacher.of_run(state_id(work / "run"))} == {
        f"Bearer {CANARY}"
    }


def state_id(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["run_id"])


def test_without_its_package_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.cli.mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(PadaError, match=r"pip install 'pada\[mcp\]'"):
        mcp()
