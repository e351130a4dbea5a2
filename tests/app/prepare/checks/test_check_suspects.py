"""Suspected labels, personal data, and few rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.prepare.checks.private import kinds_in
from tests.app.prepare.checks.checked_rows import LABELS, TOPICS, check, sound


def test_few_rows_and_rare_labels(tmp_path: Path) -> None:
    splits = sound()
    splits["train"] = splits["train"][:25]
    splits["validation"] = splits["validation"][:1]
    codes = {finding.code: finding for finding in check(tmp_path, splits).findings}
    assert codes["few_rows"].count == 25
    assert "delivery" not in codes["unmeasured_label"].message
    assert codes["unmeasured_label"].count == 5


def test_suspected_labels(tmp_path: Path) -> None:
    """Twenty rows a label that share their words; one of them has another label."""
    splits = sound()
    splits["train"] = [
        {
            "id": f"{topic}-{n}",
            "prompt": f"{topic} {n:03} {topic} again {chr(97 + n) * 6}",
            "completion": label,
        }
        for topic, label in zip(TOPICS, LABELS, strict=True)
        for n in range(20)
    ]
    splits["train"][30]["completion"] = "login"
    finding = next(each for each in check(tmp_path, splits).findings if each.code == "suspected_labels")
    assert [place.line for place in finding.places] == [31]
    assert "labelled 'login', but its neighbours are 'cards'" in finding.places[0].detail


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to eva.muster+x@mail.example.co.uk.", "an e-mail address"),
        ("DE89 3704 0044 0532 0130 00", "an account number (IBAN)"),
        ("GB82WEST12345698765432", "an account number (IBAN)"),
        ("4111-1111-1111-1111", "a card number"),
        ("call +49 (0)30 1234567", "a phone number"),
        ("call 0049 30 12345678", "a phone number"),
    ],
)
def test_personal_data_is_seen(text: str, kind: str) -> None:
    assert kind in kinds_in(text)


@pytest.mark.parametrize(
    "text",
    ["order 4111 1111 1111 1112", "DE00WEST12345698765432", "a @ b", "3.14159265358979", "0000000000000000", "2026-11-27 20:15", "v1.2.3"],
)  # fmt: skip
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert list(kinds_in(text)) == []
