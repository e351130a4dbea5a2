"""Dates as people write them; day or month first is decided over a whole column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from app.prepare.tables import InputError

_NUMERIC = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[T ,]+(.*))?")


def parse_times(texts: Sequence[str], column: str) -> list[float | None]:
    """Seconds since 1970 of each text, None for one that is no date.

    ISO 8601, seconds or milliseconds since 1970, `31.12.2024` and `12/31/2024`, with or without a time. A time
    without a zone is taken as UTC.

    Raises:
        InputError: no text is a date, or it cannot be told whether the day or the month comes first.
    """
    parts = [found for text in texts if (found := _NUMERIC.fullmatch(text.strip()))]
    day_first = any(int(part[1]) > 12 for part in parts)
    month_first = any(int(part[2]) > 12 for part in parts)
    dotted = bool(parts) and all("." in part[0] for part in parts)
    if parts and day_first == month_first and not dotted:
        raise InputError(
            f"--time {column}: in dates such as {parts[0][0]!r} the day and the month cannot be told apart. "
            "Write them as 2024-12-31."
        )
    times = [_parse(text.strip(), dotted or day_first) for text in texts]
    if texts and all(time is None for time in times):
        raise InputError(
            f"--time {column}: {texts[0]!r} is no date. Write dates as 2024-12-31 or 2024-12-31 23:59."
        )
    return times


def _parse(text: str, day_first: bool) -> float | None:
    if part := _NUMERIC.fullmatch(text):
        day, month = (part[1], part[2]) if day_first else (part[2], part[1])
        text = f"{part[3]}-{int(month):02d}-{int(day):02d}" + (f" {part[4]}" if part[4] else "")
    try:
        time = datetime.fromisoformat(text.replace("/", "-"))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        seconds = float(text)
    except ValueError:
        return None
    return (seconds / 1000 if seconds > 1e11 else seconds) if 1e8 < seconds < 1e14 else None
