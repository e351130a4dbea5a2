"""Files as people have them, made by the tests, and what `pada init` makes of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.prepare.files import read_all
from app.prepare.layout import Choices
from app.prepare.plan import Plan, SplitOptions, make_plan
from app.prepare.tables import ReadOptions, Table

GERMAN = (
    "Ich möchte mein Geld zurück",
    "Meine Karte ist verloren gegangen",
    "Die Rechnung für März ist zu hoch",
)
JAPANESE = ("返金してください", "カードを紛失しました", "請求額が高すぎます")
HINDI = ("मुझे पैसे वापस चाहिए", "मेरा कार्ड खो गया है", "मेरा बिल बहुत ज़्यादा है")
THAI = ("ขอเงินคืนด้วยค่ะ", "ฉันทำบัตรหาย", "บิลของฉันแพงเกินไป")
LABELS = ("refund", "card", "bill")
WORDS = [
    "amber",
    "anchor",
    "badge",
    "barn",
    "canyon",
    "carpet",
    "desert",
    "dune",
    "eagle",
    "ember",
    "fabric",
    "falcon",
    "garden",
    "ginger",
    "hammer",
    "harbor",
    "island",
    "ivory",
    "jacket",
    "jasmine",
    "kettle",
    "ladder",
    "lagoon",
    "magnet",
    "maple",
    "mirror",
    "needle",
    "nectar",
    "ocean",
    "olive",
    "paddle",
    "pebble",
    "quartz",
    "quilt",
    "rabbit",
    "raven",
    "saddle",
    "sage",
    "tunnel",
    "turtle",
    "valley",
    "velvet",
    "walnut",
    "willow",
    "yarn",
    "zephyr",
]

Rows = list[tuple[str, str]]


def requests(count: int, texts: Sequence[str] = GERMAN) -> Rows:
    """Different requests in one language with the three labels in turn."""
    return [
        (
            f"{texts[n % 3]} {' '.join(WORDS[(step * n + n // 7) % len(WORDS)] for step in (1, 7, 11))} {n}",
            LABELS[n % 3],
        )
        for n in range(count)
    ]


def mixed(count: int) -> Rows:
    """Requests in four scripts."""
    return [row for texts in (GERMAN, JAPANESE, HINDI, THAI) for row in requests(count // 4, texts)]


def as_csv(
    rows: Sequence[Sequence[object]], header: Sequence[str] = ("text", "label"), separator: str = ","
) -> str:
    """The rows by the csv module."""
    target = io.StringIO()
    csv.writer(target, delimiter=separator).writerows([header, *rows])
    return target.getvalue()


def as_jsonl(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def read(*paths: Path | str, **options: Any) -> list[Table]:
    """The tables of files."""
    return read_all([str(path) for path in paths], ReadOptions(**options))


def read_one(path: Path, **options: Any) -> Table:
    [table] = read(path, **options)
    return table


def pairs(table: Table, prompt: str = "text", answer: str = "label") -> list[tuple[Any, Any]]:
    """Two columns of a table."""
    return [(record.values[prompt], record.values[answer]) for record in table.records]


def plan(
    *paths: Path | str,
    said: Choices | None = None,
    splitting: SplitOptions | None = None,
    **options: Any,
) -> Plan:
    """What init would write."""
    return make_plan(read(*paths, **options), said or Choices(), splitting or SplitOptions())
