"""The standard streams as commands need them, whatever a shell, a service manager or a locale makes of them."""

from __future__ import annotations

import io
import os
import re
import sys

import typer

CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What moves the cursor, colours, titles or turns the text around, apart from a new line and a tab."""


def prepare_streams() -> None:
    """Open what is closed, and let every text be printed.

    A closed stream would be None in Python, and its number would be that of the next file that is opened: what libraries
    print would end in that file. Texts hold signs that the encoding of the locale lacks, and file names hold bytes that are no
    text at all: those are printed as `\\xff` or `\\u20ac`. JSON is always UTF-8.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number is this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = "utf-8" if "--json" in sys.argv[1:] else sys.stdout.encoding
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def say(text: str, *, err: bool = False, color: str | None = None) -> None:
    """Print a text of which rows, models or servers may have written a part: it must not control the terminal."""
    shown = CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    typer.echo(typer.style(shown, fg=color) if color else shown, err=err)
