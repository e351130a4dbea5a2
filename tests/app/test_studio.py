"""The graph as LangGraph Studio sees it: `langgraph dev` as a real process, asked over HTTP."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from app.errors import ConfigError
from app.studio import checked
from graphs.run_paths import RunPaths
from tests.command import environment
from tests.test_imports import ROOT, TORCH, WEB, loaded_by, tops
from trainer.artifacts import read_json, read_jsonl

LANGGRAPH = Path(sys.executable).with_name("langgraph")
START_SECONDS = 90
TINY = {"method": "full", "template": "plain", "dtype": "float32", "max_length": 256, "max_new_tokens": 4}
SMALL = {"rounds": 1, "synthetic_per_round": 8, "samples_per_batch": 4, "max_analyses": 10, "max_patterns": 2}
ROUND = {
    "fine_tune", "evaluate", "gate", "analyze_errors", "find_patterns", "draft_strategies", "review", "allocate",
    "augment", "accept", "review_rows",
}  # fmt: skip
BATCH = {"generate", "check_quality"}

needs_studio = pytest.mark.skipif(
    not importlib.util.find_spec("langgraph_api"), reason="the extra `studio` is not installed"
)


def test_the_graph_for_studio_loads_neither_torch_nor_a_web_stack() -> None:
    assert not tops(loaded_by("app.studio")) & (TORCH | WEB)


def test_the_context_has_the_keys_of_a_config_and_needs_none() -> None:
    assert checked(None) == checked({})
    assert checked({"loop": {"rounds": 2}}).loop == checked({}).loop.model_copy(update={"rounds": 2})
    with pytest.raises(ConfigError, match=r"^context: loop\.round: unknown key; did you mean `rounds`\?$"):
        checked({"loop": {"round": 2}})


class RunError(Exception):
    """What the server said of a run that failed."""


@dataclass
class Server:
    """A running `langgraph dev`."""

    client: LangGraphClient
    folder: Path
    student: Path

    def context(self, **loop: Any) -> dict[str, Any]:
        """The demo on a few rows, with a student of 3 million weights."""
        return {"student": {**TINY, "model": str(self.student), "epochs": 1}, "loop": {**SMALL, **loop}}

    async def run(self, thread: str, **start: Any) -> list[tuple[str, Any]]:
        """All updates of one start, in order: the node and what it changed, in a batch too."""
        seen: list[tuple[str, Any]] = []
        async for part in self.client.runs.stream(
            thread, "pada", stream_mode=["updates", "tasks"], stream_subgraphs=True, **start
        ):
            if part.event == "error":
                raise RunError(part.data["message"])
            if part.event == "updates":
                seen += part.data.items()
            elif part.event.startswith("tasks|augment:") and "result" in part.data:
                seen.append((part.data["name"], part.data["result"]))
        return seen

    def paths(self, thread: str) -> RunPaths:
        return RunPaths(self.folder / "runs" / "studio" / thread)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the folder of a server; it keeps its own files where it is started."""
    folder = tmp_path_factory.mktemp("studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [LANGGRAPH, "dev", "--no-browser", "--no-reload", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*map(str, command), "--config", str(ROOT / "langgraph.json")],
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}", folder
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/ok", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    pytest.fail(f"langgraph dev did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
async def server(process: tuple[str, Path], student: Path) -> AsyncIterator[Server]:
    url, folder = process
    async with get_client(url=url) as client:
        yield Server(client, folder, student)


async def only_assistant(server: Server) -> str:
    (assistant,) = await server.client.assistants.search()
    assert assistant["graph_id"] == "pada"
    return assistant["assistant_id"]


@needs_studio
@pytest.mark.slow
async def test_studio_draws_every_node_and_the_edge_back_to_generation(server: Server) -> None:
    drawn = await server.client.assistants.get_graph(await only_assistant(server), xray=True)
    nodes = {str(node["id"]) for node in drawn["nodes"]}
    assert nodes >= (ROUND - {"augment"}) | {f"augment:{name}" for name in BATCH} | {"finish"}
    edges = {(edge["source"], edge["target"]): bool(edge.get("conditional")) for edge in drawn["edges"]}
    assert edges["augment:generate", "augment:check_quality"] is False
    assert edges["augment:check_quality", "augment:generate"] is True


@needs_studio
@pytest.mark.slow
async def test_studio_can_make_a_form_of_the_schemas(server: Server) -> None:
    schemas = await server.client.assistants.get_schemas(await only_assistant(server))
    context = schemas["context_schema"]
    assert context
    assert set(context["properties"]) == {
        "task", "task_description", "label_descriptions", "student", "loop", "evaluate_untrained", "seed", "data",
        "teacher", "budget", "embedder", "output",
    }  # fmt: skip
    assert not context.get("required"), "an empty form is a run"
    assert context["properties"]["task"]["default"] == "classification"
    assert context["properties"]["loop"]["default"]["review"] is False
    loop = context["$defs"]["LoopSpec"]["properties"]
    assert all(field.get("description") for field in [*context["properties"].values(), *loop.values()])
    assert schemas["input_schema"]
    assert schemas["input_schema"].get("properties", {}) == {}
    state = schemas["state_schema"]
    assert state
    assert {"round", "validation", "best_round", "failures", "patterns", "stopped"} <= set(
        state["properties"]
    )


@needs_studio
@pytest.mark.slow
async def test_a_run_goes_from_node_to_node_waits_for_reviews_and_ends(server: Server) -> None:
    thread = (await server.client.threads.create())["thread_id"]
    context = server.context(review=True)
    before = await server.run(thread, input={}, context=context)
    name, (question,) = before[-1]
    assert name == "__interrupt__"
    assert question["value"]["round"] == 1
    assert {name for name, _ in before} == {
        "fine_tune", "evaluate", "gate", "analyze_errors", "find_patterns", "draft_strategies", "__interrupt__",
    }  # fmt: skip
    waiting: Any = await server.client.threads.get_state(thread)
    assert waiting["next"] == ["review"]
    patterns = [pattern["id"] for pattern in question["value"]["patterns"]]
    assert waiting["values"]["patterns"] == patterns
    assert len(patterns) > 1

    answer = {"veto": patterns[:1]}
    after = await server.run(thread, command={"resume": answer}, context=context)
    assert {name for name, _ in after} == {
        "review", "allocate", "augment", *BATCH, "accept", "__interrupt__",
    }  # fmt: skip
    name, (question,) = after[-1]
    assert name == "__interrupt__"
    waiting = await server.client.threads.get_state(thread)
    assert waiting["next"] == ["review_rows"]
    accepted = [row["id"] for row in read_jsonl(server.paths(thread).round(1).accepted)]
    assert question["value"] == {
        "about": "rows",
        "round": 1,
        "accepted": len(accepted),
        "rejected": waiting["values"]["candidates"] - len(accepted),
    }

    answer = {"reject": accepted[:1]}
    rest = await server.run(thread, command={"resume": answer}, context=context)
    assert {name for name, _ in rest} == {"review_rows", "fine_tune", "evaluate", "gate", "finish"}
    ended: Any = await server.client.threads.get_state(thread)
    assert ended["next"] == []
    assert ended["values"]["stopped"] == "All 1 rounds are done."
    assert ended["values"]["patterns"] == patterns[1:]
    # a batch that goes back shows the rows of its earlier attempts again
    verdict_of = {
        row["id"]: row["verdict"]
        for name, change in after
        if name == "check_quality"
        for row in change["judged"]
    }
    verdicts = list(verdict_of.values())
    assert len(verdicts) == ended["values"]["candidates"] > 0
    assert ended["values"]["accepted"] == len(accepted) - 1
    assert verdicts.count("accepted") >= len(accepted)
    test = read_json(server.paths(thread).final / "test.json")
    assert test["n"] == 24
    assert len(json.dumps(ended["values"])) < 4096


@needs_studio
@pytest.mark.slow
async def test_a_run_whose_teacher_is_away_says_so_and_goes_on_with_another(server: Server) -> None:
    thread = (await server.client.threads.create())["thread_id"]
    nobody = {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "nobody",
        "breaker_failures": 1,
        "breaker_seconds": 0,
    }
    with pytest.raises(RunError, match=r"127\.0\.0\.1:9"):
        await server.run(thread, input={}, context=server.context() | {"teacher": nobody})
    names = [name for name, _ in await server.run(thread, input=None, context=server.context())]
    assert names[0] == "analyze_errors", "what was done before is not done again"
    assert names[-1] == "finish"


@needs_studio
@pytest.mark.slow
@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"loop": {"round": 2}}, "context: loop.round: unknown key; did you mean `rounds`?"),
        ({"data": "/no/such/folder"}, "data: there is no folder /no/such/folder."),
    ],
)
async def test_a_context_that_cannot_be_used_is_refused_with_a_sentence(
    server: Server, context: dict[str, Any], words: str
) -> None:
    thread = (await server.client.threads.create())["thread_id"]
    with pytest.raises(RunError) as refused:
        await server.run(thread, input={}, context=context)
    assert words in str(refused.value)


@needs_studio
@pytest.mark.slow
async def test_a_thread_goes_on_with_its_own_context_only(server: Server) -> None:
    thread = (await server.client.threads.create())["thread_id"]
    await server.run(thread, input={}, context=server.context(review=True))
    with pytest.raises(RunError, match=r"loop\.qc was True, is False"):
        await server.run(
            thread, command={"resume": {"veto": []}}, context=server.context(review=True, qc=False)
        )
