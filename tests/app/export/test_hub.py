"""What an upload needs, and what it says without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import PadaError
from app.export.hub import check_upload, upload
from app.report.card import base_model


@pytest.mark.parametrize("repo", [None, "", "name", "a/b/c", "../x", "a b/c"])
def test_a_name_that_is_none_is_refused(repo: str | None) -> None:
    with pytest.raises(PadaError, match="owner/name"):
        check_upload(repo, push=False)


def test_a_base_is_named_without_its_revision() -> None:
    assert base_model("HuggingFaceTB/SmolLM3-3B@v1")[0] == "HuggingFaceTB/SmolLM3-3B"
    assert base_model("/models/mine@v1")[0] is None


def test_a_token_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert check_upload("a/b", push=False) == "a/b"
    with pytest.raises(PadaError, match="HF_TOKEN"):
        check_upload("a/b", push=True)


def test_without_push_it_only_says_what_would_be_uploaded(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("card")
    assert upload(tmp_path, "a/b", push=False).splitlines()[-1] == "  README.md  4 bytes"


def test_a_failed_upload_keeps_the_folder_and_names_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    (tmp_path / "README.md").write_text("card")
    with pytest.raises(PadaError, match="Not uploaded") as error:  # the tests are offline
        upload(tmp_path, "a/b", push=True)
    assert "hf_canary" not in str(error.value)
    assert (tmp_path / "README.md").exists()
