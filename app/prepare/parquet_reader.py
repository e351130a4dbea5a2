"""Parquet files, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.prepare.json_reader import refuse_signs
from app.prepare.memory import at_most
from app.prepare.tables import (
    MAX_BYTES,
    MAX_ROWS,
    InputError,
    NoText,
    ReadOptions,
    RowFault,
    Source,
    Table,
    check_columns,
    excerpt,
)

BATCH = 1000
"""Rows that are unpacked at once."""
MEMORY = 2 * MAX_BYTES
"""Most bytes that opening a file, or one batch of its rows, may take."""
NO_TEXT = NoText("bytes that are no text")
INSTALL = "Install the extra: pip install 'pada[tables]', or export the rows as JSONL or CSV."


def read_parquet(source: Source, options: ReadOptions) -> list[Table]:
    """The rows of a Parquet file.

    Raises:
        InputError: pyarrow is missing, the file is damaged or too large, or two columns are named alike.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(f"{source.name}: Parquet files need pyarrow. {INSTALL}") from None
    table = Table(source.name, source.split, "Parquet")
    try:
        with at_most(MEMORY):
            opened = parquet.ParquetFile(source.path)
        with opened as file:
            _refuse_size(file, source.name)
            table.columns = list(file.schema_arrow.names)
            check_columns(table.columns, source.name)
            # one thread, so that a column that unfolds meets the bound before others are read
            _read(table, file.iter_batches(batch_size=BATCH, use_threads=False))
            table.leave_out_no_text()
    except (MemoryError, pyarrow.ArrowMemoryError):
        raise _unfolds(source.name) from None
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{source.name}: the Parquet file cannot be read: {excerpt(error, 200).rstrip('.')}. Write it again."
        ) from None
    return [table]


def _read(table: Table, batches: Iterator[Any]) -> None:
    """Add the rows of all batches. What a file says of its size is not relied on: pages of some bytes can stand for
    billions of values.

    Raises:
        InputError: the rows are too large.
        MemoryError: one batch is.
    """
    unpacked = number = 0
    while True:
        with at_most(MEMORY):
            batch = next(batches, None)
            rows = batch.to_pylist() if batch is not None else []
            del batch
            for row in rows:
                number += 1
                unpacked += _add(table, number, row)
                if unpacked > MAX_BYTES or number > MAX_ROWS:
                    raise _unfolds(table.name)
        if not rows:
            return


def _unfolds(name: str) -> InputError:
    return InputError(
        f"{name}: its rows unpack to more than pada init takes ({MAX_ROWS:,} rows, {MAX_BYTES >> 20} MB in all, and less in "
        "one row). Take a sample of its rows."
    )


def _refuse_size(file: Any, name: str) -> None:
    meta = file.metadata
    size = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
    if size > MAX_BYTES or meta.num_rows > MAX_ROWS:
        raise InputError(
            f"{name}: {meta.num_rows:,} rows and {size >> 20} MB unpacked; pada init takes up to {MAX_ROWS:,} rows and "
            f"{MAX_BYTES >> 20} MB. Take a sample of its rows."
        )


def _add(table: Table, number: int, row: dict[str, Any]) -> int:
    """Keep a row, or list why not; returns about how many bytes it has."""
    values = {key: plain(value) for key, value in row.items()}
    try:
        refuse_signs("".join(value for value in values.values() if isinstance(value, str)))
        table.add("row", number, values)
    except RowFault as fault:
        table.skip("row", number, str(fault), values)
    return _size(values)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(key) + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else 8


def plain(value: Any) -> Any:
    """A value of a typed column as JSON has it: dates in ISO form, bytes as UTF-8 text; `NoText` where that is not possible."""
    if isinstance(value, dict):
        items = {str(key): plain(item) for key, item in value.items()}
        return NO_TEXT if any(isinstance(item, NoText) for item in items.values()) else items
    if isinstance(value, list | tuple):
        parts = [plain(item) for item in value]
        return NO_TEXT if any(isinstance(part, NoText) for part in parts) else parts
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time | timedelta | Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return NO_TEXT
        return NO_TEXT if "\x00" in text else text
    return value if value is None or isinstance(value, str | int | float | bool) else NO_TEXT
