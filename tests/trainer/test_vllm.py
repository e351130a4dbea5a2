"""Predictions by a vLLM server, against a stand-in of its API."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.http_server import running
from tests.trainer.reference_model import PROMPTS, reference_reply
from tests.trainer.trainings import FAST
from tests.trainer.vllm_server import Server
from trainer import finetune as training
from trainer.engines import TorchEngine
from trainer.model import load_model
from trainer.predict import main
from trainer.specs import StudentSpec, TrainReport
from trainer.vllm import VllmEngine, VllmError, adapter_name, served

CHOICES = [[[7, 8], [9]], [[3, 4, 5], [6, 7]], [[11], [12], [13, 14]]]


ROWS = [
    {"id": f"r{n}", "prompt": f"Say {word}.", "completion": word} for n, word in enumerate(("red", "blue"))
]


@pytest.fixture
def server(tiny_model: Any, tiny_student: Path) -> Iterator[Server]:
    """vLLM's endpoints with the tiny student, and each adapter that it was given, behind them."""
    loaded = {str(tiny_student): tiny_model}

    def model(name: str) -> Any:
        if name not in loaded:
            student = StudentSpec(model=str(tiny_student), dtype="float32")
            loaded[name] = load_model(student, Path(fake.adapters[name]), trainable=False)
        return loaded[name]

    def greedy(name: str, prompt: list[int], limit: int, stops: list[int]) -> list[int]:
        tokens, cut = reference_reply(model(name), prompt, limit, stops)
        return tokens if cut else [*tokens, stops[0]]

    def logprobs(name: str, prompt: list[int]) -> list[float]:
        with torch.no_grad():
            every = model(name)(input_ids=torch.tensor([prompt])).logits[0].double().log_softmax(-1)
        return [every[place, token].item() for place, token in enumerate(prompt[1:])]

    fake = Server(0, str(tiny_student), greedy, logprobs)
    with running(fake):
        yield fake


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


def spec(server: Server | None, student: Path, **more: Any) -> StudentSpec:
    found = {"model": str(student), "engine": "vllm", "vllm_url": url(server) if server else None}
    return StudentSpec.model_validate(FAST | found | more)


def test_vllm_answers_as_our_loop_does(server: Server, tiny_model: Any, tiny_student: Path) -> None:
    stops = [reference_reply(tiny_model, PROMPTS[0], 8, [])[0][3]]
    done: list[int] = []
    ours = TorchEngine(tiny_model, 4)
    with served(spec(server, tiny_student), str(tiny_student), None) as engine:
        replies = engine.generate(PROMPTS, max_new_tokens=8, stops=stops, done=done.append)
        scores = engine.score(PROMPTS[:3], CHOICES, done=done.append)
    assert replies == ours.generate(PROMPTS, max_new_tokens=8, stops=stops, done=lambda rows: None)
    expected = ours.score(PROMPTS[:3], CHOICES, done=lambda rows: None)
    for found, row in zip(scores, expected, strict=True):
        assert found == pytest.approx(row, abs=1e-4)
    assert sum(done) == 9


def test_a_trained_adapter_answers_on_the_server(
    server: Server, tiny_student: Path, colours: Path, tmp_path: Path
) -> None:
    """From training to predictions: the same as without a server, row by row."""
    answers = {}
    for name, engine in (
        ("here", {"engine": "torch"}),
        ("there", {"engine": "vllm", "vllm_url": url(server)}),
    ):
        output = tmp_path / name
        written = {
            "task": "exact_match",
            "student": FAST | {"model": str(tiny_student), "epochs": 8} | engine,
            "train": [str(colours)],
            "output": str(output),
            "predict": [{"name": "train", "rows": str(colours), "output": str(output / "train.jsonl")}],
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(written))
        assert training.main([str(path)]) == 0
        answers[name] = (output / "train.jsonl").read_text()
    assert answers["here"] == answers["there"]
    found = TrainReport.model_validate_json((tmp_path / "there" / "report.json").read_text())
    assert (found.predict.engine, found.predict.device) == ("vllm", "server")
    assert list(server.adapters) == [adapter_name(found.artifact)]
    asked = {body["model"] for path, body in server.requests if path == "/v1/completions"}
    assert asked == set(server.adapters)


def predict_spec(tmp_path: Path, student: StudentSpec, adapter: Path | None = None) -> Path:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = tmp_path / "predict.json"
    content = {
        "task": "exact_match",
        "student": student.model_dump(),
        "adapter": str(adapter) if adapter else None,
        "output": str(tmp_path / "out"),
        "predict": [{"name": "rows", "rows": str(rows), "output": str(tmp_path / "answers.jsonl")}],
    }
    path.write_text(json.dumps(content))
    return path


def test_no_server_is_one_clear_error(
    tmp_path: Path, tiny_student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student = StudentSpec(model=str(tiny_student), engine="vllm", vllm_url="http://127.0.0.1:9")
    assert main([str(predict_spec(tmp_path, student))]) == 1
    message = capsys.readouterr().err
    assert "No vLLM server answers at http://127.0.0.1:9" in message
    assert "student.engine: torch" in message
    assert message.count("\n") == 1


def test_another_model_is_refused(
    server: Server, tmp_path: Path, tiny_student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.base = "someone/else"
    assert main([str(predict_spec(tmp_path, spec(server, tiny_student)))]) == 1
    message = capsys.readouterr().err
    assert "serves someone/else, and not" in message
    assert "vllm serve" in message


def test_a_server_without_adapters_says_what_it_needs(
    server: Server, tmp_path: Path, tiny_student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student = spec(server, tiny_student)
    load_model(student, trainable=True).save_pretrained(tmp_path / "adapter")
    server.lora = False
    assert main([str(predict_spec(tmp_path, student, tmp_path / "adapter"))]) == 1
    message = capsys.readouterr().err
    for words in ("404", "--enable-lora", "VLLM_ALLOW_RUNTIME_LORA_UPDATING", str(tmp_path / "adapter")):
        assert words in message


def test_an_old_server_is_told_from_a_new_one(server: Server, tiny_student: Path) -> None:
    server.old = True
    with (
        served(spec(server, tiny_student), str(tiny_student), None) as engine,
        pytest.raises(VllmError, match=r"0\.10\.2"),
    ):
        engine.generate(PROMPTS, max_new_tokens=2, stops=[0], done=lambda rows: None)


OWN = """
import argparse
from tests.trainer.vllm_server import Server

parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--host")
parser.add_argument("--port", type=int)
parser.add_argument("--enable-lora", action="store_true")
parser.add_argument("--max-lora-rank", type=int)
parser.add_argument("--lora-modules")
parser.add_argument("--dtype")
given = parser.parse_args()
server = Server(given.port, given.model, lambda model, prompt, limit, stops: [5, 6, stops[0]], lambda *_: [])
if given.lora_modules:
    assert given.enable_lora and given.max_lora_rank == 16
    name, path = given.lora_modules.split("=")
    server.adapters[name] = path
server.serve_forever()
"""


def own_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A package `vllm` whose server is this program."""
    folder = tmp_path / "packages" / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent, folder.parent.parent):
        (each / "__init__.py").touch()
    (folder / "api_server.py").write_text(textwrap.dedent(program))
    root = Path(__file__).resolve().parents[2]
    paths = [str(tmp_path / "packages"), str(root), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def test_a_server_of_our_own_is_started_and_ended(
    tmp_path: Path, tiny_student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_vllm(tmp_path, monkeypatch, OWN)
    student = spec(None, tiny_student)
    load_model(student, trainable=True).save_pretrained(tmp_path / "adapter")
    with served(student, str(tiny_student), tmp_path / "adapter") as engine:
        address = str(engine.client.base_url)
        found = engine.generate(PROMPTS, max_new_tokens=8, stops=[2], done=lambda rows: None)
    assert [reply.tokens for reply in found] == [[5, 6]] * len(PROMPTS)
    with (
        pytest.raises(VllmError, match="No vLLM server answers"),
        served(student.model_copy(update={"vllm_url": address}), str(tiny_student), None),
    ):
        pass


def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, tiny_student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_vllm(tmp_path, monkeypatch, "raise SystemExit('No GPU found')")
    with (
        pytest.raises(VllmError, match=r"did not start.*No GPU found.*student.engine: torch"),
        served(spec(None, tiny_student), str(tiny_student), None),
    ):
        pass


def test_the_server_needs_no_torch() -> None:
    code = "import sys, trainer.vllm; sys.exit('torch' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


def test_prompts_go_in_chunks_and_come_back_in_order(server: Server, tiny_student: Path) -> None:
    server.greedy = lambda model, prompt, limit, stops: [prompt[0], stops[0]]
    prompts = [[number] for number in range(100, 200)]
    with served(spec(server, tiny_student), str(tiny_student), None) as engine:
        assert isinstance(engine, VllmEngine)
        found = engine.generate(prompts, max_new_tokens=4, stops=[2], done=lambda rows: None)
    assert [reply.tokens for reply in found] == prompts
