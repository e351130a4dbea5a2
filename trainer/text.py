"""The one place where texts are normalised before they are compared. This module does not import torch."""

from __future__ import annotations

import unicodedata

import regex

MEANING = frozenset("+-*/%^=<>&@#\\|~_")
"""Signs that change what a text says, such as that of a sum, though Unicode calls some of them punctuation."""

_SEPARATOR = regex.compile(r"[\p{P}\p{Z}\p{Cc}\p{Cs}]")
_INVISIBLE = regex.compile(r"\p{Cf}+")
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
"""Scripts that write no spaces between words, or few of them: each character counts as a word."""
_WORD = regex.compile(
    rf"[{_UNSPACED}]\p{{M}}*|(?:(?![{_UNSPACED}])[\p{{L}}\p{{N}}])(?:(?![{_UNSPACED}])[\p{{L}}\p{{N}}]|\p{{M}})*"
)
_AROUND = regex.compile(
    r"^[[\p{P}\p{Z}\s`*<>]--[+\-/%^=&@#\\|~_]]+|[[\p{P}\p{Z}\s`*<>]--[+\-/%^=&@#\\|~_]]+$", regex.V1
)
_LETTER = regex.compile(r"\p{L}")
_LATIN = regex.compile(r"[\p{Latin}&&\p{L}]", regex.V1)
_UNSPACED_LETTER = regex.compile(rf"[{_UNSPACED}]")
_APOSTROPHE = regex.compile(r"(?<=[\p{L}\p{M}\p{N}])['’`](?=[\p{L}\p{N}])")


class _Blanks(dict[int, str]):
    """Code of a character -> a blank where it separates words, else itself; known once it was met."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        self[code] = " " if _SEPARATOR.match(sign) and sign not in MEANING else sign
        return self[code]


_BLANKS = _Blanks()


def fold(text: str) -> str:
    """Compatible forms and cases made one (Unicode NFKC and case folding), without characters that nobody sees."""
    if text.isascii():
        return text.casefold()
    # case folding can leave a text that is not normalised any more (Unicode Standard, 3.13, D146)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _INVISIBLE.sub("", folded)


def comparable(text: str) -> str:
    """A text as it is compared: folded, with punctuation and white space as single blanks.

    Signs that change the meaning stay. A text of punctuation and white space alone stays as it is.
    """
    return " ".join(fold(text).translate(_BLANKS).split()) or text


def words(text: str) -> list[str]:
    """The words of a text for comparison: folded, without punctuation ("Don't" is "dont"), marks kept with their letters.

    A text without words, such as "?!" or an emoji, counts as its characters.
    """
    folded = fold(text)
    found: list[str] = _WORD.findall(_APOSTROPHE.sub("", folded))
    return found or [character for character in folded if not character.isspace()]


def canonical(text: str) -> str:
    """One spelling of each character (Unicode NFC): an accented letter is equal to the letter with its accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def bare(text: str) -> str:
    """A text without quotes, brackets, punctuation of any script, and white space around it. `C++` and `C#` stay."""
    inner: str = _AROUND.sub("", text)
    return inner


def is_unspaced(text: str) -> bool:
    """Whether at least a third of the letters belong to scripts without spaces between words."""
    if text.isascii():
        return False
    letters = len(_LETTER.findall(text))
    return 3 * len(_UNSPACED_LETTER.findall(text)) >= letters > 0


def is_latin(text: str) -> bool:
    """Whether at least half of the letters are Latin, or there are none."""
    return 2 * len(_LATIN.findall(text)) >= len(_LETTER.findall(text))
