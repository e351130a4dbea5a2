"""`pada add-row` on a folder and `pada runs add-row` on a service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.runs import runs
from app.errors import PadaError
from graphs import person_rows
from tests.app.api.http_service import serve, settings_for
from tests.app.api.runs.test_added_rows import RUN, put_run
from tests.app.engine.rows_of_people import LEAK, NEW, begin_run

ROW = person_rows.row_id(**NEW)
OPTIONS = ("--prompt", NEW["prompt"], "--completion", NEW["completion"])


def call(*arguments: object, group: Typer = app) -> str:
    done = CliRunner().invoke(group, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_row_of_a_folder(tmp_path: Path) -> None:
    paths, _ = begin_run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    first, _, following = call("add-row", tmp_path, *OPTIONS).partition("\n")
    assert first.startswith(f"{ROW}: waiting. ")
    assert (
        following
        == "The next round of this run checks the row and trains on it, unless the loop ends before.\n"
    )
    leak = call("add-row", tmp_path, "--prompt", LEAK["prompt"], "--completion", LEAK["completion"])
    assert ": leak. " in leak
    assert "validation row validation-0: " in leak
    assert call("remove-row", tmp_path, ROW) == f"{ROW}: removed\n"
    with pytest.raises(PadaError, match="no person has added"):
        call("remove-row", tmp_path, ROW)
    person_rows.take(paths, 1)
    (other,) = person_rows.all_rows(paths)
    with pytest.raises(PadaError, match="round 1 has taken"):
        call("remove-row", tmp_path, other.id)
    with pytest.raises(PadaError, match=r"The row cannot be used\. completion: "):
        call("add-row", tmp_path, "--prompt", NEW["prompt"], "--completion", "")
    with pytest.raises(PadaError, match="no such folder"):
        call("add-row", tmp_path / "nowhere", *OPTIONS)


def test_a_row_of_a_service(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home")) as service:
        paths = put_run(service)
        assert call("add-row", RUN, "--server", service.url, *OPTIONS, group=runs).startswith(
            f"{ROW}: waiting. "
        )
        kept = json.loads(paths.person_row(ROW).read_text())
        assert (kept["prompt"], kept["completion"]) == (NEW["prompt"], NEW["completion"])
        assert call("remove-row", RUN, ROW, "--server", service.url, group=runs) == f"{ROW}: removed\n"
        with pytest.raises(PadaError, match="No person has added"):
            call("remove-row", RUN, ROW, "--server", service.url, group=runs)
