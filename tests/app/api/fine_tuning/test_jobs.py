"""`/v1/fine_tuning/jobs` through OpenAI's own client; nobody works on the runs here."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.app.api.fine_tuning.clients import CHATS, STUDENT, chat, client_of, config_of, jsonl, pair, upload
from tests.app.api.http_service import Service, serve, settings_for


def rows_of(service: Service, job: str) -> dict[str, list[dict[str, Any]]]:
    """The rows that a job trains on, by split."""
    with service.client() as http:
        dataset = http.get(f"/v1/runs/{job.removeprefix('ftjob-')}").json()["dataset"]
    folder = service.settings.datasets / dataset
    return {
        split: [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]
        for split in ("train", "validation", "test")
    }


def asked(rows: list[dict[str, Any]]) -> set[str]:
    return {row["messages"][-2]["content"] for row in rows}


def test_a_job_is_a_run_on_the_file(service: Service, client: openai.OpenAI, file: str) -> None:
    job = client.fine_tuning.jobs.create(
        model=STUDENT, training_file=file, suffix="mine", seed=11, metadata={"team": "support"}
    )
    assert (job.object, job.status, job.model) == ("fine_tuning.job", "queued", STUDENT)
    assert (job.training_file, job.validation_file, job.seed) == (file, None, 11)
    assert (job.fine_tuned_model, job.finished_at, job.trained_tokens, job.error) == (None,) * 4
    assert (job.result_files, job.metadata) == ([], {"team": "support"})
    assert job.model_extra == {"user_provided_suffix": "mine"}
    assert job.hyperparameters.model_dump() == dict.fromkeys(
        ("batch_size", "learning_rate_multiplier", "n_epochs"), "auto"
    )
    assert client.fine_tuning.jobs.retrieve(job.id) == job
    with service.client() as http:
        run = http.get(f"/v1/runs/{job.id.removeprefix('ftjob-')}").json()
    assert (run["status"], run["method"], run["task"]) == ("queued", "vanilla", "classification")
    config = config_of(service, job.id)
    assert (config["student"]["model"], config["student"]["tune"], config["seed"]) == (STUDENT, "auto", 11)


def test_a_name_of_the_service_stands_for_a_student(
    service: Service, client: openai.OpenAI, file: str
) -> None:
    job = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file)
    assert (job.model, config_of(service, job.id)["student"]["model"]) == ("gpt-4o-mini", STUDENT)


def test_rows_are_split_once_each(service: Service, client: openai.OpenAI, file: str, job: str) -> None:
    rows = rows_of(service, job)
    whole = {chat(number)["messages"][1]["content"] for number in range(60)}
    parts = [asked(rows[split]) for split in rows]
    assert all(parts)
    assert set.union(*parts) == whole
    assert sum(map(len, parts)) == len(whole)
    assert client.files.content(file).read() == CHATS, "the file stays as it is"


def test_a_validation_file_is_the_validation_rows(service: Service, client: openai.OpenAI, file: str) -> None:
    held_out = [chat(number) for number in range(100, 106)]
    validation = upload(client, jsonl(held_out), "held out.jsonl")
    job = client.fine_tuning.jobs.create(model=STUDENT, training_file=file, validation_file=validation)
    assert job.validation_file == validation
    rows = rows_of(service, job.id)
    assert asked(rows["validation"]) == {row["messages"][1]["content"] for row in held_out}
    assert len(rows["train"]) + len(rows["test"]) == 60
    assert len(rows["test"]) > 0


def test_the_training_file_is_no_validation_file(client: openai.OpenAI, file: str) -> None:
    """Neither itself, nor a copy, nor one that holds nearly the same rows."""
    for other in (file, upload(client, CHATS, "copy.jsonl")):
        with pytest.raises(openai.BadRequestError, match="validation_file: it holds the same rows") as caught:
            client.fine_tuning.jobs.create(model=STUDENT, training_file=file, validation_file=other)
        assert caught.value.param == "validation_file"
    nearly = upload(client, jsonl([chat(number) for number in range(1, 61)]), "nearly.jsonl")
    with pytest.raises(
        openai.BadRequestError, match="1 of 60 train rows can be used, because validation rows ask"
    ):
        client.fine_tuning.jobs.create(model=STUDENT, training_file=file, validation_file=nearly)


def test_pairs_are_read_by_their_names(service: Service, client: openai.OpenAI) -> None:
    rows = [pair(number) | {"label": "other", "question": f"not this {number}"} for number in range(30)]
    job = client.fine_tuning.jobs.create(
        model=STUDENT, training_file=upload(client, jsonl(rows)), metadata={"pada.task": "exact_match"}
    )
    known = {(row["prompt"], row["completion"]) for row in rows}
    split = rows_of(service, job.id)
    assert {(row["prompt"], row["completion"]) for part in split.values() for row in part} == known
    assert config_of(service, job.id)["task"] == "exact_match"


def test_cancel_pause_and_resume(client: openai.OpenAI, file: str) -> None:
    jobs = client.fine_tuning.jobs
    job = jobs.create(model=STUDENT, training_file=file).id
    assert str(jobs.pause(job).status) == "paused"  # the client's type does not have it
    assert jobs.resume(job).status == "queued"
    cancelled = jobs.cancel(job)
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at
    for step in (jobs.pause, jobs.resume):
        with pytest.raises(openai.BadRequestError) as caught:
            step(job)
        assert "cancelled" in caught.value.message
    messages = [event.message for event in jobs.list_events(job)]
    assert messages == [
        "The job was cancelled. It was cancelled.",
        "The job is queued.",
        "The job is paused. It was paused.",
        "The job is queued.",
    ]
    assert jobs.checkpoints.list(job).data == []


def test_a_run_at_work_checks_its_rows_before_its_first_stage(
    service: Service, client: openai.OpenAI, job: str
) -> None:
    run = job.removeprefix("ftjob-")
    seen = []
    for status, view in (
        ("running", {}),
        ("running", {"stage": "fine_tune"}),
        ("failed", {}),
        ("queued", {}),
    ):
        service.sql(
            "UPDATE runs SET status = ?, view = ?, reason = 'Why.' WHERE id = ?",
            status,
            json.dumps(view),
            run,
        )
        seen.append(client.fine_tuning.jobs.retrieve(job))
    assert [job.status for job in seen] == ["validating_files", "running", "failed", "queued"]
    assert [job.error and job.error.message for job in seen] == [None, None, "Why.", None]


def test_lists_come_in_pages_and_by_metadata(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(settings_for(tmp_path_factory.mktemp("home"))) as service, client_of(service) as client:
        jobs, file = client.fine_tuning.jobs, upload(client)
        made = [
            jobs.create(model=STUDENT, training_file=file, metadata={"kind": "even" if number % 2 == 0 else "odd", "size, {x}": "größe"}).id
            for number in range(4)
        ]  # fmt: skip
        with service.client() as http:
            dataset = http.get(f"/v1/runs/{made[0].removeprefix('ftjob-')}").json()["dataset"]
            config = {"loop": {"method": "vanilla"}}
            run = http.post("/v1/runs", json={"dataset": dataset, "config": config}).json()["id"]
        assert [job.id for job in jobs.list(limit=2)] == made[::-1], "the client asks for further pages"
        page = jobs.list(limit=2, after=made[3])
        assert ([job.id for job in page.data], page.has_more) == ([made[2], made[1]], True)
        assert [job.id for job in jobs.list(metadata={"kind": "odd"})] == [made[3], made[1]]
        assert [job.id for job in jobs.list(metadata={"size, {x}": "größe", "kind": "even"})] == [
            made[2],
            made[0],
        ]
        assert jobs.list(metadata={"none": "odd"}).data == []
        for key in ('a"b', "größe", "a\\b"):
            with pytest.raises(openai.BadRequestError):
                jobs.list(metadata={key: "c"})
        for other in (f"ftjob-{run}", "ftjob-none", "%00", run):
            with pytest.raises(openai.NotFoundError):
                jobs.retrieve(other)


def test_events_come_in_pages(client: openai.OpenAI, file: str, job: str) -> None:
    jobs, other = client.fine_tuning.jobs, job
    job = jobs.create(model=STUDENT, training_file=file).id
    for _ in range(3):
        jobs.pause(job)
        jobs.resume(job)
    events = list(jobs.list_events(job, limit=2))
    assert [event.id.rpartition("-")[2] for event in events] == list("7654321")
    assert {(event.object, event.type) for event in events} == {("fine_tuning.job.event", "message")}
    page = jobs.list_events(job, limit=2, after=events[1].id)
    assert ([event.id for event in page.data], page.has_more) == ([events[2].id, events[3].id], True)
    with pytest.raises(openai.NotFoundError):
        jobs.list_events(other, after=events[1].id)


def test_what_a_job_needs_is_not_deleted(service: Service, client: openai.OpenAI) -> None:
    file = upload(client)
    before = service.folders()
    job = client.fine_tuning.jobs.create(model=STUDENT, training_file=file).id
    (taken,) = set(service.folders()) - set(before)
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.delete(file)
    assert "has not ended" in caught.value.message
    client.fine_tuning.jobs.cancel(job)
    assert client.files.delete(file).deleted
    assert not {taken, file.removeprefix("file-")} & set(service.folders())
    assert client.fine_tuning.jobs.retrieve(job).training_file == file


def test_keys_see_their_own_jobs_only(keyed: Service) -> None:
    with (
        client_of(keyed, "write") as owner,
        client_of(keyed, "write") as other,
        client_of(keyed, "admin") as admin,
        client_of(keyed, "read") as reader,
    ):
        file = upload(owner)
        job = owner.fine_tuning.jobs.create(model=STUDENT, training_file=file).id
        jobs = other.fine_tuning.jobs
        for use in (
            jobs.retrieve,
            jobs.cancel,
            jobs.pause,
            jobs.resume,
            jobs.list_events,
            jobs.checkpoints.list,
        ):
            with pytest.raises(openai.NotFoundError):
                use(job)
        with pytest.raises(openai.NotFoundError):
            jobs.create(model=STUDENT, training_file=file)
        assert jobs.list().data == []
        with pytest.raises(openai.PermissionDeniedError):
            reader.fine_tuning.jobs.create(model=STUDENT, training_file=file)
        with pytest.raises(openai.PermissionDeniedError):
            reader.fine_tuning.jobs.cancel(job)
        assert admin.fine_tuning.jobs.cancel(job).status == "cancelled"


def test_too_many_unfinished_jobs_leave_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_for(tmp_path_factory.mktemp("home"), max_unfinished=1)
    with serve(settings) as service, client_of(service) as client:
        file = upload(client)
        client.fine_tuning.jobs.create(model=STUDENT, training_file=file)
        before = service.folders()
        with pytest.raises(openai.RateLimitError):
            client.fine_tuning.jobs.create(model=STUDENT, training_file=file)
        assert service.folders() == before


def test_a_job_sent_again_is_one_job(service: Service, client: openai.OpenAI, file: str) -> None:
    before = len(service.folders())
    sent = [
        client.fine_tuning.jobs.create(
            model=STUDENT, training_file=file, extra_headers={"Idempotency-Key": "one job"}
        ).id
        for _ in range(2)
    ]
    assert sent[0] == sent[1]
    assert len(service.folders()) == before + 1
