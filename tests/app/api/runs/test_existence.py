"""A config that cannot work is refused when it is posted, with the key, and not accepted to fail later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import httpx
import pytest
from pydantic import BaseModel

from app.api.runs import existence
from app.api.runs.validation import admit
from app.config.run_config import RunConfig
from app.errors import ConfigError
from app.launchers.devices import CPU
from tests.app.api.http_service import ROWS, Service, problem, serve, settings_for, upload
from trainer.tasks.programs import ProgramTask

TEACHER = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": ""}
LABELS = "".join(
    json.dumps({"id": f"{split}-{n}", "prompt": f"{split} {n}?", "completion": "yes"}) + "\n"
    for split, n in (("train", 1), ("train", 2))
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("here")
    for split, text in ROWS.items():
        (folder / f"{split}.jsonl").write_text(text)
    with serve(settings_for(folder / "home", allowed_paths=[str(folder)])) as running:
        yield running


@pytest.fixture(scope="module")
def folder(service: Service) -> Path:
    """One that configs may name, with the rows of a data set."""
    return service.settings.home.parent


@pytest.fixture(scope="module")
def dataset(client: httpx.Client) -> str:
    return str(upload(client, train=LABELS).json()["id"])


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


def post(client: httpx.Client, config: dict[str, Any], dataset: str | None = None) -> httpx.Response:
    body = {"config": {"task": "exact_match", "teacher": TEACHER, **config}}
    content = json.dumps(body | ({"dataset": dataset} if dataset else {}))
    return client.post("/v1/runs", content=content, headers={"Content-Type": "application/json"})


def test_a_sound_config_is_accepted(client: httpx.Client, folder: Path, dataset: str) -> None:
    assert post(client, {}, dataset).status_code == 202
    assert post(client, {"data": str(folder)}).status_code == 202
    named = {"student": {"model": "Qwen/Qwen3-0.6B"}, "embedder": "sentence-transformers/all-mpnet-base-v2"}
    assert post(client, named, dataset).status_code == 202
    labels = {"task": "classification", "label_descriptions": {"yes": "It is so."}}
    assert post(client, labels, dataset).status_code == 202
    assert post(client, {"student": {"model": "qwen3-0.6b"}}, dataset).status_code == 202


@pytest.mark.parametrize(
    ("config", "key", "reason"),
    [
        ({"task": "x"}, "task", "There is no task 'x'. Use one of"),
        ({"task": "EXACT_MATCH"}, "task", "There is no task"),
        ({"student": {"model": "a\0b"}}, "student.model", "printable"),
        ({"student": {"model": "a\ud800b"}}, "student.model", "printable"),
        ({"student": {"model": ""}}, "student.model", "printable"),
        ({"student": {"model": "a/b/c"}}, "student.model", "no name on the hub"),
        ({"student": {"model": "no name"}}, "student.model", "no name on the hub"),
        ({"student": {"model": "https://host/model"}}, "student.model", "no name on the hub"),
        ({"student": {"model": "builtin:llama"}}, "student.model", "there is builtin:smollm2-135m"),
        ({"student": {"model": "HERE/none"}}, "student.model", "There is no model folder"),
        ({"student": {"model": "HERE/none.gguf"}}, "student.model", "There is no file"),
        ({"student": {"vllm_url": "not an address"}}, "student.vllm_url", "an address such as"),
        ({"student": {"lora": {"target_modules": []}}}, "student.lora.target_modules", "names of layers"),
        ({"student": {"lora": {"target_modules": "(q_proj"}}}, "student.lora.target_modules", "no pattern"),
        ({"embedder": "builtin:mpnet"}, "embedder", "there is builtin:minilm"),
        ({"embedder": "HERE/none"}, "embedder", "there is no folder"),
        ({"embedder": "a b"}, "embedder", "no name on the hub"),
        ({"embedder": "a\0b"}, "embedder", "printable"),
        ({"data": {"hub": True}}, "data.hub", "has no data set of its own"),
        ({"data": {"folder": "HERE/none"}}, "data", "there is no folder"),
        ({"data": {"folder": "HERE", "unlabeled": "HERE/none"}}, "data.unlabeled", "there is no file"),
        ({"data": {"folder": "HERE\0"}}, "data.folder", "without NUL"),
        (
            {
                "data": {
                    "train": "HERE/train.jsonl",
                    "validation": "HERE/train.jsonl",
                    "test": "HERE/test.jsonl",
                }
            },
            "data.train and data.validation",
            "the same file",
        ),
        ({"label_descriptions": {"yes": "It is so."}}, "label_descriptions", "are no labels"),
        (
            {"task": "classification", "label_descriptions": {"yess": "It is so."}},
            "label_descriptions",
            "did you mean 'yes'",
        ),
        ({"task_description": "a\0b"}, "task_description", "without NUL"),
        ({"teacher": TEACHER | {"model": " m"}}, "teacher.model", "printable"),
        ({"teacher": TEACHER | {"extra_body": {"a": ["\0"]}}}, "teacher.extra_body", "without NUL"),
        (
            {"teacher": TEACHER | {"extra_body": {"a": [float("nan")]}}},
            "teacher.extra_body",
            "finite number",
        ),
        ({"student": {"template_kwargs": {"a": float("inf")}}}, "student.template_kwargs", "finite"),
    ],
)
def test_what_is_not_there_is_refused_at_once(
    client: httpx.Client, folder: Path, dataset: str, config: dict[str, Any], key: str, reason: str
) -> None:
    config = json.loads(json.dumps(config).replace("HERE", str(folder)))
    answer = problem(post(client, config, None if "data" in config else dataset), 422)
    assert answer["detail"].startswith((f"config.{key}", f"config: {key}")), answer["detail"]
    assert reason in answer["detail"]
    assert "\0" not in answer["detail"]


@pytest.mark.parametrize(
    ("config", "key", "reason"),
    [
        ({"student": {"engine": "vllm"}}, "student.engine", "vLLM is not installed here"),
        ({"student": {"method": "qlora"}}, "student.method", "needs a GPU"),
        ({"task": "mbpp"}, "task", "no sandbox"),
    ],
)
def test_what_this_machine_lacks_is_refused_where_it_works_on_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], key: str, reason: str
) -> None:
    """A process that only answers HTTP, or a cluster, may have other machines behind it."""
    monkeypatch.setattr(existence, "devices", lambda _: [CPU])
    monkeypatch.setattr(ProgramTask, "unavailable_reason", lambda _: "There is no sandbox here.")
    document = {"task": "exact_match", "teacher": TEACHER, **config}
    with pytest.raises(ConfigError, match=rf"config\.{key}: .*{reason}"):
        admit(document, tmp_path, settings_for(tmp_path / "home", max_running=1))
    for elsewhere in ({"max_running": 0}, {"max_running": 1, "launcher": "ray"}):
        assert admit(document, tmp_path, settings_for(tmp_path / "home", **elsewhere))


def leaves(model: type[BaseModel], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The keys of the config with their types, also those of its sections."""
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if section:
            yield from leaves(section, *above, name)
        else:
            yield (*above, name), field.annotation


LEAVES = list(leaves(RunConfig))
BAD = ("nonsense\0", "\ud800", {"nonsense\0": "nonsense\0"}, ["\ud800"])


def nested(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    if len(keys) == 1:
        return {keys[0]: value}
    return {keys[0]: nested(keys[1:], value)}


@pytest.mark.parametrize(("keys", "kind"), LEAVES, ids=[".".join(keys) for keys, _ in LEAVES])
def test_no_key_takes_a_text_that_cannot_be_stored(tmp_path: Path, keys: tuple[str, ...], kind: Any) -> None:
    """Every key: what it does not know is refused with its name, and with no other error."""
    closed = get_origin(kind) is Literal
    for value in (*BAD, *(("nonsense",) if closed else ())):
        config = {"task": "exact_match", "teacher": TEACHER} | nested(keys, value)
        if keys[0] == "teacher":
            config["teacher"] = TEACHER | config["teacher"]
        with pytest.raises(ConfigError) as caught:
            admit(config, None if keys[0] == "data" else tmp_path, settings_for(tmp_path / "home"))
        assert ".".join(keys) in str(caught.value)


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/comparisons"])
@pytest.mark.parametrize("name", ["", "\\ud800", "\\u0000", "x" * 5000, "../datasets"])
def test_what_can_be_no_id_of_a_data_set_is_none(tmp_path: Path, path: str, name: str) -> None:
    with serve(settings_for(tmp_path / "home")) as service, service.client() as client:
        body = f'{{"dataset": "{name}", "config": {{}}}}'.encode()
        said = problem(client.post(path, content=body, headers={"Content-Type": "application/json"}), 404)
        assert said["detail"].startswith("There is no data set '")
        assert len(said["detail"]) < 200
