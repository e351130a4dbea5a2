"""What is said of a model that is not there, before anything is loaded or paid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.config.named_models import missing_embedder, missing_student, refuse_missing_models
from app.config.run_config import RunConfig
from app.errors import ConfigError
from tests.hub_server import HubServer, Repository

BUILTIN = "builtin:smollm2-135m"
ASK = """
import json, sys
from app.config.named_models import missing_embedder, missing_student
from app.config.run_config import RunConfig
config = RunConfig.model_validate_json(sys.argv[1])
print(json.dumps([missing_student(config), missing_embedder(config), "torch" in sys.modules]))
"""


def config(student: str = BUILTIN, **changes: Any) -> RunConfig:
    teacher = {"base_url": "http://127.0.0.1:9/v1", "model": "none"}
    document = {"task": "classification", "data": "d", "student": {"model": student}, "teacher": teacher}
    return RunConfig.model_validate(document | changes)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, r"has no weights \(no \*.safetensors file\)"),
        ({"config.json": "{", "model.safetensors": "-"}, "Cannot read the config of"),
        ({"config.json": "{}", "model.safetensors": "-"}, ""),
    ],
)
def test_a_students_folder_is_looked_into(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = missing_student(config(str(tmp_path)))
    assert re.search(f"^student.model: .*{words}", found) if words else not found


def test_a_run_is_refused_by_the_key_that_is_wrong() -> None:
    refuse_missing_models(config())
    with pytest.raises(ConfigError, match=r"^student.model: There is no model folder /no/such"):
        refuse_missing_models(config("/no/such"))
    with pytest.raises(ConfigError, match=r"^embedder: there is no folder /no/such"):
        refuse_missing_models(config(embedder="/no/such"))


def test_plain_fine_tuning_needs_no_embedder() -> None:
    assert missing_embedder(config(embedder="/no/such", loop={"method": "vanilla"})) == ""


def test_what_a_cluster_has_is_not_known_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_LAUNCHER", "ray")
    assert missing_student(config("/on/the/nodes")) == ""


def test_of_a_hub_name_only_the_texts_are_fetched(tmp_path: Path) -> None:
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"weights"}
    with HubServer({"someone/tiny": Repository({"main": files})}) as hub:

        def ask(student: str, embedder: str, **variables: str) -> list[Any]:
            given = config(student, embedder=embedder).model_dump_json()
            environment = hub.environment(tmp_path, **variables)
            command = [sys.executable, "-c", ASK, given]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
            assert (done.returncode, done.stderr) == (0, "")
            answer: list[Any] = json.loads(done.stdout)
            return answer

        assert ask("someone/tiny", "someone/tiny") == ["", "", False]
        assert "someone/tiny/model.safetensors" not in hub.fetched
        missing, embedder, _ = ask("someone/none", "someone/nothing")
        assert missing.startswith("student.model: There is no model someone/none on the hub")
        assert embedder.startswith("embedder: There is no model someone/nothing on the hub")
        offline, *_ = ask("someone/tiny", "builtin:minilm", HF_HUB_OFFLINE="1")
        assert "not whole, in the hub's cache" in offline, "its weights would be missed when it is loaded"
        assert offline.endswith(f"`{BUILTIN}` needs no hub.")
