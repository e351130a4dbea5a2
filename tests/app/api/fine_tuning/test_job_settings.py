"""What a job's parameters and metadata mean for its run, and what cannot be used."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.app.api.fine_tuning.clients import STUDENT, chat, config_of, jsonl, upload
from tests.app.api.http_service import Service

LAUGHS = "{a0: &a0 [1,1,1,1,1,1,1,1,1,1], " + ", ".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 8)
) + "}"  # fmt: skip
"""A short text that stands for a hundred million values."""


@pytest.mark.parametrize("older", [True, False])
def test_hyperparameters_are_the_students(
    service: Service, client: openai.OpenAI, file: str, older: bool
) -> None:
    given: Any = {"n_epochs": 4, "batch_size": 16, "learning_rate_multiplier": 0.5}
    if older:
        job = client.fine_tuning.jobs.create(model=STUDENT, training_file=file, hyperparameters=given)
    else:
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": given}}
        job = client.fine_tuning.jobs.create(model=STUDENT, training_file=file, method=method)
    student = config_of(service, job.id)["student"]
    assert (student["epochs"], student["batch_size"], student["tune"]) == (4, 16, "off")
    assert student["learning_rate"] == pytest.approx(1e-4)
    assert job.hyperparameters.model_dump() == given
    assert job.method
    assert job.method.supervised
    assert job.method.supervised.hyperparameters
    assert job.method.supervised.hyperparameters.model_dump() == given


@pytest.mark.parametrize(("named", "model"), [({}, "large"), ({"teacher": "other"}, "larger")])
def test_the_method_and_its_teacher_come_from_the_metadata(
    service: Service, client: openai.OpenAI, file: str, named: dict[str, str], model: str
) -> None:
    metadata = {"method": "pada", "pada.loop.rounds": "2", "pada.budget.max_calls": "50", **named}
    job = client.fine_tuning.jobs.create(model=STUDENT, training_file=file, metadata=metadata)
    config = config_of(service, job.id)
    assert (config["loop"]["method"], config["loop"]["rounds"]) == ("pada", 2)
    assert (config["teacher"]["model"], config["budget"]["max_calls"]) == (model, 50)
    assert job.metadata == metadata


def test_a_teacher_may_be_described_in_the_metadata(
    service: Service, client: openai.OpenAI, file: str
) -> None:
    described = {"pada.teacher.base_url": "http://localhost:7/v1", "pada.teacher.model": "mine"}
    job = client.fine_tuning.jobs.create(
        model=STUDENT, training_file=file, metadata={"method": "random", **described}
    )
    teacher = config_of(service, job.id)["teacher"]
    assert (teacher["base_url"], teacher["model"]) == ("http://localhost:7/v1", "mine")


@pytest.mark.parametrize(
    ("change", "param", "said"),
    [
        ({"model": "gpt-4o-mini-2024-07-18"}, "model", "The weights of gpt-4o-mini-2024-07-18 are OpenAI's"),
        ({"model": "/etc"}, "model", "PADA_ALLOWED_PATHS"),
        ({"model": ""}, "model", "at least 1 character"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "greater than or equal to 1"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs", "valid integer"),
        ({"hyperparameters": {"learning_rate_multiplier": 1001}}, "learning_rate_multiplier", "less than or equal to"),
        ({"hyperparameters": {"beta": 1}}, "hyperparameters.beta", "unknown parameter"),
        ({"method": {"type": "dpo"}}, "method.type", "supervised"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"suffix": "x" * 65}, "suffix", "at most 64"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations", "at most 0"),
        ({"metadata": {"x" * 65: "y"}}, "metadata", "at most 64"),
        ({"metadata": {str(number): "y" for number in range(17)}}, "metadata", "at most 16"),
        ({"metadata": {"method": "magic"}}, "metadata", "one of pada, vanilla"),
        ({"metadata": {"method": "pada", "teacher": "nobody"}}, "metadata", "PADA_TEACHERS has default, other, keyed"),
        ({"metadata": {"pada.loop.round": "2"}}, "metadata", "did you mean `rounds`?"),
        ({"metadata": {"pada.loop.rounds": "[2"}}, "metadata", "not valid YAML"),
        ({"metadata": {"method": "pada", "pada.teacher.extra_body": LAUGHS}}, "metadata", "references"),
        ({"metadata": {"kind": "\0"}}, "metadata.kind", "pattern"),
        ({"metadata": {"method": "pada", "teacher": "keyed", "pada.teacher.base_url": "http://evil.test/v1"}}, "metadata", "may not go to http://evil.test"),
        ({"metadata": {"pada.seed.name": "x"}}, "metadata", "`seed` holds no keys"),
        ({"metadata": {"pada.task": "os:path"}}, "metadata", "not run over HTTP"),
        ({"metadata": {"pada.task": "magic"}}, "metadata", "one of arc_challenge"),
        ({"metadata": {"pada.output": "/tmp/x"}}, "metadata", "config.output"),
        ({"metadata": {"pada.data.folder": "/etc"}}, "metadata", "only `limit`"),
        ({"metadata": {"method": "pada", "pada.teacher.api_key_env": "OPENAI_API_KEY"}}, "metadata", "may not go to"),
        ({"metadata": {"method": "pada", "pada.teacher.base_url": "http://169.254.169.254/v1"}}, "metadata", "`base_url` of the analyst"),
        ({"metadata": {"pada.student.steps": "9999999"}}, "metadata", "PADA_MAX_STEPS"),
        ({"extra_body": {"colour": 1}}, "colour", "unknown parameter"),
        ({"extra_body": {"metadata": {"n": 1}}}, "metadata.n", "valid string"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    service: Service, client: openai.OpenAI, file: str, change: dict[str, Any], param: str, said: str
) -> None:
    before, runs = service.folders(), service.sql("SELECT count(*) FROM runs")
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(**{"model": STUDENT, "training_file": file, **change})
    assert said in caught.value.message
    assert param in (caught.value.param or "")
    assert caught.value.type == "invalid_request_error"
    assert str(service.settings.home) not in caught.value.message
    assert (service.folders(), service.sql("SELECT count(*) FROM runs")) == (before, runs)


def test_files_that_are_not_there_are_named(client: openai.OpenAI, file: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.fine_tuning.jobs.create(model=STUDENT, training_file="file-none")
    assert caught.value.param == "training_file"
    with pytest.raises(openai.NotFoundError) as caught:
        client.fine_tuning.jobs.create(model=STUDENT, training_file=file, validation_file="file-none")
    assert caught.value.param == "validation_file"


def test_too_few_rows_are_an_error_of_the_file(service: Service, client: openai.OpenAI) -> None:
    few = upload(client, jsonl([chat(number) for number in range(5)]), "few.jsonl")
    before = service.folders()
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(model=STUDENT, training_file=few)
    assert "Only 5 of the rows can be used" in caught.value.message
    assert (caught.value.param, caught.value.code) == ("training_file", "invalid_training_file")
    assert service.folders() == before
