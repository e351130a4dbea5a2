"""`/data-sets`: what is shown, and who may delete what."""

from __future__ import annotations

from tests.app.api.http_service import Service, upload
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import RUN, add_run, open_page, signed_in, token_in


def test_data_sets_are_listed_with_their_rows_and_deleted(service: Service) -> None:
    with service.client() as client:
        assert "There is no data set yet" in open_page(client, "/data-sets")
        name = upload(client, name="<b>mine").json()["id"]
        text = open_page(client, "/data-sets")
        assert "&lt;b&gt;mine" in text
        assert '<td class="n">4</td><td class="n">3</td><td class="n">2</td>' in text
        assert f'href="/new?dataset={name}"' in text
        assert client.post(f"/data-sets/{name}/delete", data={"token": "x"}).status_code == 403
        assert service.folders() == [name]
        gone = client.post(f"/data-sets/{name}/delete", data={"token": token_in(text)})
        assert (gone.status_code, gone.headers["location"]) == (303, "/data-sets")
    assert service.folders() == []


def test_a_data_set_that_a_run_needs_stays(service: Service) -> None:
    with service.client() as client:
        name = upload(client).json()["id"]
        add_run(service)
        service.sql("update runs set dataset = ?", name)
        token = token_in(open_page(client, "/data-sets"))
        refused = client.post(f"/data-sets/{name}/delete", data={"token": token})
        assert (refused.status_code, "has not ended" in refused.text) == (409, True)
        assert service.sql("select id from runs where dataset = ?", name) == [(RUN,)]


def test_a_key_sees_its_own_data_sets_and_a_reader_deletes_none(keyed: Service) -> None:
    _, writer_key = make_key(keyed, "write")
    reader, reader_key = make_key(keyed, "read")
    with keyed.client(writer_key) as client:
        first, second = (upload(client, name=name).json()["id"] for name in ("theirs", "readers"))
    keyed.sql("update datasets set owner = ? where id = ?", reader, second)
    with signed_in(keyed, writer_key) as client:
        text = open_page(client, "/data-sets")
        assert (first in text, second in text) == (True, False)
        refused = client.post(f"/data-sets/{second}/delete", data={"token": token_in(text)})
        assert refused.status_code == 404
    with signed_in(keyed, reader_key) as client:
        text = open_page(client, "/data-sets")
        assert "readers" in text
        assert "/delete" not in text
        assert client.post(f"/data-sets/{second}/delete", data={"token": token_in(text)}).status_code == 403
    assert keyed.folders() == sorted([first, second])
