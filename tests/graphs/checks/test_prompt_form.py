"""The parts that all prompts of a task share."""

from __future__ import annotations

import random

import pytest

from graphs.checks.prompt_form import MAX_TOLD, PromptForm
from trainer.records import Example, Message

FORM = PromptForm("Sort the mail.\nMail: ", "\nLabel:")
TEXTS = [
    "I lost my card.",
    "Where is my refund? I wait.",
    "two lines\nof text",
    "Please help",
    "a",
    "Hello: it is me",
]


def rows(prompts: list[str]) -> list[Example]:
    return [Example(id=str(n), prompt=prompt, completion="x") for n, prompt in enumerate(prompts)]


def of(prompts: list[str]) -> PromptForm:
    return PromptForm.from_rows(rows(prompts))


def chat(system: str | None, number: int) -> Example:
    turns = [Message(role="system", content=system)] if system else []
    turns.append(Message(role="user", content=f"message {number}"))
    return Example(id=str(number), prompt=f"message {number}", completion="x", messages=turns)


def test_the_fixed_parts_are_word_for_word_with_their_blanks() -> None:
    assert of([f"Sort the mail.\nMail: {text}\nLabel:" for text in TEXTS]) == FORM
    assert of([f"{text}\n\nWhich team should answer this?\n" for text in TEXTS]).after == (
        "\n\nWhich team should answer this?\n"
    )
    assert of(
        [f"请给这封邮件分类到一个部门，只写部门名称。邮件内容如下：{text}" for text in TEXTS]
    ).before == ("请给这封邮件分类到一个部门，只写部门名称。邮件内容如下：")


def test_a_part_ends_on_a_border() -> None:
    """All go on with "I want to", which is part of what varies."""
    form = of(
        [f"Which team should answer?\nI want to {text}" for text in ("pay", "return it", "leave", "complain")]
    )
    assert form == PromptForm(before="Which team should answer?\n")


@pytest.mark.parametrize(
    "prompts",
    [
        TEXTS,
        ["Sort the mail, and be quick about it. " + text for text in TEXTS[:2]],
        [f"Q: {text}" for text in TEXTS],
        ["One and the same long prompt in all rows."] * 6,
        [f"Sort the mail of this {n}.\nMail: text" for n in range(6)],
        [*(f"Sort the mail for the team.\n{n}" for n in range(97)), "another", "form", "of prompt"],
    ],
    ids=["nothing shared", "two rows", "too short", "nothing varies", "too short an end", "97 of 100"],
)
def test_without_a_shared_text_there_is_no_form_and_nothing_changes(prompts: list[str]) -> None:
    form = of(prompts)
    assert form == PromptForm()
    assert not form.fixed
    assert form.for_teacher() == {}
    assert [form.variable_part(p) for p in prompts] == [form.wrap(p) for p in prompts] == prompts


def test_one_row_in_a_hundred_may_have_another_form() -> None:
    form = of([*(f"Sort the mail for the team.\nmail {n}" for n in range(99)), "what is this"])
    assert form.before == "Sort the mail for the team.\n"
    assert form.variable_part("what is this") == "what is this"


def test_what_varies_comes_back_whole() -> None:
    rng = random.Random(0)
    words = ["card", "label", "mail.", "\n", "  ", "?", "refund", "Mail"]
    for _ in range(300):
        text = " ".join(rng.choices(words, k=rng.randint(1, 8))).strip() or "x"
        prompt = FORM.before + text + FORM.after
        assert FORM.wrap(FORM.variable_part(prompt)) == prompt
        assert FORM.wrap(prompt) == prompt


@pytest.mark.parametrize(
    "text",
    [
        "my card",
        "\n my card \n",
        "Sort the mail.\nMail: my card\nLabel:",
        "Sort the mail. Mail: my card\n\nLabel: ",
        "Sort the mail.\nMail: my card",
        "Mail: my card",
        "my card\nLabel:",
        " Sort the mail.\n\nMail:\nmy card Label:\n",
    ],
)
def test_a_writer_that_repeats_fixed_parts_gets_them_once(text: str) -> None:
    assert FORM.wrap(text) == "Sort the mail.\nMail: my card\nLabel:"


def test_a_word_that_only_begins_like_a_fixed_part_stays() -> None:
    form = PromptForm("Answer the question below\n", "\nend")
    assert form.wrap("Answer the question belowground") == (
        "Answer the question below\nAnswer the question belowground\nend"
    )
    assert form.wrap("How does it bend") == "Answer the question below\nHow does it bend\nend"


def test_a_text_of_nothing_but_fixed_parts_has_nothing_of_its_own() -> None:
    whole = FORM.before + FORM.after
    assert FORM.wrap("") == FORM.wrap("Mail:") == FORM.wrap(whole) == whole


def test_a_system_turn_that_all_rows_share_is_part_of_the_form() -> None:
    form = PromptForm.from_rows([chat("You sort mail.", n) for n in range(4)])
    assert form == PromptForm(system="You sort mail.")
    assert form.for_teacher() == {"system": "You sort mail."}
    assert form.messages("where is it") == [
        Message(role="system", content="You sort mail."),
        Message(role="user", content="where is it"),
    ]


@pytest.mark.parametrize("systems", [[None] * 4, ["one", "two", "one", "two"], ["one", "one", "one", None]])
def test_without_one_system_turn_new_rows_have_no_turns(systems: list[str | None]) -> None:
    form = PromptForm.from_rows([chat(system, n) for n, system in enumerate(systems)])
    assert form.messages("where is it") is None


def test_of_a_long_part_teachers_are_told_beginning_and_end() -> None:
    told = PromptForm(before="a" * 5000 + "z" * 5000).for_teacher()["before"]
    assert len(told) < MAX_TOLD + 10
    assert (told[0], told[-1]) == ("a", "z")
