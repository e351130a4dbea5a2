"""The demo's rows: the gaps are where they should be, and no split shows another one's rows."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import pytest

from app.demo.composer import TEAMS, phrases
from app.demo.dataset import demo_rows, write_demo_data
from trainer.artifacts import read_jsonl
from trainer.data_files import read_examples

SPLITS = ("train", "validation", "test")
GAPS = {"negation", "sarcasm", "quote", "story"}

# What each team deals with, as stems: written from the teams' duties, apart from the teacher's own rules.
DUTIES = {
    "billing": "charg invoic bill pay paid fee price tax vat statement instal debit settle credit cost receipt coupon voucher discount total sum "
    "bank premium balance amount",
    "delivery": "deliver courier brought ship parcel depot drop carrier transit lorry van track driver postman postcode warehouse wait shipment trace "
    "way turned slot tuesday handed come arriv postwoman",
    "returns": "return back swap exchang refund undo trade withdraw money mind",
    "account": "log password profile account user newsletter two-factor setting sign email locked name notification credential data",
    "repairs": "work noise spare turn crack error smoke hot warrant cable broken mend leak fault fell burn rattle screw dead jam casing fuse shock "
    "motor snap beep switch engineer broke flicker part stall fray shut plug die guarantee fix stuck smell power hum",
    "praise": "delight thank best love great gorgeous kind five happ congratul bravo fantastic please nicer superb thrill splendid joy recommend "
    "exceed loyal dream moon envy treasure compliment angel adore charm cheer lovely pleasure prais finest marks ten",
}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9'-]+", text.lower())


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    tokens = words(text)
    return {tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_train_lacks_the_gaps_that_validation_and_test_have(seed: int) -> None:
    assert {row["gap"] for row in demo_rows("train", seed)} == {None}
    for split in ("validation", "test"):
        counts = Counter(row["gap"] for row in demo_rows(split, seed))
        assert set(counts) == GAPS | {None}
        assert min(counts.values()) >= 20


def test_train_has_no_sign_of_a_gap() -> None:
    for row in demo_rows("train"):
        text = row["prompt"].lower()
        assert '"' not in text
        assert not re.search(
            r"\b(not about|neither|nor|isn't|nothing to do|then|finally|weeks? later)\b", text
        )
        if row["completion"] != "praise":
            assert not re.search(
                r"\b(wonderful|bravo|lovely|love|thanks?|thank you|perfect|great|happy)\b", text
            )


def test_gap_rows_show_their_sign() -> None:
    for row in demo_rows("validation") + demo_rows("test"):
        text = row["prompt"].lower()
        assert ('"' in text) == (row["gap"] == "quote")
        if row["gap"] == "negation":
            assert re.search(r"\b(not|no|nor|neither|nothing|isn't|don't)\b", text)


@pytest.mark.parametrize("split", SPLITS)
def test_teams_are_balanced_and_rows_differ(split: str) -> None:
    rows = demo_rows(split)
    counts = Counter(row["completion"] for row in rows)
    assert set(counts) == set(TEAMS)
    assert max(counts.values()) <= 1.8 * min(counts.values())
    assert len({row["prompt"] for row in rows}) == len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("split", SPLITS)
def test_no_near_duplicates_within_a_split(split: str) -> None:
    gram_sets = [grams(row["prompt"], 3) for row in demo_rows(split)]
    assert max(len(a & b) / len(a | b) for a, b in combinations(gram_sets, 2)) < 0.75


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_row_leaks_into_another_split(seed: int) -> None:
    gram_sets = {split: [grams(row["prompt"], 5) for row in demo_rows(split, seed)] for split in SPLITS}
    for here, there in permutations(SPLITS, 2):
        assert max(len(a & b) / len(a) for a in gram_sets[here] for b in gram_sets[there]) < 0.4


def test_sources_share_no_sentence_and_no_item() -> None:
    parts = [phrases(source) for source in (*SPLITS, "teacher")]
    for one, other in combinations(parts, 2):
        assert not set(one.items) & set(other.items)
        for team in TEAMS:
            assert not set(one.issues[team]) & set(other.issues[team])
        for style in one.frames:
            assert not set(one.frames[style]) & set(other.frames.get(style, [])) - {"{Issue}."}


@pytest.mark.parametrize("source", [*SPLITS, "teacher"])
def test_every_issue_is_a_duty_of_its_team(source: str) -> None:
    for team, issues in phrases(source).issues.items():
        for issue in issues:
            hits = {name: duties(issue, stems) for name, stems in DUTIES.items()}
            assert hits[team] >= max(1, max(hits.values()) - 1), (team, issue, hits)


def duties(issue: str, stems: str) -> int:
    """How many words of an issue begin with one of the stems."""
    return sum(word.startswith(tuple(stems.split())) for word in words(issue))


def test_plain_rows_end_in_the_team_that_their_issue_belongs_to() -> None:
    owners = {
        issue.split("{item}")[-1].strip().lower() or issue.split("{item}")[0].strip().lower(): team
        for source in SPLITS
        for team, issues in phrases(source).issues.items()
        for issue in issues
    }
    for split in SPLITS:
        for row in demo_rows(split):
            held = [part for part in owners if len(part) > 12 and part in row["prompt"].lower()]
            assert all(owners[part] == row["completion"] for part in held)


def test_files_are_rows_that_the_trainer_reads(tmp_path: Path) -> None:
    files = write_demo_data(tmp_path, seed=3)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]
    for split in SPLITS:
        assert len(read_examples(files[split])) == len(demo_rows(split, 3))
        assert list(read_jsonl(files[split])) == demo_rows(split, 3)


def test_the_seed_decides() -> None:
    assert demo_rows("test", 5) == demo_rows("test", 5)
    assert demo_rows("test", 5) != demo_rows("test", 6)
