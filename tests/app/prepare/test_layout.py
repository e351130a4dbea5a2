"""Which column is what, in the formats that people have, and how sure the guess is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.prepare.layout import Choices
from app.prepare.tables import InputError
from tests.input_files import WORDS, as_csv, as_jsonl, mixed, plan, requests, write

TEXTS = mixed(80)


def made(tmp_path: Path, rows: list[dict[str, Any]], **said: Any) -> Any:
    return plan(write(tmp_path / "a.jsonl", as_jsonl(rows)), said=Choices(**said))


def first(planned: Any) -> Any:
    """The row of the file's first line."""
    return first_of(planned, 1)


def first_of(planned: Any, number: int) -> Any:
    """The row of a line."""
    return next(d for drafts in planned.rows.values() for d in drafts if d.place.number == number)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("prompt", "completion"), ("input", "output"), ("text", "label"), ("question", "answer"), ("Customer message", "Ticket category"),
        ("Frage", "Antwort"), ("質問", "回答"), ("प्रश्न", "उत्तर"), ("คำถาม", "คำตอบ"), ("utterance", "intent"),
    ],
)  # fmt: skip
def test_known_names_are_sure_in_either_order(tmp_path: Path, prompt: str, answer: str) -> None:
    for swapped in (False, True):
        rows = [{answer: a, prompt: t} if swapped else {prompt: t, answer: a} for t, a in TEXTS]
        planned = made(tmp_path, rows)
        assert (planned.layout.prompt, planned.layout.answer, planned.layout.sureness) == (
            [prompt],
            answer,
            "sure",
        )
        assert (first(planned).prompt, first(planned).answer) == TEXTS[0]


def test_unknown_names_are_a_guess_by_content(tmp_path: Path) -> None:
    planned = made(tmp_path, [{"a": a, "b": t, "id": n} for n, (t, a) in enumerate(TEXTS)])
    assert (planned.layout.prompt, planned.layout.answer, planned.layout.sureness) == (["b"], "a", "a guess")
    assert any("longest" in reason for reason in planned.layout.reasons)


def test_alpaca_joins_instruction_and_input(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Name the topic.", "input": t if n else "", "output": a}
        for n, (t, a) in enumerate(TEXTS)
    ]
    planned = made(tmp_path, rows)
    prompts = {d.place.number: d.prompt for drafts in planned.rows.values() for d in drafts}
    assert prompts[1] == "Name the topic."
    assert prompts[2] == f"Name the topic.\n\n{TEXTS[1][0]}"


def test_the_users_columns_are_taken(tmp_path: Path) -> None:
    rows = [{"text": "x", "title": t, "note": t[::-1], "label": "y", "kind": a} for t, a in TEXTS]
    planned = made(tmp_path, rows, prompt=["title", "note"], answer="kind")
    assert first(planned).prompt == f"{TEXTS[0][0]}\n\n{TEXTS[0][0][::-1]}"
    assert first(planned).answer == TEXTS[0][1]
    with pytest.raises(InputError, match=r"--answer: there is no column 'klass'; the columns are `text`"):
        made(tmp_path, rows, answer="klass")


def test_chat_rows_keep_their_messages_and_system_prompt(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Answer with one label."}
    rows = [
        {"messages": [system, {"role": "user", "content": t}, {"role": "assistant", "content": a}]}
        for t, a in TEXTS
    ]
    planned = made(tmp_path, rows)
    assert planned.task.name == "classification"
    assert first(planned).messages == rows[0]["messages"]


def test_sharegpt_with_a_system_column_and_several_turns(tmp_path: Path) -> None:
    rows = [
        {
            "system": "Be kind.",
            "conversations": [
                {"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi, how can I help?"},
                {"from": "human", "value": t}, {"from": "gpt", "value": f"Gladly. {t} {a}. " * 5},
            ],
        }
        for t, a in TEXTS
    ]  # fmt: skip
    planned = made(tmp_path, rows)
    assert [turn["role"] for turn in first(planned).messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert planned.task.kind == "open text"
    assert planned.task.warnings


def test_conversations_as_json_in_a_cell(tmp_path: Path) -> None:
    rows = [
        (json.dumps([{"role": "user", "content": t}, {"role": "assistant", "content": a}]),) for t, a in TEXTS
    ]
    path = write(tmp_path / "a.csv", as_csv([(*row, "x") for row in rows], ("messages", "source")))
    planned = plan(path)
    assert planned.layout.chat == "messages"
    assert (first_of(planned, 2).asked, first_of(planned, 2).answer) == TEXTS[0]


def test_rows_of_both_kinds_in_one_file(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"prompt": t, "completion": a} for t, a in TEXTS]
    rows[9] = {
        "messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "card"}]
    }
    planned = made(tmp_path, rows)
    assert planned.skipped == []
    assert (first(planned).prompt, first_of(planned, 10).asked) == (TEXTS[0][0], "Where is it?")


def test_left_over_control_tokens_are_named(tmp_path: Path) -> None:
    planned = made(tmp_path, [{"text": t, "label": f"{a}<|im_end|>"} for t, a in TEXTS])
    assert any("'<|im_end|>' (a.jsonl, line 1)" in note for note in planned.notes)


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([("user", "a"), ("assistant", "b"), ("assistant", "c")], "turns 2 and 3 are both the assistant's"),
        ([("user", "a"), ("system", "b"), ("assistant", "c")], "turn 2 is the system's"),
        ([("user", "a")], "ends with the user's turn"),
        ([("user", "a"), ("tool", "b"), ("assistant", "c")], "unknown speaker 'tool'"),
        ([("user", "a"), ("assistant", "")], "turn 2 is empty"),
        ([("assistant", "a"), ("user", "b"), ("assistant", "c")], "begins with the assistant's turn"),
        ([], "the conversation is empty"),
    ],
)
def test_conversations_that_cannot_be_trained_on_are_listed(
    tmp_path: Path, turns: list[tuple[str, str]], words: str
) -> None:
    good = [
        {"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": a}]} for t, a in TEXTS
    ]
    bad = {"messages": [{"role": role, "content": content} for role, content in turns]}
    [item] = made(tmp_path, [*good, bad]).skipped
    assert item.place.number == 81
    assert words in item.reason


@pytest.mark.parametrize("key", ["tool_calls", "reasoning_content"])
def test_what_pada_cannot_train_on_is_refused_and_not_dropped(tmp_path: Path, key: str) -> None:
    good = [
        {"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": a}]} for t, a in TEXTS
    ]
    good[3]["messages"][1][key] = "thinking"
    assert key in made(tmp_path, good).skipped[0].reason


OPTIONS = [
    ([f"{WORDS[n % 40]} {n}", f"{WORDS[(n + 1) % 40]} {n}", f"{WORDS[(n + 2) % 40]} {n}"], n % 3)
    for n in range(60)
]


@pytest.mark.parametrize(
    "row",
    [
        lambda texts, place: {"choices": texts, "answer": place},
        lambda texts, place: {"choices": texts, "answer": place + 1},
        lambda texts, place: {"choices": texts, "answer": texts[place]},
        lambda texts, place: {"options": json.dumps(texts), "answer": "ABC"[place]},
        lambda texts, place: {
            "choices": {"label": ["1", "2", "3"], "text": texts},
            "answerKey": None,
            "answer": str(place + 1),
        },
        lambda texts, place: {"A": texts[0], "B": texts[1], "C": texts[2], "answer": f"({'abc'[place]})"},
        lambda texts, place: {
            "option_1": texts[0],
            "option_2": texts[1],
            "option_3": texts[2],
            "answer": place + 1,
        },
    ],
    ids=["from 0", "from 1", "text", "letter", "arc", "columns", "numbered columns"],
)
def test_multiple_choice_in_every_form(tmp_path: Path, row: Any) -> None:
    planned = made(
        tmp_path, [{"question": f"Which is number {n}?"} | row(*item) for n, item in enumerate(OPTIONS)]
    )
    assert planned.task.name == "multiple_choice"
    got = {d.place.number: d for drafts in planned.rows.values() for d in drafts}
    assert [got[n + 1].answer for n in range(60)] == ["ABC"[place] for _, place in OPTIONS]
    assert f"A. {OPTIONS[0][0][0]}\nB. {OPTIONS[0][0][1]}" in got[1].prompt


def test_a_passage_goes_before_its_question_and_keeps_its_rows_together(tmp_path: Path) -> None:
    rows = [
        {"context": f"On day {n // 2} it rained in {WORDS[n // 2]} and snowed in {WORDS[n // 2 + 1]}.", "question": f"Where did it {('rain', 'snow')[n % 2]}?",
         "answers": {"text": [WORDS[n // 2 + n % 2]], "answer_start": [0]}}
        for n in range(80)
    ]  # fmt: skip
    planned = made(tmp_path, rows)
    assert planned.task.name == "extractive_qa"
    where = {d.place.number: split for split, drafts in planned.rows.items() for d in drafts}
    assert all(where[n] == where[n + 1] for n in range(1, 80, 2))


def test_json_answers_exact_answers_and_gsm8k(tmp_path: Path) -> None:
    texts = [t for t, _ in TEXTS]
    objects = [{"text": t, "label": {"where": t.split()[-1], "n": n}} for n, t in enumerate(texts)]
    assert made(tmp_path, objects).task.name == "json_fields"
    assert (
        made(tmp_path, [{"question": t, "answer": str(n * 17)} for n, t in enumerate(texts)]).task.name
        == "exact_match"
    )
    sums = [{"question": t, "answer": f"We add.\n#### {n}"} for n, t in enumerate(texts)]
    assert made(tmp_path, sums).task.name == "gsm8k"


def test_a_task_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--task: There is no task 'guessing'"):
        made(tmp_path, [{"text": t, "label": a} for t, a in TEXTS], task="guessing")


def test_rows_that_the_task_cannot_score_are_listed(tmp_path: Path) -> None:
    rows = [
        {"text": t, "label": json.dumps({"n": n}) if n != 7 else "no object"}
        for n, (t, _) in enumerate(TEXTS)
    ]
    [item] = made(tmp_path, rows, task="json_fields").skipped
    assert item.place.number == 8
    assert "not one JSON object" in item.reason


def test_spellings_of_one_label_are_made_one(tmp_path: Path) -> None:
    rows = [{"text": t, "label": "réclamation" if a == "bill" else a} for t, a in requests(60)]
    rows[2]["label"] = "re\u0301clamation"
    planned = made(tmp_path, rows)
    assert set(planned.task.labels) == {"réclamation", "refund", "card"}
    assert any(r"'re\u0301clamation' became 'r\xe9clamation'" in note for note in planned.notes)


def test_letters_that_json_answers_spell_by_code_are_written_out_and_nothing_else_is_changed(
    tmp_path: Path,
) -> None:
    written = r'{"name": "M\u00fcller \ud83d\ude00", "note": "\"\u0022\\u00fc\n\u0007\/", "price": 12.50}'
    rows = [{"text": t, "label": written if n < 3 else '{"name": "Weiß"}'} for n, (t, _) in enumerate(TEXTS)]
    planned = made(tmp_path, rows)
    assert (
        first(planned).answer == r'{"name": "Müller 😀", "note": "\"\u0022\\u00fc\n\u0007\/", "price": 12.50}'
    )
    assert json.loads(first(planned).answer) == json.loads(written)
    assert any(note.startswith("3 answers spell letters by code") for note in planned.notes)


def test_a_label_that_looks_like_a_code_stays_as_it_is(tmp_path: Path) -> None:
    rows = [{"text": t, "label": r"\u00fc" if n % 2 else "other"} for n, (t, _) in enumerate(TEXTS)]
    assert set(made(tmp_path, rows).task.labels) == {r"\u00fc", "other"}


@pytest.mark.parametrize(
    ("cell", "asked"),
    [
        ("Where is my parcel?   ", "Where is my parcel?"),
        ("\t Where is my parcel?\u00a0", "Where is my parcel?"),
        ("    return x\n    # done  ", "    return x\n    # done"),
        ("def f(x):\n", "def f(x):\n"),
    ],
)
def test_blanks_around_a_prompt_are_left_out_but_not_those_of_code(
    tmp_path: Path, cell: str, asked: str
) -> None:
    rows = [{"text": cell, "label": "a"}, *({"text": t, "label": a} for t, a in TEXTS)]
    assert first(made(tmp_path, rows)).prompt == asked
