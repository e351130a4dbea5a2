"""The demo as a run: its data, its config, and its teacher on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

import yaml

from app.config.run_config import RunConfig, parse_config
from app.demo.server import serve
from graphs.run_paths import RunPaths

PORT = 47231
"""The same in every start, because the ledger identifies a request by its endpoint too."""

NOTICE = """\
The teacher of this demo is a stand-in: a small rule-based writer inside pada, asked over HTTP on this machine.
It knows this data set's kind of message and nothing else. For your own task, name a real one in a config file:
    teacher: {base_url: https://api.openai.com/v1, model: MODEL}      with the key in OPENAI_API_KEY
    teacher: {base_url: http://localhost:8000/v1,  model: MODEL}      vLLM; Ollama: port 11434, llama.cpp: port 8080
and start it with `pada run CONFIG.yaml`."""


@contextmanager
def served_teacher() -> Iterator[str]:
    """The embedded teacher's base URL; on another port if `PORT` is taken."""
    with ExitStack() as stack:
        try:
            base_url = stack.enter_context(serve(PORT))
        except OSError:
            base_url = stack.enter_context(serve(0))
        yield base_url


def demo_config(folder: Path, base_url: str) -> RunConfig:
    """The demo's config, with its rows in the run's folder, where its start writes them."""
    document = yaml.safe_load(files("app.demo").joinpath("demo.yaml").read_text(encoding="utf-8"))
    document["data"] = {"folder": str(RunPaths(folder).source)}
    document["teacher"]["base_url"] = base_url
    return parse_config(document, "demo.yaml", folder)
