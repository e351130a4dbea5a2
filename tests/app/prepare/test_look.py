"""What is shown of a file before anything is made of it, and the texts of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config.run_config import parse_config
from app.prepare.layout import Choices
from app.prepare.look import make_preview
from app.prepare.plan import SplitOptions
from app.prepare.preview import Preview, in_a_form
from app.prepare.proposal import Proposal, yaml_text
from app.prepare.tables import ReadOptions
from tests.app.prepare.test_excel import rows_of, workbook
from tests.input_files import as_csv, mixed, write


def look(path: Path, said: Choices | None = None, **reading: Any) -> Preview:
    seen, plan = make_preview([path], ReadOptions(**reading), said or Choices(), SplitOptions())
    assert (plan is None) == bool(seen.fault)
    return seen


def test_every_guess_has_its_reason_and_how_sure_it_is(tmp_path: Path) -> None:
    seen = look(write(tmp_path / "a.csv", as_csv(mixed(80), separator=";")))
    assert (seen.prompt, seen.answer, seen.task) == (["text"], "label", "classification")
    sure = {
        about: [(each.sureness, each.value) for each in reasons] for about, reasons in seen.reasons.items()
    }
    assert sure["separator"] == [("sure", ";")]
    assert sure["encoding"] == [("sure", "utf-8")]
    assert sure["header"] == [("likely", "yes")]
    assert sure["prompt"] == sure["answer"] == [("sure", "")]
    assert seen.rows[0].asked == mixed(80)[0][0]
    assert sum(seen.splits.values()) == 80
    assert 0 < seen.shows["test"] < 1


def test_what_is_said_is_taken_and_said_to_be(tmp_path: Path) -> None:
    rows = [(text, label, f"note {n}") for n, (text, label) in enumerate(mixed(80))]
    path = write(tmp_path / "a.csv", as_csv(rows, ("text", "label", "note")))
    seen = look(path, Choices(prompt=["note"], answer="label"), separator=",")
    assert seen.rows[0].asked == "note 0"
    assert all("you said so" in seen.reasons[about][0].text for about in ("prompt", "answer", "separator"))
    wrong = look(path, Choices(answer="nothing"))
    assert "there is no column 'nothing'" in wrong.fault
    assert wrong.columns == ["text", "label", "note"], "so that another can be chosen"


def test_the_cover_sheet_is_passed_over_and_refusals_name_the_other_sheets(tmp_path: Path) -> None:
    cover: list[list[Any]] = [["Tickets of 2025"], ["Exported by", "Jo"], ["Version", 3]]
    path = workbook(tmp_path / "a.xlsx", ("About", cover), ("Tickets", rows_of()))
    seen = look(path)
    assert (seen.fault, seen.sheets) == ("", ["About", "Tickets"])
    assert [(each.value, each.sureness) for each in seen.reasons["sheet"]] == [("Tickets", "likely")]
    for title in (["Tickets of 2025"], ["a", "a"]):
        wrong = look(
            workbook(tmp_path / "b.xlsx", ("About", [title, *cover]), ("Tickets", rows_of())), sheet="About"
        )
        assert wrong.fault.endswith("This is the sheet 'About'. To read another, pass --sheet: `Tickets`.")
        assert wrong.sheets == ["About", "Tickets"]
    alone = look(workbook(tmp_path / "c.xlsx", ("About", cover)))
    assert "--sheet" not in alone.fault


def test_a_column_of_numbers_is_not_what_is_asked(tmp_path: Path) -> None:
    rows = [(str(n), text, label) for n, (text, label) in enumerate(mixed(80))]
    seen = look(write(tmp_path / "a.csv", as_csv(rows, ("Ticket", "What they wrote", "Topic"))))
    assert seen.prompt == ["What they wrote"]


@pytest.mark.parametrize(
    ("name", "content", "correctable"),
    [
        ("a.csv", b"one\ntwo\n", True),
        ("a.json", b"{", False),
        ("a.xlsx", b"PK", False),
        ("a.csv", b"", False),
    ],
)
def test_what_no_answer_can_help(tmp_path: Path, name: str, content: bytes, correctable: bool) -> None:
    (tmp_path / name).write_bytes(content)
    seen = look(tmp_path / name)
    assert (bool(seen.fault), seen.correctable) == (True, correctable)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("If letters look wrong, pass --encoding.", "If letters look wrong, set “Encoding”."),
        (
            "`day` holds dates. Pass --time day of it to test on",
            "`day` holds dates. Set “Time” to `day of it` to test on",
        ),
        ("(--group none turns it off)", "(“Group: none” turns it off)"),
        ("--prompt: there is no column 'x'", "“Asked”: there is no column 'x'"),
        ("a -- b --other", "a -- b --other"),
    ],
)
def test_options_become_fields(text: str, shown: str) -> None:
    assert in_a_form(text) == shown


def test_the_yaml_of_the_settings_says_what_they_say() -> None:
    odd = "x: y # no\n- \u00e9\u2028\U0001f600 \"'"
    chosen = Proposal(
        task="my: task", student=odd, model="no", base_url="http://localhost:1/v1?a=b", api_key_env="", method="random",
        rounds=2, synthetic=7, max_usd=12_345_678.5, max_calls=3, seed=5, max_new_tokens=9, foreign=True,
    )  # fmt: skip
    document = yaml.safe_load(yaml_text(chosen))
    assert (document["task"], document["student"]["model"], document["teacher"]["model"]) == (
        "my: task",
        odd,
        "no",
    )
    assert document["teacher"]["api_key_env"] == ""
    assert document["loop"] == {"method": "random", "rounds": 2, "synthetic_per_round": 7}
    assert document["budget"] == {"max_usd": 12_345_678.5, "max_calls": 3}
    assert (document["seed"], document["student"]["max_new_tokens"]) == (5, 9)


def test_the_settings_of_plain_fine_tuning_ask_no_teacher() -> None:
    document = yaml.safe_load(yaml_text(Proposal(method="vanilla", max_usd=None)))
    config = parse_config(document | {"data": {"folder": "."}}, "config", Path("/"))
    assert (config.loop.method, config.teacher, config.budget.max_usd) == ("vanilla", None, None)
