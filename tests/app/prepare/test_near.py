"""Near duplicates: what `pada init` keeps in one split is what `pada check` looks for."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import load_config
from app.prepare.checks.check import check_rows
from app.prepare.checks.findings import CheckReport
from app.prepare.near import near_prompts
from app.prepare.output import write_plan
from tests.input_files import HINDI, JAPANESE, WORDS, as_csv, as_jsonl, plan, write

LABELS = ("refund", "card", "bill", "limit")


def related(count: int, openings: tuple[str, ...] = ("I would like to know",)) -> list[tuple[str, str]]:
    """Requests of which many share half of their words or more with others, so that a threshold cuts between them."""
    rng = random.Random(5)
    rows: list[tuple[str, str]] = []
    for number in range(count):
        if number % 3 == 0:
            said = [rng.choice(openings), *rng.sample(WORDS, 6)]
        changed = list(said)
        for _ in range(number % 3):
            changed[rng.randrange(1, len(said))] = rng.choice(WORDS)
        rows.append((" ".join([*changed, *(["please"] * (number % 2))]), LABELS[number // 3 % 4]))
    return rows


def framed(text: str) -> str:
    return f"Classify the query of the customer into one intent.\n\nQuery: {text}\n\nIntent:"


def chat(turns: list[str], answer: str) -> dict[str, Any]:
    said = [
        {"role": role, "content": turn}
        for role, turn in zip(["user", "assistant"] * len(turns), turns, strict=False)
    ]
    system = {"role": "system", "content": "You route the messages of customers."}
    return {"messages": [system, *said, {"role": "assistant", "content": answer}]}


def report_of(planned: Any, folder: Path) -> CheckReport:
    """What a check says of what init writes."""
    write_plan(planned, folder, 0, force=False)
    return check_rows(load_config(folder / "config.yaml"))[0]


def near(report: CheckReport) -> dict[str, int]:
    return {finding.code: finding.count for finding in report.findings if finding.code.startswith("near")}


@pytest.mark.parametrize(
    "openings", [("I would like to know",), HINDI, JAPANESE], ids=["English", "Hindi", "Japanese"]
)
@pytest.mark.parametrize("count", [24, 240])
def test_a_check_of_what_init_wrote_finds_no_leak(
    tmp_path: Path, count: int, openings: tuple[str, ...]
) -> None:
    rows = [(framed(text), label) for text, label in related(count, openings)]
    planned = plan(write(tmp_path / "a.csv", as_csv(rows)))
    found = near(report_of(planned, tmp_path / "out"))
    assert found.keys() == {"near_duplicates"}
    assert any(f"{found['near_duplicates']} prompts are nearly the same" in note for note in planned.notes)


def test_a_check_of_chats_that_init_wrote_finds_no_leak(tmp_path: Path) -> None:
    """The last turn of many is the same: what comes before it tells them apart."""
    rows = [chat([text, "Which account?", "the first one"], label) for text, label in related(240)]
    found = near(report_of(plan(write(tmp_path / "a.jsonl", as_jsonl(rows))), tmp_path / "out"))
    assert found.keys() == {"near_duplicates"}


def test_a_missing_split_is_taken_out_of_train_by_what_all_rows_share(tmp_path: Path) -> None:
    rows = [(framed(text), label) for text, label in related(300)]
    test = [
        (framed(f"my own question {number} is about the {word}"), "bill") for number, word in enumerate(WORDS)
    ]
    files = [
        write(tmp_path / "train.csv", as_csv(rows)),
        write(tmp_path / "test.csv", as_csv(test)),
    ]
    report = report_of(plan(*files), tmp_path / "out")
    places = [place for each in report.findings if each.code == "near_leak" for place in each.places]
    assert not [place for place in places if "validation" in place.file and "train" in place.detail]
    assert report.splits["validation"].rows > 30


def test_the_order_of_the_prompts_makes_no_difference() -> None:
    prompts = [framed(text) for text, _ in related(300)]
    shuffled = random.Random(1).sample(range(300), 300)
    groups, threshold = near_prompts(prompts)
    others, same_threshold = near_prompts([prompts[place] for place in shuffled])
    assert threshold == same_threshold
    joined: list[dict[int, set[int]]] = [defaultdict(set), defaultdict(set)]
    for place, group in enumerate(groups):
        joined[0][group].add(place)
    for place, group in zip(shuffled, others, strict=True):
        joined[1][group].add(place)
    assert sorted(map(sorted, joined[0].values())) == sorted(map(sorted, joined[1].values()))
    assert 50 < len(joined[0]) < 250
