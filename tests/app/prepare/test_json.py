"""JSONL, JSON arrays, and objects that hold the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.prepare.layout import Choices
from app.prepare.tables import InputError
from tests.input_files import as_jsonl, mixed, pairs, plan, read, read_one, write

ROWS = [{"text": text, "label": label} for text, label in mixed(40)]
EXPECTED = mixed(40)


@pytest.mark.parametrize(
    "content",
    [
        as_jsonl(ROWS),
        "\n\n" + as_jsonl(ROWS).replace("\n", "\r\n"),
        as_jsonl(ROWS).replace("}\n", "},\n"),
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        json.dumps({"version": "1.0", "data": ROWS}),
        json.dumps({name: [row[name] for row in ROWS] for name in ("text", "label")}),
        json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ("text", "label")}),
    ],
    ids=["jsonl", "crlf", "commas", "array", "indented", "list in an object", "columns", "pandas"],
)
@pytest.mark.parametrize("ending", ["json", "jsonl", "txt"])
def test_every_form_gives_the_same_rows(tmp_path: Path, content: str, ending: str) -> None:
    assert pairs(read_one(write(tmp_path / f"a.{ending}", content))) == EXPECTED


def test_lists_named_as_splits_are_splits(tmp_path: Path) -> None:
    document = {"train": ROWS[:20], "dev": ROWS[20:30], "test": ROWS[30:]}
    tables = read(write(tmp_path / "a.json", json.dumps(document)))
    assert [(table.split, len(table.records)) for table in tables] == [
        ("train", 20),
        ("validation", 10),
        ("test", 10),
    ]


def test_broken_lines_are_listed_and_the_others_kept(tmp_path: Path) -> None:
    broken = [
        '{"text": "a", "label": }',
        "[1, 2]",
        '{"text": "half \\ud800", "label": "a"}',
        '{"text": "nul \\u0000", "label": "a"}',
        '{"text": "a", "text": "b", "label": "a"}',
        "[" * 100_000,
        "null",
    ]
    table = read_one(write(tmp_path / "a.jsonl", as_jsonl(ROWS) + "\n".join(broken)))
    assert pairs(table) == EXPECTED
    assert [item.place.number for item in table.skipped] == list(range(41, 48))
    reasons = [item.reason for item in table.skipped]
    for reason, words in zip(
        reasons,
        ("column 24", "a list", "surrogate", "NUL", "'text' stands twice", "nested too deeply", "null"),
        strict=True,
    ):
        assert words in reason


def test_numbers_and_booleans_stay_as_written(tmp_path: Path) -> None:
    values = ["1.50", "1e3", "12345678901234567890", "true", "false", "0.1", "-7"]
    content = "".join(
        f'{{"prompt": "what is it, {n}?", "completion": {value}}}\n' for n, value in enumerate(values * 3)
    )
    made = plan(write(tmp_path / "a.jsonl", content))
    answers = {d.place.number: d.answer for drafts in made.rows.values() for d in drafts}
    assert [answers[n] for n in range(1, 8)] == values


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"a": 1, "b": 2}, "without a list of rows"),
        ("text", "not a list of rows"),
        ({"one": ROWS, "two": ROWS}, "several lists, `one`, `two`"),
    ],
)
def test_documents_without_rows(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(write(tmp_path / "a.json", json.dumps(document)))


def test_a_document_that_breaks_off_names_the_place(tmp_path: Path) -> None:
    content = json.dumps(ROWS, indent=1)[:-30]
    with pytest.raises(InputError, match=r"a\.json: broken JSON at line 1\d\d, column \d+"):
        read(write(tmp_path / "a.json", content))


def test_squads_own_file_is_unfolded(tmp_path: Path) -> None:
    paragraphs = [
        {
            "context": f"The {n}th river of the country is called River{n} and flows north.",
            "qas": [
                {
                    "id": f"q{n}",
                    "question": f"How is river {n} called?",
                    "answers": [{"text": f"River{n}", "answer_start": 4}],
                }
            ],
        }
        for n in range(30)
    ]
    document = {"version": "1.1", "data": [{"title": "Rivers", "paragraphs": paragraphs}]}
    made = plan(write(tmp_path / "dev-v1.1.json", json.dumps(document)))
    assert made.task.name == "extractive_qa"
    row = next(d for drafts in made.rows.values() for d in drafts if d.identifier == "q7")
    assert (
        row.prompt
        == "The 7th river of the country is called River7 and flows north.\n\nHow is river 7 called?"
    )
    assert row.answer == "River7"


def test_keys_inside_of_objects_are_found(tmp_path: Path) -> None:
    rows = [
        {"data": {"question": f"What is {n} and {n}?", "answer": 2 * n}, "meta": {"x": 1}} for n in range(30)
    ]
    made = plan(write(tmp_path / "a.jsonl", as_jsonl(rows)))
    assert (made.layout.prompt, made.layout.answer) == (["data.question"], "data.answer")


def test_keys_with_a_dot_are_found_inside_of_objects(tmp_path: Path) -> None:
    rows = [
        {"user.data": {"the.question": f"What is {n} and {n}?"}, "x": {"answer.text": 2 * n}}
        for n in range(30)
    ]
    said = Choices(prompt=["user.data.the.question"], answer="x.answer.text")
    made = plan(write(tmp_path / "a.jsonl", as_jsonl(rows)), said=said)
    texts = {(draft.prompt, draft.answer) for drafts in made.rows.values() for draft in drafts}
    assert ("What is 7 and 7?", "14") in texts
    assert len(texts) == 30
    assert not made.notes


def test_a_name_that_stands_for_two_values_is_told(tmp_path: Path) -> None:
    rows = [
        {"a.question": f"What is {n} and {n}?", "a": {"question": "hidden"}, "answer": 2 * n}
        for n in range(30)
    ]
    made = plan(write(tmp_path / "a.jsonl", as_jsonl(rows)))
    assert made.layout.prompt == ["a.question"]
    assert {draft.prompt for drafts in made.rows.values() for draft in drafts} == {
        f"What is {n} and {n}?" for n in range(30)
    }
    (note,) = made.notes
    assert note.startswith("`a.question` names two values of a row")


def test_texts_and_objects_as_answers_are_refused(tmp_path: Path) -> None:
    rows = [{"prompt": f"q {n}", "completion": {"a": n} if n % 2 else "text"} for n in range(30)]
    with pytest.raises(InputError, match=r"texts \(15 rows, such as a\.jsonl, line 1\) and objects"):
        plan(write(tmp_path / "a.jsonl", as_jsonl(rows)))


def test_a_few_answers_of_another_kind_are_listed(tmp_path: Path) -> None:
    rows = [{"prompt": f"request {n}", "completion": "text" if n == 5 else {"a": n}} for n in range(40)]
    made = plan(write(tmp_path / "a.jsonl", as_jsonl(rows)))
    assert made.task.name == "json_fields"
    assert [(item.place.number, item.reason) for item in made.skipped] == [
        (6, "the answer `completion` is a text, and most are objects")
    ]


def test_nesting_without_an_end_is_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(InputError, match=r"deep\.json: JSON that is nested too deeply to be read"):
        read(path)
