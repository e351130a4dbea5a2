"""The demo's data set: messages to a shop, to be sorted by team, with four gaps in the training rows.

Train has plain messages only. Validation and test also have messages that rule topics out, are sarcastic, quote the
shop or tell a story; their field `gap` names which, for people to compare with the patterns that the loop finds.
"""

from __future__ import annotations

import random
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from app.demo.composer import GAPS, QUESTION, TEAMS, Phrases, Style, compose, phrases, teams_of
from trainer.artifacts import write_jsonl

PLAIN_PER_TEAM = {"train": 16, "validation": 8, "test": 14}
PER_GAP = {"train": 0, "validation": 20, "test": 75}

Row = dict[str, Any]


def write_demo_data(folder: Path, seed: int = 0) -> dict[str, Path]:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl`; the same seed gives the same rows.

    Returns:
        split -> file.
    """
    files = {split: folder / f"{split}.jsonl" for split in PLAIN_PER_TEAM}
    for split, file in files.items():
        write_jsonl(file, demo_rows(split, seed))
    return files


def keep_demo_data(folder: Path) -> None:
    """Write the rows, unless the folder has them: a run that goes on must find the same."""
    if not (folder / "test.jsonl").exists():
        write_demo_data(folder)


def demo_rows(split: str, seed: int = 0) -> list[Row]:
    """Rows `{id, prompt, completion, gap}` in random order; `gap` is None for plain messages."""
    rng = random.Random(f"{split} {seed}")
    wanted = [(team, Style.PLAIN) for team in TEAMS for _ in range(PLAIN_PER_TEAM[split])]
    wanted += [(team, gap) for gap in GAPS for team in islice(cycle(teams_of(gap)), PER_GAP[split])]
    messages = _messages(phrases(split), wanted, rng)
    rng.shuffle(messages)
    return [{"id": f"{split}-{number:03d}"} | message for number, message in enumerate(messages)]


def _messages(parts: Phrases, wanted: list[tuple[str, Style]], rng: random.Random) -> list[Row]:
    """One message for each (team, style), all different; each team's issues take turns."""
    turns = {team: cycle(rng.sample(issues, len(issues))) for team, issues in parts.issues.items()}
    rows: dict[str, Row] = {}
    for team, style in wanted:
        message = compose(parts, team, next(turns[team]), style, rng)
        while message in rows:
            message = compose(parts, team, next(turns[team]), style, rng)
        gap = None if style is Style.PLAIN else style.value
        rows[message] = {"prompt": QUESTION + message, "completion": team, "gap": gap}
    return list(rows.values())
