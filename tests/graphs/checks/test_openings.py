"""Which turns stand before the prompt of a new row."""

from __future__ import annotations

from graphs.checks.openings import Openings, messages
from trainer.records import Example, Message


def row(name: str, *turns: tuple[str, str]) -> Example:
    """A row of a conversation; its prompt is its name."""
    spoken = [Message(role=role, content=content) for role, content in (*turns, ("user", name))]
    return Example(id=name, prompt=name, completion="x", messages=spoken)


MAIL, SHOP, SECRET = ("system", "Sort mail."), ("system", "Sell shoes."), ("system", "Of validation only.")
SHOWN = (("user", "Where is it?"), ("assistant", "delivery"))
"""A worked example before the prompt."""
OWN = (("user", "I have two of them."), ("assistant", "Which one?"))
TRAIN = [row("a", MAIL), row("b", MAIL), row("c", SHOP, *SHOWN), row("d", SHOP, *SHOWN), row("e", SHOP, *OWN)]
OPENINGS = Openings.from_rows([*TRAIN, Example(id="f", prompt="f", completion="x")])


def test_a_row_for_a_training_row_begins_as_that_one() -> None:
    assert OPENINGS.of("b", None, ["c"]) == (MAIL,)
    assert OPENINGS.of("d", None, []) == (SHOP, *SHOWN), "turns that other rows have too are fixed"
    assert OPENINGS.of("e", None, []) == (SHOP,), "one conversation's turns are its own"
    assert OPENINGS.of("f", None, ["a"]) == ()


def test_a_row_for_a_case_begins_as_the_case_where_a_training_row_does() -> None:
    assert OPENINGS.of(None, row("case", MAIL), ["c"]) == (MAIL,)
    assert OPENINGS.of(None, row("case", SHOP, *SHOWN), ["a"]) == (SHOP, *SHOWN)
    assert OPENINGS.of(None, row("case", SHOP, *OWN), ["a"]) == (SHOP,)
    assert OPENINGS.of(None, row("case"), ["a"]) == ()
    assert OPENINGS.of(None, row("case", SECRET), ["a"]) == (MAIL,), "nothing of validation is trained on"


def test_a_row_for_neither_begins_as_the_first_example() -> None:
    assert OPENINGS.of(None, None, ["c", "a"]) == (SHOP, *SHOWN)
    assert OPENINGS.of("p1", None, []) == ()


def test_teachers_are_told_system_turns_only_where_they_differ() -> None:
    assert OPENINGS.told((SHOP, *SHOWN)) == {"system": "Sell shoes."}
    assert OPENINGS.told(()) == {}
    same = Openings.from_rows([row(name, MAIL) for name in "abc"])
    assert same.told((MAIL,)) == {}


def test_the_prompt_follows_the_opening() -> None:
    assert messages((MAIL,), "hi") == [
        Message(role="system", content="Sort mail."),
        Message(role="user", content="hi"),
    ]
    assert messages((), "hi") is None
