"""Writes a multipart body to a folder while it arrives."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.config.splits import SPLITS
from app.errors import TooLarge, Unprocessable
from app.prepare.tables import MAX_LINE

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

LONGEST_HEADER = 8192
LONGEST_NAME = 200
EXPECTED = "Send multipart/form-data with the files `train`, `validation` and `test`, and the field `name`."


@dataclass
class SavedFile:
    """A split on disk."""

    bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class Upload:
    """Feeds pieces of the body to the parser, whose parts become `folder/SPLIT.jsonl` and `name`.

    Every method may raise TooLarge or Unprocessable. All methods are synchronous, so that a thread can call them.
    """

    def __init__(self, folder: Path, content_type: str, *, max_bytes: int, max_rows: int):
        self._folder = folder
        self._bytes_left = max_bytes
        self._lines_left = max_rows
        self._line_bytes = 0
        self._header = [b"", b""]
        self._disposition = b""
        self._part = ""
        self._name: bytes | None = None
        self._file: BinaryIO | None = None
        self._ended = False
        self.files: dict[str, SavedFile] = {}
        try:
            self._parser = MultipartParser(_boundary(content_type), self._callbacks())
        except FormParserError:
            raise Unprocessable(f"The boundary of the body is too long. {EXPECTED}") from None

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise TooLarge("The upload is larger than this service takes (`PADA_MAX_DATASET_BYTES`).")
        try:
            self._parser.write(piece)
        except FormParserError:
            raise Unprocessable(f"The body is no multipart form. {EXPECTED}") from None

    def finish(self) -> None:
        """The body has ended: everything must be there."""
        present = {*self.files, *([] if self._name is None else ["name"])}
        missing = [name for name in (*SPLITS, "name") if name not in present]
        if not self._ended or missing:
            what = f"lacks {' and '.join(f'`{name}`' for name in missing)}" if missing else "ends too early"
            raise Unprocessable(f"The upload {what}. {EXPECTED}")

    def close(self) -> None:
        """Close the file that was being written."""
        if self._file is not None:
            self._file.close()

    @property
    def name(self) -> str:
        """The data set's name."""
        try:
            text = (self._name or b"").decode().strip()
        except UnicodeDecodeError:
            text = ""
        if not text or not text.isprintable() or len(text) > LONGEST_NAME:
            raise Unprocessable(f"`name` must be 1 to {LONGEST_NAME} printable characters in UTF-8.")
        return text

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the content, without the boundaries, which differ each time."""
        parts = [f"{split}:{self.files[split].digest.hexdigest()}" for split in SPLITS]
        return hashlib.sha256("\n".join([*parts, self.name]).encode()).hexdigest()

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_header_field": lambda data, start, end: self._grow_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._grow_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_part,
            "on_part_data": lambda data, start, end: self._write(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _grow_header(self, place: int, data: bytes) -> None:
        self._header[place] += data
        if len(self._header[place]) > LONGEST_HEADER:
            raise Unprocessable(f"A part's header is longer than {LONGEST_HEADER} bytes. {EXPECTED}")

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part == "name" and self._name is None:
            self._name = b""
        elif self._part in SPLITS and self._part not in self.files:
            self.files[self._part] = SavedFile()
            self._line_bytes = 0
            self._file = (self._folder / f"{self._part}.jsonl").open("xb")
        else:
            raise Unprocessable(f"The part {self._part[:40]!r} is unknown or sent twice. {EXPECTED}")

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._name = (self._name or b"") + data
            if len(self._name) > 4 * LONGEST_NAME:
                raise Unprocessable(f"`name` is longer than {LONGEST_NAME} characters.")
            return
        self._lines_left -= data.count(b"\n")
        if self._lines_left < 0:
            raise TooLarge("The upload has more rows than this service takes (`PADA_MAX_DATASET_ROWS`).")
        newline = data.rfind(b"\n")
        self._line_bytes = self._line_bytes + len(data) if newline < 0 else len(data) - newline - 1
        if self._line_bytes > MAX_LINE:
            raise TooLarge(
                f"`{self._part}` has a line of more than {MAX_LINE >> 20} MiB. Write one row on each line (JSONL)."
            )
        saved = self.files[self._part]
        saved.bytes += len(data)
        saved.digest.update(data)
        self._file.write(data)

    def _end_part(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _end(self) -> None:
        self._ended = True


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise Unprocessable(f"The body is not multipart/form-data with a boundary. {EXPECTED}")
    return boundary
