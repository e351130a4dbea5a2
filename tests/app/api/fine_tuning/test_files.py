"""`/v1/files` through OpenAI's own client: kept as sent, or refused with the line."""

from __future__ import annotations

import time
from pathlib import Path

import openai
import pytest

from tests.app.api.fine_tuning.clients import CHATS, chat, client_of, jsonl, pair, upload
from tests.app.api.http_service import Service, serve, settings_for


def test_a_file_is_kept_as_it_was_sent(service: Service) -> None:
    with client_of(service) as client:
        made = client.files.create(file=("my tickets.jsonl", CHATS), purpose="fine-tune")
        assert (made.object, made.purpose, made.status) == ("file", "fine-tune", "processed")
        assert (made.filename, made.bytes) == ("my tickets.jsonl", len(CHATS))
        assert abs(made.created_at - time.time()) < 60
        assert client.files.retrieve(made.id) == made
        assert client.files.wait_for_processing(made.id) == made
        assert client.files.content(made.id).read() == CHATS


def test_a_file_from_disk_with_pairs(service: Service, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(jsonl([pair(number) for number in range(3)]))
    with client_of(service) as client:
        with (tmp_path / "pairs.jsonl").open("rb") as file:
            made = client.files.create(file=file, purpose="fine-tune")
        assert client.files.retrieve(made.id).filename == "pairs.jsonl"


def test_lists_come_in_pages_either_way(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path)) as service, client_of(service) as client:
        made = [upload(client, name=f"{number}.jsonl") for number in range(5)]
        service.sql("UPDATE datasets SET created = 7.25")
        place = sorted(made)
        assert [file.id for file in client.files.list(limit=2)] == place[::-1], (
            "the client asks for further pages"
        )
        assert [file.id for file in client.files.list(limit=2, order="asc")] == place
        page = client.files.list(limit=2, order="asc", after=place[1])
        assert [file.id for file in page.data] == place[2:4]
        assert page.has_more
        assert not client.files.list(after=place[2]).has_more
        assert client.files.list(purpose="batch").data == []
        with pytest.raises(openai.NotFoundError):
            client.files.list(after="file-none")


def test_a_file_is_no_data_set_of_three_splits(service: Service) -> None:
    with client_of(service) as client, service.client() as http:
        file = upload(client).removeprefix("file-")
        assert file not in {item["id"] for item in http.get("/v1/datasets").json()["items"]}
        assert http.get(f"/v1/datasets/{file}").status_code == 404
        assert http.delete(f"/v1/datasets/{file}").status_code == 404
        run = {"dataset": file, "config": {"loop": {"method": "vanilla"}}}
        assert http.post("/v1/runs", json=run).status_code == 404


def test_a_deleted_file_is_gone(service: Service) -> None:
    with client_of(service) as client:
        file = upload(client)
        assert file.removeprefix("file-") in service.folders()
        deleted = client.files.delete(file)
        assert (deleted.id, deleted.deleted) == (file, True)
        for use in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError) as caught:
                use(file)
            assert (caught.value.param, caught.value.type) == ("id", "invalid_request_error")
    assert file.removeprefix("file-") not in service.folders()


ROW = chat(1)
TURNS = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CHATS + b'{"messages": [{"role": "user"', "bad.jsonl, line 61: broken JSON"),
        (jsonl([ROW, ["text"], 3]), "line 2: a list, not an object. Write one JSON object a line: {...}. (Further faulty rows: 1.)"),
        (jsonl([ROW, {"messages": TURNS[:1]}]), "line 2: the conversation ends with the user's turn"),
        (jsonl([ROW, {"messages": [{"role": "bard of old", "content": "x"}]}]), "line 2: turn 1 is of the unknown speaker"),
        (jsonl([{"messages": [TURNS[0], TURNS[1] | {"weight": 0}]}]), "line 1: turn 2 has the weight 0"),
        (jsonl([ROW, {"messages": TURNS, "tools": [{"type": "function"}]}]), "line 2: the row has `tools`"),
        (jsonl([{"input": {"messages": TURNS[:1]}, "preferred_output": TURNS[1:]}]), "line 1: the row has `preferred_output`"),
        (jsonl([{"text": "alone"}]), "line 1: a row needs `messages`, or `prompt` and `completion`"),
        (jsonl([{"prompt": "alone"}]), "line 1: a row needs `messages`, or `prompt` and `completion`"),
        (jsonl([pair(1), ROW]), "line 2: the row has messages, and the first row has prompt and completion"),
        (jsonl([pair(1), {"prompt": "x", "completion": ""}]), "line 2: the answer `completion` is empty"),
        (jsonl([[ROW, ROW]]), "line 1: a list, not an object"),
        (b"", "bad.jsonl: the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "bad.jsonl"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_trained_on_is_named(service: Service, content: bytes, said: str) -> None:
    before = service.folders()
    with client_of(service) as client, pytest.raises(openai.BadRequestError) as caught:
        upload(client, content, "bad.jsonl")
    assert said in caught.value.message
    assert (caught.value.param, caught.value.code) == ("file", "invalid_file_format")
    assert str(service.settings.home) not in caught.value.message
    assert service.folders() == before


def test_other_purposes_and_fields_are_refused(service: Service) -> None:
    with client_of(service) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.files.create(file=("x.jsonl", CHATS), purpose="batch")
        assert caught.value.param == "purpose"
        with pytest.raises(openai.BadRequestError) as caught:
            client.files.create(
                file=("x.jsonl", CHATS),
                purpose="fine-tune",
                expires_after={"anchor": "created_at", "seconds": 3600},
            )
        assert caught.value.param == "expires_after[anchor]"
    with service.client() as http:
        for sent in ({"data": {"purpose": "fine-tune"}}, {"content": b"{}"}):
            answer = http.post("/v1/files", **sent)
            assert answer.status_code == 400
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_limits_of_the_service_hold(tmp_path: Path) -> None:
    limits = {"max_dataset_bytes": 20_000, "max_dataset_rows": 20}
    with serve(settings_for(tmp_path, **limits)) as service, client_of(service) as client:
        for content in (CHATS, jsonl([chat(1)]) * 200):
            with pytest.raises(openai.APIStatusError) as caught:
                upload(client, content)
            assert caught.value.status_code == 413
        assert service.folders() == []


def test_keys_see_their_own_files_only(keyed: Service) -> None:
    with (
        client_of(keyed, "write") as owner,
        client_of(keyed, "write") as other,
        client_of(keyed, "admin") as admin,
        client_of(keyed, "read") as reader,
    ):
        file = upload(owner)
        for use in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError):
                use(file)
        assert other.files.list().data == []
        assert [each.id for each in admin.files.list()] == [file]
        with pytest.raises(openai.PermissionDeniedError) as denied:
            upload(reader)
        assert denied.value.code == "missing_scope"
    with client_of(keyed) as stranger, pytest.raises(openai.AuthenticationError) as unknown:
        stranger.files.list()
    assert unknown.value.code == "invalid_api_key"


def test_the_same_upload_sent_again_is_one_file(service: Service) -> None:
    with client_of(service) as client:
        before = len(service.folders())
        sent = [
            client.files.create(
                file=("once.jsonl", CHATS), purpose="fine-tune", extra_headers={"Idempotency-Key": "once"}
            )
            for _ in range(2)
        ]
    assert sent[0] == sent[1]
    assert len(service.folders()) == before + 1
