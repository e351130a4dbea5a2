"""What the process that serves HTTP takes: runs are worked on elsewhere, however many wait."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import Service, serving
from tests.tiny_task import config_for

WAITING = 50
MEGABYTES = 300


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Service]:
    """A service with runs that wait, after it was asked about each."""
    home = tmp_path_factory.mktemp("footprint") / "home"
    config = config_for(data, "builtin:smollm2-135m", None, loop={"method": "vanilla"})
    with serving(home, PADA_ALLOWED_PATHS=json.dumps([str(data)]), PADA_MAX_RUNNING="0") as service:
        for run in [service.start_run(config | {"seed": seed}) for seed in range(WAITING)]:
            assert service.get(f"/{run}")["status"] == "queued"
        assert httpx.get(f"{service.url}/metrics").status_code == 200
        yield service


def read(service: Service, name: str) -> str:
    """A file of proc(5) about the service's process."""
    assert service.process
    return Path(f"/proc/{service.process.pid}/{name}").read_text()


def test_it_is_small_while_runs_wait(busy: Service) -> None:
    assert len(busy.get("", status="queued", limit=100)["items"]) == WAITING
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", read(busy, "status"), re.MULTILINE)
    assert peak
    assert int(peak[1]) / 1024 < MEGABYTES


def test_it_has_loaded_neither_torch_nor_the_graph(busy: Service) -> None:
    loaded = read(busy, "maps")
    assert "pydantic_core" in loaded, "libraries are listed here"
    assert not re.findall(r"libtorch\S*|/torch/\S+|faiss\S*|ormsgpack\S*", loaded)
