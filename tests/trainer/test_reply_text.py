"""The text of a reply in pieces: what was sent stays true, whatever comes."""

from __future__ import annotations

import pytest

from trainer.reply_text import ReplyText


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(tokens).decode(errors="replace")


def pieces_of(text: str, *stops: str) -> tuple[list[str], bool]:
    """The piece after each byte, with the rest where no stop text has ended the reply, and whether one has."""
    reply, pieces = ReplyText(Bytes(), stops), []
    for token in text.encode():
        pieces.append(reply.add(token))
        if reply.stopped:
            return pieces, True
    return [*pieces, reply.finish()], False


def test_a_character_is_sent_whole() -> None:
    assert pieces_of("aé€b")[0] == ["a", "", "é", "", "", "€", "b", ""]


def test_bytes_that_are_no_character_are_sent_at_the_end() -> None:
    reply = ReplyText(Bytes(), [])
    assert [reply.add(0xE2), reply.finish()] == ["", "\ufffd"]


@pytest.mark.parametrize("text", ["a\n\nb", "\n\nb", "ab\n\n", "a\n\n\n"])
def test_a_stop_text_is_never_sent_not_even_its_beginning(text: str) -> None:
    pieces, stopped = pieces_of(text, "\n\n")
    assert stopped
    assert "".join(pieces) == text[: text.index("\n\n")]
    assert not any("\n" in piece for piece in pieces)


def test_the_beginning_of_a_stop_text_is_sent_when_something_else_follows() -> None:
    pieces, stopped = pieces_of("an END is no ENDING", "ENDED")
    assert not stopped
    assert "".join(pieces) == "an END is no ENDING"


def test_the_first_of_several_stop_texts_counts() -> None:
    assert "".join(pieces_of("one, two. three", ".", ",")[0]) == "one"
