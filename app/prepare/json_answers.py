"""Answers that are JSON objects, with their letters written out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from app.prepare.drafts import Draft

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
"""One escape of JSON; two halves of a pair are one."""


def write_out(answer: str) -> str:
    """A text of JSON with letters in place of their codes, such as `\\u00fc`; all else stays as it is written."""
    return _ESCAPE.sub(lambda found: _letter(found[0]), answer) if "\\u" in answer else answer


def _letter(escape: str) -> str:
    if not escape.startswith("\\u"):
        return escape
    letter = str(json.loads(f'"{escape}"'))
    # control signs, quotes and halves of pairs have to stay escaped
    return letter if letter.isprintable() and letter not in ('"', "\\") else escape


def write_out_all(drafts: Sequence[Draft]) -> list[str]:
    """Write out the letters of all answers; a sentence if there was something to do."""
    escaped = [draft for draft in drafts if write_out(draft.answer) != draft.answer]
    for draft in escaped:
        draft.answer = write_out(draft.answer)
        if draft.messages:
            draft.messages[-1]["content"] = draft.answer
    if not escaped:
        return []
    what = "answer spells" if len(escaped) == 1 else "answers spell"
    return [
        f"{len(escaped):,} {what} letters by code, such as \\u00fc for ü ({escaped[0].place}). They are written as letters, "
        "which is the same JSON."
    ]
