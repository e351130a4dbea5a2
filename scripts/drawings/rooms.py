"""The rooms of `app` and `graphs`, floor by floor, from the table that `tests/test_imports.py` checks."""

from __future__ import annotations

from scripts.drawings.svg import MONO, MUTED, arrow, box, document, text
from tests.test_imports import FLOORS

FLOOR, LEFT, ROOM, GAP, TOP = 46, 30, 92, 8, 84
COLOURS = {"app": "#dcebff", "graphs": "#ffe9cf"}
BELOW = {"prompts": "#e8f3e6", "trainer": "#e8f3e6"}


def draw() -> str:
    """`app` on the left, `graphs` on the right, each with its lowest floor at the bottom."""
    widths = {name: max(map(len, floors)) * (ROOM + GAP) for name, floors in FLOORS.items()}
    tallest = max(map(len, FLOORS.values()))
    ground = TOP + tallest * FLOOR
    width = LEFT * 3 + sum(widths.values())
    parts, x = [], LEFT
    for package, floors in FLOORS.items():
        parts += building(package, floors, x, widths[package], ground)
        x += widths[package] + LEFT
    parts += foundation(width, ground)
    parts.append(text(LEFT, 36, "Rooms and floors", size=18, anchor="start"))
    parts.append(
        text(
            LEFT,
            58,
            "A room imports only from floors below it, and app also from graphs.",
            fill=MUTED,
            anchor="start",
        )
    )
    return document(width, ground + 90, "Rooms of the packages app and graphs, floor by floor", parts)


def building(package: str, floors: list[set[str]], x: float, width: float, ground: float) -> list[str]:
    """One package's floors."""
    parts = [text(x, ground - len(floors) * FLOOR - 6, f"{package}/", size=14, font=MONO, anchor="start")]
    for number, rooms in enumerate(floors):
        y = ground - (number + 1) * FLOOR
        for place, room in enumerate(sorted(rooms)):
            left = x + place * (ROOM + GAP)
            parts += [
                box(left, y + 4, ROOM, FLOOR - 12, COLOURS[package]),
                text(left + ROOM / 2, y + 24, room, size=9 if len(room) > 12 else 11, font=MONO),
            ]
    return parts


def foundation(width: float, ground: float) -> list[str]:
    """The two packages that import none of ours."""
    parts = [arrow([(width / 2, ground + 2), (width / 2, ground + 22)])]
    half = (width - 3 * LEFT) / 2
    for place, (name, fill) in enumerate(BELOW.items()):
        x = LEFT + place * (half + LEFT)
        note = "templates for the teacher" if name == "prompts" else "everything about the student"
        parts += [
            box(x, ground + 28, half, 40, fill),
            text(x + half / 2, ground + 46, f"{name}/", size=13, font=MONO),
            text(x + half / 2, ground + 61, note, size=11, fill=MUTED),
        ]
    return parts
