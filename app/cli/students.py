"""`pada students`: what is known of common students."""

from __future__ import annotations

from app.prepare.students import ROWS, TOKENS, KnownStudent, known_students


def table() -> str:
    """All presets as text."""
    head = ("student", "parameters", "lora", "qlora", "full", "licence", "hub name")
    rows = [head, *map(row_of, known_students())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    notes = [f"{each.name}: {each.note}." for each in known_students() if each.note]
    memory = f"lora, qlora, full: GiB that training takes on a GPU, estimated for {ROWS} rows of {TOKENS} tokens at once in bfloat16."
    use = "Use one with `student: {model: qwen3-0.6b}`. Any other hub name or folder of a decoder works too."
    return "\n".join([*lines, "", memory, use, *notes])


def row_of(student: KnownStudent) -> tuple[str, ...]:
    """The cells of a preset."""
    memory = (f"{gib:.1f}" for gib in student.memory.values())
    return (student.name, student.size, *memory, student.licence, student.model)
