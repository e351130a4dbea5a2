"""`pada mcp` as a real process, driven over stdio by the client of the `mcp` package."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from app.cli.mcp.command import mcp
from app.errors import PadaError
from tests.command import CANARY, PADA, environment
from tests.conftest import Run
from tests.reviewed_run import run_to_review
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_config, write_data

TOOLS = {"check", "run", "status", "patterns", "rows", "review", "report", "stop"}


class Agent:
    """A client that has connected."""

    def __init__(self, client: Client):
        self.client = client
        self.heard = ""
        """All that the server has answered."""

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a tool."""
        result = await self.client.call_tool(tool, arguments)
        self.heard += result.model_dump_json()
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
        return result.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The error of a tool."""
        result = await self.client.call_tool(tool, arguments)
        self.heard += result.model_dump_json()
        assert result.is_error
        return str(result.content[0].text)  # type: ignore[union-attr]


@asynccontextmanager
async def agent(folder: Path, **variables: str) -> AsyncIterator[Agent]:
    """A server that may use one folder."""
    server = StdioServerParameters(
        command=PADA, args=["mcp", "--folder", str(folder)], env=environment() | variables, cwd=folder.parent
    )
    async with Client(stdio_client(server)) as client:
        yield Agent(client)


async def test_a_run_is_read_by_an_agent(whole_run: Run, tmp_path: Path) -> None:
    run = shutil.copytree(whole_run.folder, tmp_path / "work" / "run")
    told = run / "rounds" / "1" / "strategies"
    first = sorted(told.iterdir())[0]
    first.write_text(json.dumps(json.loads(first.read_text()) | {"title": f"Say {CANARY}"}))
    report = whole_run.report
    async with agent(tmp_path / "work") as peer:
        listed = {tool.name: tool for tool in (await peer.client.list_tools()).tools}
        assert set(listed) == TOOLS
        assert all(tool.description and tool.annotations for tool in listed.values())
        writing = {name for name, tool in listed.items() if not tool.annotations.read_only_hint}  # type: ignore[union-attr]
        assert writing == {"run", "review", "stop"}

        state = await peer.call("status", run="run")
        assert (state["status"], state["reason"]) == ("finished", report["stopped"])
        assert [score["validation"] for score in state["scores"]] == [
            item["validation"] for item in report["rounds"]
        ]

        patterns = (await peer.call("patterns", run="run", round=1))["patterns"]
        assert [pattern["id"] for pattern in patterns] == [
            pattern["id"] for pattern in report["rounds"][1]["patterns"]
        ]
        assert "Say ***" in {pattern["strategy"] for pattern in patterns}

        rows: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            page = await peer.call("rows", run="run", round=1, offset=offset, limit=7)
            rows, offset = rows + page["rows"], page["next"]
        assert Counter(row["verdict"] for row in rows) == report["rounds"][1]["verdicts"]
        accepted = await peer.call("rows", run="run", verdict="accepted", limit=200)
        assert len(accepted["rows"]) == report["accepted"]

        answer = await peer.call("report", run="run")
        assert answer["report"]["test"] == report["test"]
        assert "config" not in answer["report"]
        assert answer["summary"].splitlines()[0] in whole_run.done.stdout

        assert (await peer.call("review", run="run")) == {"review": None}
        assert "none of the folders" in await peer.refused("status", run=str(whole_run.folder))
        assert "not the folder of a run" in await peer.refused("report", run="run/data")
        assert CANARY not in peer.heard


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
        assert "train.jsonl" in checked["findings"][0]["message"]

        failed = await peer.call("run", config="faulty.yaml")
        assert failed["run"] == str(work / "runs" / "faulty")
        failed = await peer.call("status", run="runs/faulty", wait_seconds=120)
        assert (failed["status"], "train.jsonl" in failed["reason"]) == ("failed", True)

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
