"""Whether the first row of a table names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.prepare.names import ANSWERS, CHOICES, GROUPS, PROMPTS, known

_NUMBER = re.compile(r"[-+]?[\d.,]+\s*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
LONGEST_NAME = 60


def looks_like_names(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """A guess from the first row and some that follow.

    Names are short, are no numbers and not in their own column again. One known name is enough.
    """
    cells = [cell.strip() for cell in first]
    if any(known(cell, kind) for cell in cells for kind in (PROMPTS, ANSWERS, GROUPS, CHOICES)):
        return all(len(cell) <= LONGEST_NAME for cell in cells)
    if any(_NUMBER.fullmatch(cell) or len(cell) > LONGEST_NAME for cell in cells):
        return False
    if any(len(cell.split()) > 6 or cell.endswith((".", "?", "!", "。", "？")) for cell in cells):
        return False
    below: list[set[str]] = [set() for _ in cells]
    for row in rows:
        for column, cell in zip(below, row, strict=False):
            column.add(cell.strip())
    return not any(cell and cell in column for cell, column in zip(cells, below, strict=True))
