"""schemathesis on the OpenAPI document, stateful, against a real service that has keys on and a finished run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import openai
import pytest

from tests.command import environment
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, serving
from tests.tiny_task import config_for

ROOT = Path(__file__).resolve().parents[3]
SCHEMATHESIS = os.environ.get("PADA_TEST_SCHEMATHESIS")
EXAMPLES = 40
"""Of each operation, and of walks through the links."""


def finish_a_run(
    service: Service, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    """So that there are rows, rounds and files to ask for."""
    files = {split: (data / f"{split}.jsonl").read_bytes() for split in ("train", "validation", "test")}
    made = httpx.post(
        f"{service.url}/v1/datasets", data={"name": "tiny"}, files=files, headers=service.headers, timeout=60
    )
    config = config_for(data, student, scripted_teacher.url, loop={"rounds": 1})
    del config["data"]
    answer = service.post("", {"dataset": made.json()["id"], "config": config})
    assert answer.status_code == 202, answer.text
    assert service.wait(answer.json()["id"], seconds=240)["status"] == "finished"


def finish_a_job(service: Service, data: Path, student: Path) -> None:
    """So that there are a file, a job and its checkpoint to ask for."""
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.key) as client:
        file = client.files.create(file=data / "validation.jsonl", purpose="fine-tune")
        quick = {
            "pada.student.steps": "4",
            "pada.student.max_length": "128",
            "pada.student.template": "plain",
        }
        job = client.fine_tuning.jobs.create(model=str(student), training_file=file.id, metadata=quick)
    assert service.wait(job.id.removeprefix("ftjob-"), seconds=240)["status"] == "finished"


@pytest.mark.slow
@pytest.mark.skipif(not SCHEMATHESIS, reason="`make fuzz` has schemathesis")
def test_no_request_makes_the_service_break_its_word(
    tmp_path: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    assert SCHEMATHESIS
    log = tmp_path / "serve.log"
    settings = {
        "PADA_AUTH": "on",
        **allowing(scripted_teacher.url, student),
        "PADA_REQUESTS_PER_MINUTE": "1000000",
        "PADA_MAX_UNFINISHED": "1000000",
    }
    with serving(tmp_path / "home", **settings) as service:
        service.key = service.make_key("write")
        finish_a_run(service, data, student, scripted_teacher)
        finish_a_job(service, data, student)
        service.terminate()
        service.settings["PADA_MAX_RUNNING"] = "0"  # the runs that schemathesis starts are not worked on
        service.start()
        before = len(log.read_text())
        done = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", ROOT / "tests/app/api/fuzz.toml"),
                *("run", f"{service.url}/openapi.json", "-H", f"Authorization: Bearer {service.key}"),
                *("--max-examples", str(EXAMPLES), "--no-color", "--generation-database", "none"),
            ],
            env=environment() | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
    assert done.returncode == 0
    assert '"level": "error"' not in log.read_text()[before:]
