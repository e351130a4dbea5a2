"""Parquet files that unfold while they are read."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.prepare import parquet_reader
from app.prepare.memory import at_most
from app.prepare.parquet_reader import read_parquet
from app.prepare.tables import InputError, ReadOptions, Source, Table

pyarrow: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bounds of a hundredth, so that small bombs will do; they hold for this process no longer than for one file."""
    monkeypatch.setattr(parquet_reader, "MAX_BYTES", 10 * MEGABYTE)
    monkeypatch.setattr(parquet_reader, "MEMORY", 64 * MEGABYTE)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def write(folder: Path, prompt: Any, **options: Any) -> Path:
    path = folder / "rows.parquet"
    labels = pyarrow.array(["yes", "no"] * len(prompt))[: len(prompt)]
    parquet.write_table(
        pyarrow.table({"prompt": prompt, "label": labels}), path, compression="zstd", **options
    )
    return path


def read(path: Path) -> Table:
    (table,) = read_parquet(Source(path, path.name), ReadOptions())
    return table


def repeated(text: str, rows: int) -> Any:
    """A column that holds a text once, and refers to it in every row."""
    return pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * rows, pyarrow.int32()), pyarrow.array([text])
    )


def nulls(count: int) -> Any:
    """A column with one row: a list of so many nulls."""
    return pyarrow.ListArray.from_arrays(
        pyarrow.array([0, count], pyarrow.int32()), pyarrow.nulls(count, pyarrow.int8())
    )


@pytest.mark.parametrize("keeps_types", [True, False])
@pytest.mark.parametrize(
    "column",
    [
        repeated("x" * 1000, 20_000),  # 20 MB in all, a little in each batch
        repeated("x" * MEGABYTE, 2000),  # 1 GB in one batch
        nulls(50_000_000),
        pyarrow.array([[{"role": "user", "content": "x" * 1000}] * 20] * 1000),
    ],
    ids=["dictionary", "large dictionary", "nested nulls", "nested texts"],
)
def test_a_file_that_unpacks_to_very_much_is_refused(tmp_path: Path, column: Any, keeps_types: bool) -> None:
    path = write(tmp_path, column, store_schema=keeps_types)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"rows\.parquet: its rows unpack to more than pada init takes"):
        read(path)


def test_one_page_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, pyarrow.array(["x" * 32 * MEGABYTE]), use_dictionary=False)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="MB unpacked"):
        read(path)


def test_a_file_that_refers_to_its_texts_as_often_as_it_may_is_read(tmp_path: Path) -> None:
    table = read(write(tmp_path, repeated("x" * 1000, 5000)))
    assert len(table.records) == 5000
    assert table.records[-1].values == {"prompt": "x" * 1000, "label": "no"}


def test_a_block_takes_no_more_memory_than_it_may() -> None:
    # far more than a collection meanwhile can free
    with pytest.raises(MemoryError), at_most(16 * MEGABYTE):
        bytearray(1024 * MEGABYTE)
    with at_most(256 * MEGABYTE):
        assert bytearray(64 * MEGABYTE)
