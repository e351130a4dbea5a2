"""Services for the tests of jobs, where nobody works on the runs, and a file and a job on one."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.app.api.fine_tuning.clients import STUDENT, client_of, upload
from tests.app.api.http_service import Service, serve, settings_for

TEACHERS = {
    "default": {"base_url": "http://localhost:9/v1", "model": "large"},
    "other": {"base_url": "http://localhost:8/v1", "model": "larger", "max_concurrency": 2},
    "keyed": {"base_url": "https://api.openai.com/v1", "model": "large", "api_key_env": "OPENAI_API_KEY"},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(
        settings_for(tmp_path_factory.mktemp("home"), teachers=TEACHERS, students={"gpt-4o-mini": STUDENT})
    ) as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("home"), auth="on")) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with client_of(service) as made:
        yield made


@pytest.fixture(scope="module")
def file(service: Service) -> str:
    with client_of(service) as client:
        return upload(client)


@pytest.fixture(scope="module")
def job(service: Service, file: str) -> str:
    """A job like any other: making one takes a second."""
    with client_of(service) as client:
        return client.fine_tuning.jobs.create(model=STUDENT, training_file=file).id
