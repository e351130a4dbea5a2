"""Predictions by a vLLM server: `student.engine: vllm`. No torch here.

The server is one that runs (`student.vllm_url`), or one that is started for these predictions and ended after them.
Needs vLLM 0.10.2 or newer, which returns a reply's tokens.
"""

from __future__ import annotations

import hashlib
import math
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

from trainer.presets import split_revision
from trainer.replies import Done, Reply, reply_of
from trainer.specs import StudentSpec

CHUNK = 32
"""Prompts in one request; the server batches them as it likes."""

IN_FLIGHT = 16
"""Requests at once, so that the server always has rows to go on with."""

START_SECONDS = 600
"""How long a server that we start may take until it answers."""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM takes for its largest rank of an adapter."""


class VllmError(Exception):
    """The server cannot be used; the message says why and what to do."""


class VllmEngine:
    """Answers prompts with one student of a vLLM server, by its completions endpoint.

    Args:
        client: for the server's root.
        name: of the student there.
    """

    name = "vllm"

    def __init__(self, client: httpx.Client, name: str):
        self.client = client
        self.student = name

    def generate(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, stops: Sequence[int], done: Done
    ) -> list[Reply]:
        """Greedy replies, in the order of `prompts`.

        Raises:
            VllmError: the server is not there, refuses, or is too old.
        """
        options = {"max_tokens": max_new_tokens, "stop_token_ids": list(stops), "return_token_ids": True}
        found = self._complete(list(prompts), options, done)
        return [reply_of(self._field(choice, "token_ids"), stops) for choice in found]

    def score(
        self, contexts: Sequence[list[int]], choices: Sequence[list[list[int]]], *, done: Done
    ) -> list[list[float]]:
        """Log-probability (nats) of each choice given its context, summed over its tokens.

        Raises:
            VllmError: as for `generate`.
        """
        pairs = [(context, choice) for context, row in zip(contexts, choices, strict=True) for choice in row]
        options = {"max_tokens": 1, "prompt_logprobs": 0}
        found = self._complete([context + choice for context, choice in pairs], options, lambda rows: None)
        sums = iter(
            math.fsum(_logprobs(self._field(each, "prompt_logprobs"), choice))
            for each, (_, choice) in zip(found, pairs, strict=True)
        )
        done(len(contexts))
        return [[next(sums) for _ in row] for row in choices]

    def _complete(
        self, prompts: list[list[int]], options: dict[str, Any], done: Done
    ) -> list[dict[str, Any]]:
        chunks = [prompts[start : start + CHUNK] for start in range(0, len(prompts), CHUNK)]

        def ask(chunk: list[list[int]]) -> list[dict[str, Any]]:
            body = {"model": self.student, "prompt": chunk, "temperature": 0} | options
            answer = request(self.client, "POST", "/v1/completions", body)
            return sorted(answer.json()["choices"], key=lambda choice: int(choice["index"]))

        found = []
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            for chunk, answers in zip(chunks, pool.map(ask, chunks), strict=True):
                if len(answers) != len(chunk):
                    raise VllmError(f"The vLLM server answered {len(answers)} of {len(chunk)} prompts.")
                found += answers
                done(len(chunk))
        return found

    def _field(self, choice: dict[str, Any], name: str) -> Any:
        if choice.get(name) is None:
            raise VllmError(f"The vLLM server returns no `{name}`: it must be vLLM 0.10.2 or newer.")
        return choice[name]


def _logprobs(prompt: list[dict[str, Any] | None], choice: list[int]) -> Iterator[float]:
    """Log-probabilities of a choice's tokens, the last ones of the prompt."""
    for place, token in zip(prompt[-len(choice) :], choice, strict=True):
        yield float((place or {})[str(token)]["logprob"])


def request(client: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response:
    """One request.

    Raises:
        VllmError: nobody answers, or the answer is an error.
    """
    try:
        answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise VllmError(
            f"No vLLM server answers at {client.base_url} ({error}): start one with `vllm serve MODEL --enable-lora`, "
            "or set student.engine: torch."
        ) from error
    if answer.is_error:
        reason = " ".join(answer.text.split())[:300]
        raise VllmError(f"The vLLM server answers {path} with {answer.status_code}: {reason}")
    return answer


@contextmanager
def served(student: StudentSpec, source: str, adapter: Path | None) -> Iterator[VllmEngine]:
    """The engine for one student, on the server of `student.vllm_url` or on one of our own.

    Args:
        student: method, adapter's rank, lengths.
        source: the folder or hub name of the base model.
        adapter: what training left; None is the base model.

    Raises:
        VllmError: there is no server, it serves another model, or it does not take adapters.
    """
    full = adapter is not None and student.method == "full"
    base = str(adapter) if full else source
    if student.vllm_url:
        with httpx.Client(base_url=student.vllm_url.removesuffix("/v1"), timeout=600) as client:
            names = (split_revision(student.model)[0], base) if not full else (base,)
            own = check_model(client, names)
            yield VllmEngine(client, own if adapter is None or full else load_adapter(client, adapter))
        return
    with started(student, base, None if full else adapter) as client:
        yield VllmEngine(client, base if adapter is None or full else adapter_name(adapter))


def check_model(client: httpx.Client, names: Sequence[str]) -> str:
    """The name under which the server has the base model.

    Raises:
        VllmError: it has others.
    """
    models = request(client, "GET", "/v1/models").json()["data"]
    for model in models:
        if model["id"] in names or model.get("root") in names:
            return str(model["id"])
    raise VllmError(
        f"The vLLM server at {client.base_url} serves {', '.join(model['id'] for model in models)}, and not "
        f"{names[0]}: start it with `vllm serve {names[-1]} --enable-lora`."
    )


def adapter_name(adapter: Path) -> str:
    """A name that changes with the adapter's file, so that a server never answers with an older one."""
    status = (adapter / "adapter_model.safetensors").stat()
    key = f"{adapter.resolve()}:{status.st_size}:{status.st_mtime_ns}"
    return f"pada-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def load_adapter(client: httpx.Client, adapter: Path) -> str:
    """Have the server load an adapter, unless it has; returns the adapter's name there.

    Raises:
        VllmError: the server does not take adapters, or cannot read the folder.
    """
    name = adapter_name(adapter)
    models = request(client, "GET", "/v1/models").json()["data"]
    if name in {model["id"] for model in models}:
        return name
    try:
        body = {"lora_name": name, "lora_path": str(adapter.resolve())}
        request(client, "POST", "/v1/load_lora_adapter", body)
    except VllmError as error:
        raise VllmError(
            f"{error} To take adapters, the server needs `--enable-lora`, a `--max-lora-rank` that is large enough, "
            f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=true in its environment, and to see the folder {adapter.resolve()}."
        ) from error
    return name


def enable_lora(student: StudentSpec) -> list[str]:
    """Options of `vllm serve` for a student's adapter."""
    rank = next((rank for rank in RANKS if rank >= student.lora.r), RANKS[-1])
    return ["--enable-lora", "--max-lora-rank", str(rank)]


@contextmanager
def started(student: StudentSpec, base: str, adapter: Path | None) -> Iterator[httpx.Client]:
    """A server of our own on a free port of this host; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", base]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    if adapter is not None:
        command += enable_lora(student)
        command += ["--lora-modules", f"{adapter_name(adapter)}={adapter.resolve()}"]
    if student.dtype != "auto":
        command += ["--dtype", student.dtype]
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryFile("w+") as log,
        _running(command, log) as child,
        httpx.Client(base_url=url, timeout=600) as client,
    ):
        _wait(client, child, log)
        yield client


@contextmanager
def _running(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(command, stdout=log, stderr=log, text=True)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(client: httpx.Client, child: subprocess.Popen[str], log: IO[str]) -> None:
    """Until the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            log.seek(0)
            last = " ".join(log.read().split())[-400:]
            raise VllmError(
                f"vLLM did not start (exit code {child.returncode}): {last} Install it with `pip install vllm` in this "
                "environment, name a server with student.vllm_url, or set student.engine: torch."
            )
        try:
            if client.get("/health").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise VllmError(f"vLLM did not answer within {START_SECONDS} seconds of its start.")
