"""Models by hub name, from a server that answers as the hub does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import HubServer, Repository

CONFIG = b'{"model_type": "llama", "vocab_size": 8}'
FILES = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": b"new weights",
    "pytorch_model.bin": b"a pickle",
    "modeling_tiny.py": b"raise SystemExit('remote code')",
    "consolidated.safetensors": b"the same weights once more",
    "original/config.json": b"{}",
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
}
USED = {"config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors", "1_Pooling/config.json"}
FETCH = """
import sys
from trainer.hub_models import HubError, fetch
try:
    print(fetch(sys.argv[1], weights="--texts" not in sys.argv))
except HubError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    old = FILES | {"model.safetensors": b"old weights"}
    repositories = {
        "someone/tiny": Repository({"main": FILES, "v1": old}),
        "someone/gated": Repository({"main": FILES}, gated=True),
    }
    with HubServer(repositories) as server:
        yield server


def fetch(hub: HubServer, cache: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = hub.environment(cache, **variables)
    command = [sys.executable, "-c", FETCH, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def folder_of(done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().splitlines()[-1])


def test_a_model_is_downloaded_once_without_pickles_and_code(hub: HubServer, tmp_path: Path) -> None:
    texts = folder_of(fetch(hub, tmp_path, "someone/tiny", "--texts"))
    assert not (texts / "model.safetensors").exists(), "a tokenizer needs no weights"
    whole = folder_of(fetch(hub, tmp_path, "someone/tiny"))
    assert {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()} == USED
    assert (whole / "model.safetensors").read_bytes() == b"new weights"
    assert sorted(hub.fetched) == sorted(f"someone/tiny/{path}" for path in USED)
    asked = hub.asked
    assert folder_of(fetch(hub, tmp_path, "someone/tiny", HF_HUB_OFFLINE="1")) == whole
    hub.repositories["someone/tiny"].revisions = {"newer": FILES, "main": FILES | {"config.json": b"{}"}}
    assert folder_of(fetch(hub, tmp_path, "someone/tiny")) == whole, "a run's rounds have one base"
    assert hub.asked == asked


def test_a_revision_is_kept(hub: HubServer, tmp_path: Path) -> None:
    tagged = folder_of(fetch(hub, tmp_path, "someone/tiny@v1"))
    assert (tagged / "model.safetensors").read_bytes() == b"old weights"
    commit = hub.repositories["someone/tiny"].commit("v1")
    assert folder_of(fetch(hub, tmp_path, f"someone/tiny@{commit}")) == tagged
    done = fetch(hub, tmp_path, "someone/tiny@v2")
    assert "has no revision 'v2'" in done.stderr


def test_what_another_program_left_is_completed(hub: HubServer, tmp_path: Path) -> None:
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    index = json.dumps({"weight_map": shards}).encode()
    files = {
        "config.json": CONFIG,
        "model.safetensors.index.json": index,
        **{shard: shard.encode() for shard in shards.values()},
    }
    hub.repositories["someone/large"] = Repository({"main": files})
    folder = folder_of(fetch(hub, tmp_path, "someone/large"))
    for listing in tmp_path.rglob("trees"):  # the library's own list of what belongs to the model
        shutil.rmtree(listing)
    (folder / "model-2.safetensors").unlink()
    assert folder_of(fetch(hub, tmp_path, "someone/large")) == folder
    assert (folder / "model-2.safetensors").read_bytes() == b"model-2.safetensors"


def test_what_cannot_be_had_is_said_in_a_line(hub: HubServer, tmp_path: Path) -> None:
    cases = {
        "someone/gated": f"someone/gated is gated: accept its terms at {hub.url}/someone/gated, and set HF_TOKEN",
        "someone/nothing": "There is no model someone/nothing on the hub, or it is private",
        "no name at all": "is no name on the hub",
    }
    for name, message in cases.items():
        done = fetch(hub, tmp_path, name, HF_TOKEN="hf_poor")
        assert message in done.stderr
        assert (done.returncode, "Traceback" in done.stderr, "hf_poor" in done.stderr) == (1, False, False)
    folder_of(fetch(hub, tmp_path, "someone/gated", HF_TOKEN="hf_good"))


def test_without_a_network_the_cache_and_a_folder_are_named(hub: HubServer, tmp_path: Path) -> None:
    folder_of(fetch(hub, tmp_path, "someone/tiny", "--texts"))
    done = fetch(hub, tmp_path, "someone/tiny", HF_HUB_OFFLINE="1")
    assert f"not whole, in the hub's cache ({tmp_path}" in done.stderr
    assert "HF_HUB_OFFLINE is set" in done.stderr
    done = fetch(hub, tmp_path / "other", "someone/tiny", HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub cannot be reached" in done.stderr
    assert "hf download someone/tiny" in done.stderr
