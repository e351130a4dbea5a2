"""Likely personal data. A teacher is another company's server: what it must not see must not be in the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.config.splits import UNLABELED
from app.prepare.checks.findings import Finding, finding
from app.prepare.checks.rows import Rows, every

EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-zA-Z]{2,24}\b")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
DIGITS = re.compile(r"(?<![\w.,])\d(?:[ -]?\d){12,18}(?![\w])")
PHONE = re.compile(r"(?<![\w.])(?:\+|00)[1-9]\d{0,2}(?:[ ().-]{0,2}\d){7,12}(?!\d)")


def check_private(rows: Rows) -> list[Finding]:
    """Rows with what looks like an address, a phone number, or the number of a card or account."""
    places = []
    for row in [*every(rows), *rows.get(UNLABELED, [])]:
        turns = [turn.content for turn in row.example.messages or []]
        kinds = sorted(
            {kind for text in (row.example.prompt, row.example.completion, *turns) for kind in kinds_in(text)}
        )
        if kinds:
            places.append(row.place(" and ".join(kinds)))
    message = (
        "Rows seem to hold personal data. Train rows, validation failures and unlabelled rows are sent to the "
        "teacher: replace it first."
    )
    return finding("warning", "personal_data", message, places)


def kinds_in(text: str) -> Iterator[str]:
    """What a text seems to hold."""
    if "@" in text and EMAIL.search(text):
        yield "an e-mail address"
    if any(is_iban(found.group()) for found in IBAN.finditer(text)):
        yield "an account number (IBAN)"
    if any(passes_luhn(re.sub(r"\D", "", found.group())) for found in DIGITS.finditer(text)):
        yield "a card number"
    if PHONE.search(text):
        yield "a phone number"


def is_iban(text: str) -> bool:
    """Whether the check digits are right (ISO 13616: modulo 97 is 1)."""
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def passes_luhn(digits: str) -> bool:
    """Whether the last digit fits the others (ISO/IEC 7812-1, annex B), and they are not all the same."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
