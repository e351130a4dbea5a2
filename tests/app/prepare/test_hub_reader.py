"""Data sets by hub name, from a server that answers as the hub does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.hub_server import HubServer, Repository

READ = """
import sys
from app.prepare.hub_reader import read_hub
from app.prepare.tables import InputError
try:
    for table in read_hub(sys.argv[1]):
        print(table.split, [record.values["text"] for record in table.records])
except InputError as error:
    sys.exit(str(error))
"""


def files(word: str) -> dict[str, bytes]:
    rows = "".join(json.dumps({"text": f"{word} {number}", "label": "a"}) + "\n" for number in range(2))
    return {"train.jsonl": rows.encode(), "test.jsonl": rows.encode(), "README.md": b"# Rows\n"}


def test_a_data_set_is_read_at_its_revision_and_a_gated_one_is_named(tmp_path: Path) -> None:
    repositories = {
        "datasets/someone/rows": Repository({"main": files("new"), "v1": files("old")}),
        "datasets/someone/gated": Repository({"main": files("new")}, gated=True),
    }
    with HubServer(repositories) as hub:
        told = {}
        for name in ("rows", "rows@v1", "gated"):
            command = [sys.executable, "-c", READ, f"hub:someone/{name}"]
            environment = hub.environment(tmp_path, HF_TOKEN="hf_poor")
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
            told[name] = done.stdout + done.stderr.splitlines()[-1] * (done.returncode != 0)
    assert told["rows"].splitlines() == ["train ['new 0', 'new 1']", "test ['new 0', 'new 1']"]
    assert told["rows@v1"].splitlines() == ["train ['old 0', 'old 1']", "test ['old 0', 'old 1']"]
    assert "gated" in told["gated"]
    assert "HF_TOKEN" in told["gated"]
    assert "hf_poor" not in told["gated"]
