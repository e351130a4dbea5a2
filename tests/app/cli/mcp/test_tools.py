"""What the tools of `pada mcp` refuse: everything outside of their folders, and what strangers may not ask for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.mcp.folders import Folders
from app.cli.mcp.tools import Tools
from app.errors import ConfigError, PadaError
from app.settings import Settings
from graphs.review import ReviewAnswer
from tests.tiny_task import config_for, write_data

MARK = "a text that only the files outside have"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The allowed folder, with rows and a config that can be used."""
    folder = tmp_path / "work"
    write_data(folder / "rows")
    write(folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    write_data(folder / "rows")
    (folder / "text.txt").write_text(MARK)
    (folder / "config.yaml").write_text(f"task: {MARK}")
    return folder


def write(folder: Path, **changes: Any) -> str:
    """A config in the folder, with other keys than the good one's; its name."""
    document = config_for(Path("rows"), "builtin:smollm2-135m", "http://127.0.0.1:9/v1") | {"data": "rows"}
    document["teacher"]["api_key_env"] = ""
    for key, value in changes.items():
        section = document.get(key)
        document[key] = section | value if isinstance(section, dict) else value
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    return "config.yaml"


def tools_for(folder: Path, **settings: Any) -> Tools:
    return Tools(Folders([folder]), Settings(**settings))


def test_a_good_config_is_checked(work: Path) -> None:
    answer = tools_for(work).check("config.yaml")
    assert answer["ok"]
    assert answer["plan"]["calls"] > 0


@pytest.mark.parametrize("tool", ["check", "run", "status", "stop", "patterns", "rows", "review", "report"])
def test_no_tool_leaves_the_folders(tool: str, work: Path, outside: Path) -> None:
    (work / "link").symlink_to(outside)
    (work / "link.yaml").symlink_to(outside / "config.yaml")
    call = getattr(tools_for(work), tool)
    for path in (
        "../outside/config.yaml",
        "rows/../../outside/config.yaml",
        str(outside / "config.yaml"),
        str(work / "rows" / ".." / ".." / "outside"),
        str(outside),
        "link",
        "link/config.yaml",
        "link.yaml",
        "~/config.yaml\0",
        f"{work}-other",
    ):
        with pytest.raises(PadaError) as caught:
            call(path)
        assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": "OUTSIDE/rows"}, "data.train"),
        ({"data": "../outside/rows"}, "data.train"),
        ({"data": "linked"}, "data.train"),
        ({"data": {"train": "rows/train.jsonl", "validation": "rows/validation.jsonl", "test": "OUTSIDE/text.txt"}}, "data.test"),
        ({"student": {"model": "OUTSIDE"}}, "student.model"),
        ({"student": {"model": "../outside"}}, "student.model"),
        ({"embedder": "OUTSIDE"}, "embedder"),
        ({"output": "OUTSIDE/run"}, "output"),
        ({"teacher": {"ledger": "OUTSIDE/ledger.sqlite"}}, "teacher.ledger"),
        ({"teacher": {"price_file": "OUTSIDE/text.txt"}}, "teacher.price_file"),
        ({"data": {"folder": "rows", "unlabeled": "OUTSIDE/text.txt"}}, "data.unlabeled"),
        ({"teacher": {"headers_env": {"api-key": "OPENAI_API_KEY"}}}, "OPENAI_API_KEY may not go to"),
        ({"task_description": {"file": "OUTSIDE/text.txt"}}, "task_description.file"),
        ({"task": "code:Task"}, "a class of your own"),
        ({"teacher": {"api_key_env": "OPENAI_API_KEY"}}, "OPENAI_API_KEY may not go to"),
        ({"teacher": {"base_url": "http://me:pw@127.0.0.1/v1"}}, "user name or a password"),
        ({"student": {"engine": "vllm", "vllm_url": "http://10.0.0.1:8000"}}, "vllm_url"),
        ({"track": ["wandb"]}, "config.track"),
        ({"loop": {"rounds": 21}}, "loop.rounds"),
    ],
)  # fmt: skip
def test_a_config_that_leads_outside_is_refused(
    changes: dict[str, Any], said: str, work: Path, outside: Path
) -> None:
    (work / "linked").symlink_to(outside / "rows")
    before = sorted(path.name for path in outside.rglob("*"))
    placed = yaml.safe_load(yaml.safe_dump(changes).replace("OUTSIDE", str(outside)))
    config = write(work, **placed)
    for tool in (tools_for(work).check, tools_for(work).run):
        with pytest.raises(PadaError) as caught:
            tool(config)
        assert said in str(caught.value)
        assert MARK not in str(caught.value)
    assert sorted(path.name for path in outside.rglob("*")) == before
    assert not (work / "runs").exists()


def test_a_run_goes_only_into_the_folders(work: Path, outside: Path) -> None:
    (work / "link").symlink_to(outside)
    (work / "begun").mkdir()
    shutil.copy(work / "config.yaml", work / "begun")
    (work / "begun" / "run.log").symlink_to(outside / "text.txt")
    for output in (str(outside / "run"), "../run", "link/run", "link", "begun"):
        with pytest.raises(PadaError):
            tools_for(work).run("config.yaml", output=output)
    assert not (outside / "run").exists()
    assert (outside / "text.txt").read_text() == MARK


def test_a_link_in_a_students_folder_does_not_lead_outside(work: Path, outside: Path) -> None:
    """Inside of the folders a link is fine: the hub's cache is made of them."""
    student = work / "student"
    student.mkdir()
    (work / "weights").write_text("{}")
    (student / "config.json").symlink_to(work / "weights")
    config = write(work, student={"model": "student"})
    assert not tools_for(work).check(config)["ok"], "it is no model, but it may be looked at"
    (student / "tokenizer.json").symlink_to(outside / "text.txt")
    with pytest.raises(PadaError, match=r"student\.model.*tokenizer\.json"):
        tools_for(work).check(config)


def test_a_link_inside_of_a_run_is_not_followed(work: Path, outside: Path) -> None:
    run = work / "run"
    shutil.copytree(work / "rows", run / "data")
    (run / "config.yaml").write_text("task: classification")
    (run / "run.json").write_text("{}")
    assert tools_for(work).status("run")["status"] == "paused"
    (run / "rounds" / "1").mkdir(parents=True)
    os.symlink(outside / "text.txt", run / "rounds" / "1" / "rows.jsonl")
    for tool in ("status", "stop", "patterns", "rows", "review", "report"):
        with pytest.raises(PadaError, match=r"rounds/1/rows\.jsonl in it is a symbolic link"):
            getattr(tools_for(work), tool)("run")


def test_an_answer_to_a_review_goes_on_only_with_a_config_that_may_run(work: Path, outside: Path) -> None:
    """The config in the run's folder may have been changed since."""
    run = work / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    write(run, data=str(outside / "rows"))
    with pytest.raises(PadaError, match="none of the folders"):
        tools_for(work).review("run", ReviewAnswer())


def test_a_budget_above_the_users_is_refused(work: Path) -> None:
    tools = Tools(Folders([work]), Settings(), max_usd=2.0)
    prices = {"scripted_teacher": {"input_per_million": 1, "output_per_million": 1}}
    for budget in ({}, {"max_usd": None}, {"max_usd": 3.0}):
        write(work, budget=budget, teacher={"prices": prices})
        with pytest.raises(PadaError, match="set it to 2 or less"):
            tools.run("config.yaml")
    assert tools.check(str(work / "config.yaml"))["ok"], "a check spends nothing"


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none is no folder"):
        Folders([tmp_path / "none"])
