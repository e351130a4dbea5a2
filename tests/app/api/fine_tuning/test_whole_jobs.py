"""Jobs from the upload to the model, as scripts for OpenAI's API do it: a real service, real workers and trainers."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.app.api.fine_tuning.openai_scripts import COOKBOOK, script_of_the_guide
from tests.app.api.serving.served_run import prompts_and_answers
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, serving
from tests.tiny_task import rows, write_rows

ENDED = ("succeeded", "failed", "cancelled")
QUICK = {
    "pada.student.template": "plain",
    "pada.student.max_length": "128",
    "pada.student.max_new_tokens": "6",
    "pada.evaluate_untrained": "false",
}
HYPERPARAMETERS: Any = {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 15}


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, student: Path, scripted_teacher: ScriptedTeacherServer
) -> Iterator[Service]:
    teacher = {"base_url": scripted_teacher.url, "model": "scripted_teacher", "api_key_env": "TINY_KEY"}
    settings = {
        "PADA_AUTH": "on",
        "PADA_ALLOWED_PATHS": json.dumps([str(student)]),
        "PADA_TEACHERS": json.dumps({"default": teacher}),
        "PADA_PRIVATE_TEACHERS": "off",
        "PADA_STUDENTS": json.dumps({"gpt-4o-mini-2024-07-18": str(student)}),
    }
    with serving(tmp_path_factory.mktemp("service") / "home", **settings) as running:
        running.key = running.make_key("write")
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.key) as made:
        yield made


def write_chats(path: Path, split: str, count: int) -> Path:
    write_rows(
        path,
        [
            {
                "messages": [
                    {"role": "user", "content": row["prompt"]},
                    {"role": "assistant", "content": row["completion"]},
                ]
            }
            for row in rows(split, count)
        ],
    )
    return path


def wait(client: openai.OpenAI, job: str, *statuses: str) -> openai.types.fine_tuning.FineTuningJob:
    deadline = time.monotonic() + 120
    while True:
        seen = client.fine_tuning.jobs.retrieve(job)
        if seen.status in (statuses or ENDED):
            return seen
        assert time.monotonic() < deadline, seen
        assert seen.status not in ENDED, seen
        time.sleep(0.1)


@dataclass
class GuidesJob:
    """The job of the guide's script, after its end."""

    job: openai.types.fine_tuning.FineTuningJob
    printed: str
    trained: dict[str, Any]
    """The trainer's report."""
    reply: str
    """The fine-tuned model's, to the question of the script."""

    @property
    def run(self) -> str:
        return self.job.id.removeprefix("ftjob-")


@pytest.fixture(scope="module")
def guides_job(tmp_path_factory: pytest.TempPathFactory, service: Service, student: Path) -> GuidesJob:
    folder = tmp_path_factory.mktemp("guide")
    write_chats(folder / "tickets.jsonl", "validation", 120)
    script = script_of_the_guide(
        address=f"{service.url}/v1",
        key=service.key,
        model=f'"{student}", suffix="requests", metadata={QUICK}',
        hyperparameters=repr(HYPERPARAMETERS),
        wait="sleep(0.1",
    )
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with chdir(folder), redirect_stdout(printed):
        exec(script, names)
    names["client"].close()
    answered = names["reply"].choices[0].message.content
    job: openai.types.fine_tuning.FineTuningJob = names["job"]
    assert job.status == "succeeded", job
    assert job.fine_tuned_model
    report = service.home / f"runs/{job.fine_tuned_model}/rounds/0/student/report.json"
    return GuidesJob(job, printed.getvalue(), json.loads(report.read_text()), answered)


def test_the_script_of_the_guide_prints_what_was_trained(guides_job: GuidesJob) -> None:
    job, printed = guides_job.job, guides_job.printed
    assert job.fine_tuned_model == guides_job.run
    assert job.trained_tokens == guides_job.trained["completion_tokens"] > 0
    assert "\nThe job has completed. " in printed
    assert f"{job.fine_tuned_model} {job.trained_tokens}\nround,step,train_loss,learning_rate\n" in printed
    assert guides_job.reply


def test_the_events_of_a_job(guides_job: GuidesJob, client: openai.OpenAI) -> None:
    events = list(client.fine_tuning.jobs.list_events(guides_job.job.id, limit=10))[::-1]
    assert events[0].message == "The job is queued."
    assert events[-1].message.startswith("The job has completed.")
    losses = [event for event in events if event.message.startswith("Step ")]
    assert losses
    assert {event.type for event in losses} == {"metrics"}
    data: list[Any] = [event.data for event in losses]
    assert all(each["loss"] > 0 for each in data)


def test_the_checkpoint_of_a_job(guides_job: GuidesJob, client: openai.OpenAI, service: Service) -> None:
    (checkpoint,) = client.fine_tuning.jobs.checkpoints.list(guides_job.job.id)
    assert checkpoint.fine_tuning_job_id == guides_job.job.id
    assert checkpoint.fine_tuned_model_checkpoint == f"{guides_job.run}:baseline"
    assert checkpoint.step_number == guides_job.trained["steps"]
    assert checkpoint.metrics.train_loss == guides_job.trained["loss"][-1]["loss"]
    (scored,) = service.get(f"/{guides_job.run}")["scores"]
    assert checkpoint.metrics.model_extra == {
        "validation": scored["validation"], "validation_metric": scored["metric"],
    }  # fmt: skip


def test_the_files_of_a_job(guides_job: GuidesJob, client: openai.OpenAI, service: Service) -> None:
    (results,) = guides_job.job.result_files
    described = client.files.retrieve(results)
    content = client.files.content(results)
    assert (described.purpose, described.bytes) == ("fine-tune-results", len(content.read()))
    lines = list(csv.DictReader(io.StringIO(content.text)))
    assert [(int(line["step"]), float(line["train_loss"])) for line in lines] == [
        (point["step"], point["loss"]) for point in guides_job.trained["loss"]
    ]
    adapter = (
        f"{service.url}/v1/runs/{guides_job.run}/artifacts/rounds/0/student/adapter/adapter_model.safetensors"
    )
    part = httpx.get(adapter, headers=service.headers | {"Range": "bytes=0-7"})
    assert (part.status_code, len(part.content)) == (206, 8)


@pytest.mark.slow
def test_a_script_for_openai_runs_unchanged(client: openai.OpenAI, service: Service, tmp_path: Path) -> None:
    """Its steps are those of OpenAI's cookbook; only the two variables that the client reads are set."""
    write_chats(tmp_path / "train.jsonl", "train", 120)
    write_chats(tmp_path / "validation.jsonl", "validation", 40)
    environment = {"OPENAI_BASE_URL": f"{service.url}/v1", "OPENAI_API_KEY": service.key}
    done = subprocess.run(
        [sys.executable, "-c", COOKBOOK],
        cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *messages, model, reply = done.stdout.splitlines()
    assert messages[-1].startswith("The job has completed.")
    predicted = prompts_and_answers(service.home / "runs" / model, 0)
    expected = dict(predicted)[rows("validation", 40)[0]["prompt"]]
    assert reply == repr(expected)


@pytest.mark.slow
def test_a_job_with_a_teacher_is_paused_and_goes_on(
    client: openai.OpenAI, service: Service, student: Path, tmp_path: Path
) -> None:
    file = client.files.create(
        file=write_chats(tmp_path / "all.jsonl", "validation", 120), purpose="fine-tune"
    )
    teaches = {
        "method": "pada",
        "pada.loop.rounds": "1",
        "pada.loop.synthetic_per_round": "8",
        "pada.loop.oversample": "1",
    }
    jobs = client.fine_tuning.jobs
    job = jobs.create(
        training_file=file.id,
        model=str(student),
        method={"type": "supervised", "supervised": {"hyperparameters": HYPERPARAMETERS}},
        metadata=QUICK | teaches,
    ).id
    wait(client, job, "running")
    jobs.pause(job)
    waiting = wait(client, job, "paused")
    assert waiting.fine_tuned_model is None
    assert jobs.list_events(job, limit=1).data[0].level == "warn"
    assert jobs.resume(job).status in ("queued", "running", "validating_files")
    ended = wait(client, job)
    assert ended.status == "succeeded", ended
    checkpoints = jobs.checkpoints.list(job).data
    assert [each.id.rpartition("-")[2] for each in checkpoints] == ["1", "0"]
    (newest,) = jobs.checkpoints.list(job, limit=1).data
    assert [each.id for each in jobs.checkpoints.list(job, limit=1)] == [each.id for each in checkpoints]
    assert newest == checkpoints[0]
    with pytest.raises(openai.NotFoundError):
        jobs.checkpoints.list(job, after="ftckpt-none")
    assert service.get(f"/{job.removeprefix('ftjob-')}")["cost"]["calls"] > 0
    with pytest.raises(openai.BadRequestError):
        jobs.cancel(job)


def test_a_job_at_work_is_cancelled(client: openai.OpenAI, student: Path, tmp_path: Path) -> None:
    file = client.files.create(file=write_chats(tmp_path / "rows.jsonl", "train", 120), purpose="fine-tune")
    jobs = client.fine_tuning.jobs
    job = jobs.create(
        training_file=file.id, model=str(student), metadata=QUICK | {"pada.student.steps": "100000"}
    ).id
    wait(client, job, "running")
    with pytest.raises(openai.BadRequestError):
        client.files.delete(file.id)
    assert jobs.cancel(job).status in ("running", "cancelled")
    ended = wait(client, job, "cancelled")
    assert (ended.fine_tuned_model, ended.result_files, ended.trained_tokens) == (None, [], None)
    with pytest.raises(openai.NotFoundError):
        client.files.content(f"file-{job.removeprefix('ftjob-')}")
    assert client.files.delete(file.id).deleted


@pytest.mark.slow
def test_a_job_that_fails_says_why(client: openai.OpenAI, tmp_path: Path) -> None:
    file = client.files.create(file=write_chats(tmp_path / "rows.jsonl", "train", 40), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(training_file=file.id, model="nobody/nothing", metadata=QUICK).id
    ended = wait(client, job)
    assert (ended.status, ended.fine_tuned_model) == ("failed", None)
    assert ended.error
    assert "nobody/nothing" in ended.error.message
    newest = client.fine_tuning.jobs.list_events(job, limit=1).data[0]
    assert (newest.level, newest.message) == ("error", f"The job has failed. {ended.error.message}")
