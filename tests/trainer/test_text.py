"""How texts are made alike before they are compared, in many scripts."""

from __future__ import annotations

import pytest

from trainer.text import bare, canonical, comparable, fold, is_unspaced, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Où est ma carte égarée ?", "Ou\u0300 est ma carte e\u0301gare\u0301e?"),  # NFC and NFD
        ("我的银行卡丢了怎么办？", "我的银行卡丢了怎么办?"),  # full-width question mark
        ("أين بطاقتي المصرفية؟", "أين بطاقتي المصرفية"),  # Arabic question mark
        ("¿Dónde está mi tarjeta?", "dónde está mi tarjeta"),
        ("ｶｰﾄﾞ", "カード"),  # half-width kana
        ("zero\u200bwidth\ufeff \u00adjoiner", "zerowidth joiner"),
        ("straße", "STRASSE"),
        ("ﬁnal", "FINAL"),
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("„Ja“ — sagte er …", '"ja" sagte er...'),
        ("मेरा बिल।", "मेरा बिल"),  # danda
        ("ί", "\u1f77"),  # tonos and oxia
    ],
)
def test_the_same_text_in_two_spellings(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 4?", "What is 3 - 4?"),
        ("x<y", "x>y"),
        ("C", "C++"),
        ("a/b", "a*b"),
        ("मेरा बिल बहुत ज़्यादा है", "मेरे बाल बहुत ज़्यादा हैं"),
        ("?!", "..."),
        ("50%", "50"),
    ],
)
def test_another_meaning_stays_another_text(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop, naïve co-op 2x!", ["dont", "stop", "naïve", "co", "op", "2x"]),
        (
            "मेरा बिल बहुत ज़्यादा है",
            ["मेरा", "बिल", "बहुत", "ज़्यादा", "है"],
        ),
        ("我要退款 now", ["我", "要", "退", "款", "now"]),
        ("บัตรหาย", ["บั", "ต", "ร", "ห", "า", "ย"]),
        ("한국어 カード", ["한", "국", "어", "カ", "ー", "ド"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("?! 🙂", ["?", "!", "🙂"]),
        ("", []),
    ],
)
def test_words_keep_their_marks(text: str, found: list[str]) -> None:
    assert words(text) == [fold(word) for word in found]


def test_folding_twice_changes_nothing() -> None:
    for text in ("ſ ﬀ Σς İ", "\u0345\u03b1", "ｶﾞ", "e\u0301"):
        assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ('  "refund". ', "refund"), ("**refund**", "refund"), ("「退款」。", "退款"), ("«carte»؟", "carte"), ("(C++)", "C++"),
        ("C#", "C#"), ("<b>", "b"), ("c_1", "c_1"), ("...", ""),
    ],
)  # fmt: skip
def test_what_stands_around_a_label(text: str, inner: str) -> None:
    assert bare(text) == inner


def test_one_spelling_of_each_character_keeps_case_and_width() -> None:
    assert canonical("e\u0301") == "é"
    assert canonical("Ａ") == "Ａ"


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [("我要退款", True), ("Ask: 我要退款", True), ("บัตรหาย", True), ("my card 卡 is lost somewhere", False), ("मेरा बिल", False), ("12", False)],
)  # fmt: skip
def test_scripts_without_spaces(text: str, unspaced: bool) -> None:
    assert is_unspaced(text) is unspaced
