"""A corpus of broken inputs: each has the one right finding, and one check finds all that are planted together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.config.data import DataSpec
from app.config.run_config import RunConfig
from app.prepare.checks.check import check_rows
from tests.app.prepare.checks.checked_rows import FIRST, LABELS, Row, Splits, chat, check, sound


def test_sound_rows_have_no_finding(tmp_path: Path) -> None:
    report = check(tmp_path, sound())
    assert report.findings == []
    assert {split: facts.rows for split, facts in report.splits.items()} == {
        "train": 72,
        "validation": 12,
        "test": 12,
    }
    assert report.splits["train"].labels == dict.fromkeys(LABELS, 12)
    assert set(report.shows) == {"validation", "test"}


BROKEN_ROWS: list[tuple[Any, str]] = [
    (b"{", "broken JSON at column 2"),
    (b'{"id": "x", "prompt": "p", "completion": "delivery"', "broken JSON"),
    (b"[1, 2]", "a list, not an object"),
    (b'"text"', "text, not an object"),
    (b"null", "null, not an object"),
    (b"{'id': 1}", "broken JSON"),
    ({"prompt": "p"}, "the row has no `completion`"),
    ({"completion": "delivery"}, "the row has no `prompt`"),
    ({"prompt": "", "completion": "delivery"}, "`prompt` is empty"),
    ({"prompt": "  \n", "completion": "delivery"}, "`prompt` is empty"),
    ({"prompt": "p", "completion": ""}, "`completion` is empty"),
    ({"prompt": 5, "completion": "delivery"}, "`prompt` is a number, not text"),
    ({"prompt": None, "completion": "delivery"}, "`prompt` is null, not text"),
    ({"prompt": "p", "completion": True}, "`completion` is true, not text"),
    ({"prompt": ["p"], "completion": "delivery"}, "`prompt` is a list, not text"),
    ({"prompt": "p", "completion": {"a": 1}}, "`completion` is an object, not text"),
    ({"id": 1.5, "prompt": "p", "completion": "delivery"}, "`id` is a number"),
    ({"id": "", "prompt": "p", "completion": "delivery"}, "`id` is empty"),
    ({"id": ["a"], "prompt": "p", "completion": "delivery"}, "`id` is a list"),
    ({"id": "train-parcel late-0", "prompt": "p", "completion": "delivery"}, "is already that of line 1"),
    (b'{"prompt": "\\ud800", "completion": "delivery"}', "half a surrogate pair"),
    ({"messages": []}, "`messages` is empty"),
    ({"messages": "hello"}, "`messages` is text"),
    ({"messages": ["hello"]}, "turn 1 of `messages` is text"),
    (chat(("user", "p")), "`messages` ends with the user turn"),
    (chat(("assistant", "delivery")), "no user turn"),
    (chat(("human", "p"), ("assistant", "delivery")), "unknown role 'human'"),
    (chat(("tool", "p"), ("assistant", "delivery")), "unknown role 'tool'"),
    (chat(("user", None), ("assistant", "delivery")), "the `content` of turn 1"),
    (chat(("user", [{"type": "text", "text": "p"}]), ("assistant", "delivery")), "the `content` of turn 1"),
    (
        chat(("user", "p"), ("assistant", "a"), ("assistant", "delivery")),
        "turn before the answer is the assistant's",
    ),
    (
        chat(("user", "p"), ("system", "s"), ("assistant", "delivery")),
        "turn before the answer is the system's",
    ),
    (chat(("user", "p"), ("assistant", "delivery"), tool_calls=[{"id": "1"}]), "has `tool_calls`"),
    (chat(("user", "p"), ("assistant", "delivery"), reasoning_content="hm"), "has `reasoning_content`"),
    (
        {"messages": chat(("user", "p"), ("assistant", "a"))["messages"], "completion": "delivery"},
        "Remove one of them",
    ),
]


@pytest.mark.parametrize(("row", "reason"), BROKEN_ROWS, ids=[reason for _, reason in BROKEN_ROWS])
def test_a_broken_row_is_named_with_file_and_line(tmp_path: Path, row: Any, reason: str) -> None:
    splits = sound()
    splits["train"].insert(3, row)
    splits["train"].insert(1, b"")  # blank lines count
    (fault,) = check(tmp_path, splits).findings
    assert (fault.level, fault.code, fault.count) == ("fault", "row", 1)
    (place,) = fault.places
    assert (place.file, place.line) == (str(tmp_path / "train.jsonl"), 5)
    assert reason in place.detail


def test_all_broken_rows_of_a_file_are_found_at_once(tmp_path: Path) -> None:
    splits = sound()
    splits["train"] += [row for row, _ in BROKEN_ROWS]
    (fault,) = check(tmp_path, splits).findings
    assert [place.line for place in fault.places] == list(range(73, 73 + len(BROKEN_ROWS)))


def change(split: str, **more: Any) -> Callable[[Splits], None]:
    """Puts a row at the end of a split: its first one with changes."""

    def put(splits: Splits) -> None:
        splits[split].append({**splits[split][0], "id": "new", **more})

    return put


def copy(source: str, target: str, **more: Any) -> Callable[[Splits], None]:
    def put(splits: Splits) -> None:
        splits[target].append({**splits[source][0], "id": "new", **more})

    return put


def clear(split: str) -> Callable[[Splits], None]:
    def put(splits: Splits) -> None:
        splits[split].clear()

    return put


ACROSS: list[tuple[Callable[[Splits], None], str, str, str]] = [
    (copy("train", "validation"), "fault", "overlap", "the prompt is also that of"),
    (copy("train", "test", prompt=f"  {FIRST.upper()} ?!"), "fault", "overlap", "train.jsonl:1"),
    (copy("validation", "test"), "fault", "overlap", "validation.jsonl:1"),
    (change("train", completion="cards"), "warning", "conflicting_answers", "another answer"),
    (change("train"), "warning", "repeated", "the same row as"),
    (copy("train", "validation", id="train-parcel late-0", prompt="quite another question here"), "fault", "same_id", "train.jsonl:1"),
    (change("validation", prompt="something new to ask of us", completion="gardening"), "fault", "unseen_label", "gardening"),
    (change("train", prompt="write to eva.muster@example.com please now"), "warning", "personal_data", "an e-mail address"),
    (change("train", prompt="my card is 4111 1111 1111 1111 it broke"), "warning", "personal_data", "a card number"),
    (change("train", prompt=FIRST + "r"), "note", "near_duplicates", "nearly the prompt of"),
    (copy("train", "test", prompt=FIRST + "st"), "warning", "near_leak", "train.jsonl:1"),
    (clear("test"), "fault", "empty", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "level", "code", "detail"), ACROSS, ids=[f"{each[2]}-{n}" for n, each in enumerate(ACROSS)]
)
def test_what_is_wrong_between_rows(
    tmp_path: Path, plant: Callable[[Splits], None], level: str, code: str, detail: str
) -> None:
    splits = sound()
    plant(splits)
    found = check(tmp_path, splits).findings
    finding = next(each for each in found if each.code == code)
    assert (finding.level, finding.count) == (level, 1)
    assert detail in finding.places[0].detail


def test_one_check_finds_all_that_is_planted(tmp_path: Path) -> None:
    splits = sound()
    for plant, _, code, _ in ACROSS:
        if code not in ("empty", "same_id"):
            plant(splits)
            for rows in splits.values():
                for number, row in enumerate(rows):
                    if row["id"] == "new":
                        row["id"] = f"{code}-{number}-{id(rows)}"
    splits["train"].append(b"{")
    codes = {finding.code for finding in check(tmp_path, splits).findings}
    assert codes >= {code for _, _, code, _ in ACROSS if code not in ("empty", "same_id")} | {"row"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "There is no file"), (b"\xff\xfe{\x00", "is not UTF-8"), (b'{"prompt": "caf\xe9"}\n', "line 1: byte 0xe9 is not UTF-8")],
)  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    check(tmp_path, sound())
    path = tmp_path / "validation.jsonl"
    path.unlink() if content is None else path.write_bytes(content)
    found = check_rows(RunConfig(task="classification", data=DataSpec(folder=tmp_path)))[0].findings
    (fault,) = [each for each in found if each.level == "fault"]
    assert fault.code == "file"
    assert reason in fault.message


def test_an_answer_that_its_own_metric_calls_wrong(tmp_path: Path) -> None:
    def sums(start: int) -> list[Row]:
        return [
            {"prompt": f"What is {n} and {n * 17}, in all?", "completion": f"#### {n * 18}"}
            for n in range(start, start + 60)
        ]

    splits = {"train": sums(0), "validation": sums(100), "test": sums(200)}
    splits["validation"][7]["completion"] = "#### 5 apples"
    (fault,) = [each for each in check(tmp_path, splits, "gsm8k").findings if each.level == "fault"]
    assert (fault.code, [place.line for place in fault.places]) == ("reference", [8])


def test_system_turns_that_differ_are_a_note_and_one_for_each_row_is_a_warning(tmp_path: Path) -> None:
    splits = sound()
    for number, row in enumerate(splits["train"]):
        instruction = "Route the message." if number % 2 else "You route messages to teams."
        row["messages"] = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": row.pop("prompt")},
        ]
    found = {finding.code: finding for finding in check(tmp_path, splits).findings}
    assert (found["mixed_systems"].level, found["mixed_systems"].count) == ("note", 72)
    for number, row in enumerate(splits["train"]):
        row["messages"][0]["content"] = f"The customer's record: {number}"
    found = {finding.code: finding for finding in check(tmp_path, splits).findings}
    assert (found["own_systems"].level, found["own_systems"].count) == ("warning", 72)
    for row in splits["train"]:
        row["messages"][0]["content"] = "Route the message."
    found = {finding.code: finding for finding in check(tmp_path, splits).findings}
    assert not {"mixed_systems", "own_systems"} & found.keys()


ORDERS = {
    "two ways round": (['{"a": 1, "b": 2}', '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'], [3]),
    "a field more": (['{"a": 1, "b": 2, "c": 3}', '{"a": 1, "c": 3}', '{"b": 2, "c": 3}'], []),
    "far apart": (['{"a": 1, "b": 2, "c": 3}'] * 2 + ['{"c": 3, "a": 1, "b": 2}'], [3]),
    "as often": (['{"a": 1, "b": 2}', '{"b": 2, "a": 1}'], []),
}


@pytest.mark.parametrize(("answers", "lines"), ORDERS.values(), ids=ORDERS)
def test_fields_in_another_order_than_most(tmp_path: Path, answers: list[str], lines: list[int]) -> None:
    splits = sound()
    splits["train"] = [
        {"id": str(n), "prompt": f"{n}{FIRST}", "completion": text} for n, text in enumerate(answers)
    ]
    splits["validation"], splits["test"] = [], []
    found = [each for each in check(tmp_path, splits, "json_fields").findings if each.code == "mixed_order"]
    assert [place.line for each in found for place in each.places] == lines


def test_json_answers_that_spell_letters_by_code(tmp_path: Path) -> None:
    splits = sound()
    for row in splits["train"]:
        row["completion"] = '{"name": "Weiß"}'
    splits["train"][4]["completion"] = r'{"name": "Wei\u00df"}'
    splits["train"][5]["completion"] = r'{"name": "line\nline \\u00df"}'
    found = [
        each for each in check(tmp_path, splits, "json_fields").findings if each.code == "escaped_letters"
    ]
    assert [(each.level, place.line) for each in found for place in each.places] == [("warning", 5)]
