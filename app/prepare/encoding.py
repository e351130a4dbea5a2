"""From bytes to lines of text: which encoding, and what cannot be decoded. Bounded in lines and in bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from app.prepare.decisions import SAID, Decision
from app.prepare.file_kinds import refuse_binary, refuse_control_signs
from app.prepare.legacy_encodings import detect
from app.prepare.tables import MAX_BYTES, MAX_LINE, InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SPOKEN = {"cp1252": "Windows-1252 (Latin-1)", "utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16",
          "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32", "cp932": "Shift-JIS",
          "cp874": "Windows-874 (Thai)"}  # fmt: skip
GZIP_RATIO = 400
"""Texts pack to a tenth, rarely to a fiftieth; what unpacks to more than this is a bomb."""
SAMPLE = 1 << 20


class Line(NamedTuple):
    """One line of a file with its number, from 1; `fault` says why it has no text."""

    number: int
    text: str
    fault: str = ""


@dataclass
class TextFile:
    """A text file whose encoding is known."""

    path: Path
    name: str
    encoding: str
    legacy: str = ""
    """The encoding of the lines that are not UTF-8, where there are both."""
    legacy_lines: int = 0
    first_odd: int = 0
    """Number of the first line that is not UTF-8; 0 if all are, or none was looked at."""
    said: bool = False
    """The user has named the encoding."""

    @property
    def decision(self) -> Decision:
        """The encoding, and what speaks for it."""
        if self.said:
            return Decision("encoding", f"The text is {self.spoken}: {SAID}.", value=self.encoding)
        if self.encoding.startswith("utf") and not self.legacy:
            return Decision("encoding", f"The text is {self.spoken}: all lines fit it.", value=self.encoding)
        reason = f"The text is {self.spoken}: its letters are most likely then."
        return Decision("encoding", reason, "a guess", "" if self.legacy else self.encoding)

    @property
    def spoken(self) -> str:
        """The encoding in words."""
        name = SPOKEN.get(self.encoding, self.encoding)
        return f"{name} and {SPOKEN.get(self.legacy, self.legacy)} mixed" if self.legacy else name

    @property
    def notes(self) -> list[str]:
        """What a person should check."""
        if self.legacy:
            return [
                f"{self.name}: {self.legacy_lines:,} lines, the first of them line {self.first_odd}, are "
                f"{SPOKEN.get(self.legacy, self.legacy)} and the others "
                "UTF-8; each was read in its own. If letters look wrong, pass --encoding."
            ]
        if not self.encoding.startswith("utf"):
            first = f", because line {self.first_odd} is not UTF-8" if self.first_odd else ""
            return [f"{self.name}: read as {self.spoken}{first}. If letters look wrong, pass --encoding."]
        return []

    def lines(self) -> Iterator[Line]:
        """The lines without their ends, each decoded; lines that are too long have no text.

        Raises:
            InputError: the file unpacks to too much, or cannot be read.
        """
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        with open_bytes(self.path, self.name) as stream:
            yield from (self._wide_lines(stream) if wide else self._byte_lines(stream))

    def _byte_lines(self, stream: IO[bytes]) -> Iterator[Line]:
        for number, raw in enumerate(byte_lines(stream), 1):
            if raw is None:
                yield Line(number, "", too_long("line"))
                continue
            if number == 1 and raw.startswith(codecs.BOM_UTF8):
                raw = raw[3:]
            try:
                yield Line(number, raw.decode(self.encoding))
                continue
            except UnicodeDecodeError as error:
                fault = (
                    f"byte 0x{raw[error.start]:02x} at position {error.start + 1} is not {self.encoding}. "
                    "Save the file as UTF-8, or pass --encoding"
                )
            if self.legacy:
                yield Line(number, raw.decode(self.legacy, "replace"))
            else:
                yield Line(number, raw.decode(self.encoding, "replace"), fault)

    def _wide_lines(self, stream: IO[bytes]) -> Iterator[Line]:
        # surrogates pass here and are refused with their row
        text = io.TextIOWrapper(stream, self.encoding, errors="surrogatepass", newline="\n")
        number = 0
        try:
            while line := text.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    while line and not line.endswith("\n"):
                        line = text.readline(MAX_LINE)
                    yield Line(number, "", too_long("line"))
                else:
                    yield Line(number, line.rstrip("\n").removesuffix("\r").lstrip("\ufeff"))
        except UnicodeError:
            yield Line(number + 1, "", f"the text breaks off: the bytes that follow are not {self.spoken}")
            return
        # the decoder is silent on half a sign at the very end
        if stream.tell() % 2:
            yield Line(number + 1, "", "the text breaks off: half a sign is left at the end of the file")


def too_long(what: str) -> str:
    return f"the {what} is longer than {MAX_LINE >> 20} MB. Split it or shorten its texts"


def byte_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Lines without their ends; None stands for one that is too long, which is never held in memory."""
    while raw := stream.readline(MAX_LINE + 1):
        if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE)
            yield None
        else:
            yield raw.rstrip(b"\n").removesuffix(b"\r")


def unpacked_limit(size: int) -> int:
    """Most bytes that a packed file of `size` bytes may unpack to."""
    return min(MAX_BYTES, max(64 << 20, size * GZIP_RATIO))


@contextmanager
def open_bytes(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip; at most `MAX_BYTES` of them.

    Raises:
        InputError: the file cannot be read, is damaged, or unpacks to too much.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            size = path.stat().st_size
            source = gzip.GzipFile(fileobj=raw) if packed else raw
            limit = unpacked_limit(size) if packed else MAX_BYTES
            bounded = _Bounded(source, limit, name, packed)
            yield io.BufferedReader(bounded, 1 << 20)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        where = f"line {bounded.lines + 1}"
        what = (
            f"{where}: the gzip file breaks off"
            if isinstance(error, EOFError)
            else f"{where}: the gzip file is damaged"
        )
        raise InputError(f"{name}, {what} ({error}). Pack or download it again.") from None


class _Bounded(io.RawIOBase):
    """Refuses to give more than `limit` bytes."""

    def __init__(self, source: gzip.GzipFile | io.BufferedReader, limit: int, name: str, packed: bool):
        self._source, self._left, self._limit, self._name, self._packed = source, limit, limit, name, packed
        self.lines = 0
        """How many whole lines were given."""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._limit - self._left

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        # one read of the source, so that what came before a break is not lost with it
        data = self._source.read1(len(view))
        self._left -= len(data)
        if self._left < 0:
            how = "unpacks to" if self._packed else "has"
            raise InputError(
                f"{self._name}: the file {how} more than {self._limit >> 20} MB. Split it, or take a sample of its rows."
            )
        self.lines += data.count(b"\n")
        view[: len(data)] = data
        return len(data)


def open_text(path: Path, name: str, encoding: str | None = None) -> TextFile:
    """Find out a text file's encoding, over all of its lines.

    Args:
        encoding: the user's word for it, which is taken.

    Raises:
        InputError: the file is empty or no text, or there is no such encoding.
    """
    with open_bytes(path, name) as stream:
        head = stream.read(SAMPLE)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise InputError(f"{name}: the file is empty. Give a file with rows.")
    refuse_binary(head, name)
    if encoding:
        return TextFile(path, name, _known(encoding), said=True)
    for mark, found in BOMS:
        if head.startswith(mark):
            return TextFile(path, name, "utf-8" if found == "utf-8-sig" else found)
    if wide := _without_mark(head):
        return TextFile(path, name, wide)
    refuse_control_signs(head, name)
    return _eight_bit(path, name)


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise InputError(
            f"--encoding: there is no encoding {encoding!r}. Use a name such as utf-8, utf-16, cp1252 or shift_jis."
        ) from None


def _without_mark(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: in most scripts' files every other byte of ASCII signs is zero."""
    sample = head[:8192]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    least = 0.15 * len(sample) / 2
    if odd > least and even < odd / 10:
        return "utf-16-le"
    if even > least and odd < even / 10:
        return "utf-16-be"
    return None


def _eight_bit(path: Path, name: str) -> TextFile:
    """UTF-8, or what the lines that are not UTF-8 look like."""
    odd, beyond, count, size, first = [], 0, 0, 0, 0
    with open_bytes(path, name) as stream:
        for number, raw in enumerate(byte_lines(stream), 1):
            if raw is None or raw.isascii():
                continue
            try:
                raw.decode("utf-8")
                beyond += 1
            except UnicodeDecodeError:
                count += 1
                first = first or number
                if size < SAMPLE:
                    odd.append(raw)
                    size += len(raw)
    if not odd:
        return TextFile(path, name, "utf-8")
    legacy = detect(b"\n".join(odd))
    if beyond:
        return TextFile(path, name, "utf-8", legacy, count, first)
    return TextFile(path, name, legacy, first_odd=first)
