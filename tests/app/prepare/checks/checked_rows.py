"""Sound rows in three splits, and what a check says of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from app.config.data import DataSpec
from app.config.run_config import RunConfig
from app.prepare.checks.check import check_rows
from app.prepare.checks.findings import CheckReport

Row = dict[str, Any]


Splits = dict[str, list[Any]]


TOPICS = ("parcel late", "card stolen", "invoice wrong", "password lost", "refund missing", "address changed")


LABELS = ("delivery", "cards", "billing", "login", "refunds", "profile")


def wording(topic: str, number: int) -> str:
    """A text about a topic that is like no other one."""
    rng = random.Random(f"{topic}{number}")
    return " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(6)) + f" {topic}"


def sound() -> Splits:
    """Rows without a fault: twelve wordings of each topic for train, two for each other split."""
    return {
        split: [
            {"id": f"{split}-{topic}-{n}", "prompt": wording(topic, n), "completion": label}
            for n in range(start, end)
            for topic, label in zip(TOPICS, LABELS, strict=True)
        ]
        for split, start, end in (("train", 0, 12), ("validation", 12, 14), ("test", 14, 16))
    }


FIRST = wording(TOPICS[0], 0)
"""The first train row."""


def chat(*turns: tuple[str, Any], **more: Any) -> Row:
    return {"messages": [{"role": role, "content": content, **more} for role, content in turns]}


def check(folder: Path, splits: Splits, task: str = "classification") -> CheckReport:
    """Check rows; a text is written as it is."""
    for split, rows in splits.items():
        lines = [
            row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows
        ]
        (folder / f"{split}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return check_rows(RunConfig(task=task, data=DataSpec(folder=folder)))[0]
