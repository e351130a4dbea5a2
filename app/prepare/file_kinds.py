"""Files that hold no rows, by their first bytes: what they are, and what to give in their place."""

from __future__ import annotations

import re

from app.prepare.tables import InputError

BINARY = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"\x7fELF": "a program",
    b"ARROW1": "an Arrow (Feather) file",
    b"\x80\x04\x95": "a Python pickle",
}
MARKUP = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?<(?:!doctype html|html|table|head|body|meta|\?xml|workbook)\b", re.IGNORECASE
)
"""How a page or an XML file begins: some programs export such under the name of a workbook."""
CONTAINERS = {(".xlsx", ".xlsm"): "an Excel workbook", (".parquet",): "a Parquet file"}
"""Names' ends of files that are no texts."""
LOOKED_AT = 1 << 16


def refuse_binary(head: bytes, name: str) -> None:
    """Name a file of another kind by its first bytes.

    Raises:
        InputError: it is one.
    """
    for magic, kind in BINARY.items():
        if head.startswith(magic):
            raise InputError(
                f"{name}: this is {kind}, not a table of rows. Give CSV, JSONL, XLSX or Parquet."
            )
    if MARKUP.match(head):
        raise InputError(
            f"{name}: this is an HTML or XML file, whatever its name says. Open it in a spreadsheet program, and save it as "
            ".xlsx or as CSV (UTF-8)."
        )


def refuse_control_signs(head: bytes, name: str) -> None:
    """Refuse what has many bytes that no text holds; a row with a few is listed when it is read.

    Raises:
        InputError: the file is binary, or was damaged; the message names the first such line.
    """
    head = head[:LOOKED_AT]
    found = [place for place, byte in enumerate(head) if byte < 9 or 13 < byte < 27]
    if len(found) <= 0.02 * len(head):
        return
    for ends, kind in CONTAINERS.items():
        if name.lower().endswith(ends):
            raise InputError(
                f"{name}: the file is damaged, or its name is wrong: it does not begin as {kind} does. Save it again."
            )
    line = head.count(b"\n", 0, found[0]) + 1
    raise InputError(
        f"{name}, line {line}: byte 0x{head[found[0]]:02x} is in no text: a binary file, or a text file that was damaged "
        f"({len(found):,} such bytes). Export the rows again as CSV, JSONL or XLSX."
    )
