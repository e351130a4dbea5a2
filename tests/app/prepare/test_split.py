"""Splits: whole bundles, labels in proportion, time, sizes, repeats and conflicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from app.prepare.layout import Choices
from app.prepare.near import near_groups
from app.prepare.plan import Plan, SplitOptions
from app.prepare.sizes import choose_sizes, shown_by
from app.prepare.tables import InputError
from app.prepare.times import parse_times
from tests.input_files import GERMAN, HINDI, JAPANESE, THAI, as_csv, mixed, plan, requests, write
from trainer.text import comparable


def made(
    tmp_path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...] = ("text", "label"), **options: Any
) -> Plan:
    said = options.pop("said", Choices())
    return plan(write(tmp_path / "a.csv", as_csv(rows, header)), said=said, splitting=SplitOptions(**options))


def places(planned: Plan) -> dict[int, str]:
    """Split of each row, by its number from 0."""
    return {d.place.number - 2: split for split, drafts in planned.rows.items() for d in drafts}


def test_every_row_is_in_one_split_or_listed(tmp_path: Path) -> None:
    rows = [*mixed(200), *mixed(200)[:7], ("no answer", "")]
    planned = made(tmp_path, rows)
    assert sorted([*places(planned), *(item.place.number - 2 for item in planned.skipped)]) == list(
        range(208)
    )


def test_the_same_seed_gives_the_same_split_and_another_seed_another(tmp_path: Path) -> None:
    rows = mixed(200)
    assert places(made(tmp_path, rows)) == places(made(tmp_path, rows))
    assert places(made(tmp_path, rows)) != places(made(tmp_path, rows, seed=1))


def test_labels_are_in_proportion_and_train_has_all(tmp_path: Path) -> None:
    texts = [text for text, _ in mixed(400)]
    labels = ["common"] * 300 + ["usual"] * 80 + ["rare"] * 15 + ["two"] * 2 + ["one"] * 3
    labels = [f"{label}{n}" if label == "one" else label for n, label in enumerate(labels)]
    planned = made(tmp_path, list(zip(texts, labels, strict=True)), said=Choices(task="classification"))
    counts = {split: Counter(d.answer for d in drafts) for split, drafts in planned.rows.items()}
    for label, count in (("common", 300), ("usual", 80), ("rare", 15)):
        assert abs(counts["test"][label] - 0.25 * count) <= 2
        assert abs(counts["validation"][label] - 0.2 * count) <= 2
    assert set(labels) == set(counts["train"])


def test_groups_stay_together(tmp_path: Path) -> None:
    rows = [(text, label, f"c{n % 37}") for n, (text, label) in enumerate(mixed(400))]
    planned = made(tmp_path, rows, ("text", "label", "customer_id"))
    assert planned.layout.group == "customer_id"
    splits = defaultdict(set)
    for number, split in places(planned).items():
        splits[number % 37].add(split)
    assert all(len(where) == 1 for where in splits.values())
    assert min(len(drafts) for drafts in planned.rows.values()) > 40
    alone = made(tmp_path, rows, ("text", "label", "customer_id"), said=Choices(group="none"))
    assert alone.layout.group is None


def test_too_few_groups_say_what_to_do(tmp_path: Path) -> None:
    rows = [(text, label, f"c{n % 2}") for n, (text, label) in enumerate(mixed(80))]
    with pytest.raises(InputError, match="--group none"):
        made(tmp_path, rows, ("text", "label", "shop"), said=Choices(group="shop"))


@pytest.mark.parametrize(
    "texts", [GERMAN, JAPANESE, HINDI, THAI], ids=["German", "Japanese", "Hindi", "Thai"]
)
def test_near_duplicates_are_found_in_every_script(texts: tuple[str, ...]) -> None:
    others = [comparable(text) for text, _ in mixed(400)]
    long = " ".join(texts)
    pair = [comparable(long + texts[0] + "?"), comparable(long + texts[0] + " !")]
    changed = comparable(long.replace(texts[1][:4], texts[2][:4]) + texts[0])
    groups, _ = near_groups([*others, pair[0], changed])
    assert pair[0] == pair[1]
    assert groups[-1] == groups[-2]
    assert list(groups).count(groups[-1]) == 2


def test_texts_of_different_meaning_are_no_near_duplicates() -> None:
    """Hindi texts that are the same once their combining marks are dropped."""
    texts = [
        comparable(text) for text in ("मेरा बिल बहुत ज़्यादा है", "मेरे बाल बहुत ज़्यादा हैं", "मुझे अपना कार्ड बंद करना है")
    ]
    groups, _ = near_groups(texts)
    assert len(set(groups)) == 3


def test_what_all_prompts_share_makes_no_near_duplicates() -> None:
    for prefix in (
        "Classify the request of the customer into one of the labels.\nRequest: ",
        "请将以下客户请求分类为其中一个标签，并且只回答标签本身。请求：",
    ):
        texts = [comparable(prefix + text) for text, _ in mixed(200)]
        plain = [comparable(text) for text, _ in mixed(200)]
        assert len(set(near_groups(texts)[0])) >= 0.9 * len(set(near_groups(plain)[0]))


def test_near_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    rows = [row for text, label in mixed(160) for row in ((text, label), (f"{text}, please!", label))]
    where = places(made(tmp_path, rows))
    assert all(where[n] == where[n + 1] for n in range(0, 320, 2))


def test_exact_repeats_are_kept_once_and_listed(tmp_path: Path) -> None:
    rows = [*mixed(100), mixed(100)[4]]
    planned = made(tmp_path, rows)
    [item] = planned.skipped
    assert (item.place.number, item.reason) == (102, "the same row as a.csv, line 6; it is kept once")


def test_conflicting_answers_stay_on_one_side_and_both_lines_are_named(tmp_path: Path) -> None:
    rows = [*mixed(100), ("ICH MÖCHTE  mein Geld zurück amber amber amber 0!", "card")]
    planned = made(tmp_path, rows)
    [conflict] = planned.conflicts
    assert "a.csv, line 2 ('refund') and a.csv, line 102 ('card')" in str(conflict)
    assert places(planned)[0] == places(planned)[100]


def test_by_time_the_newest_rows_are_the_test(tmp_path: Path) -> None:
    rows = [
        (text, label, f"{n % 28 + 1:02d}.{n % 12 + 1:02d}.{2020 + n // 100}")
        for n, (text, label) in enumerate(mixed(400))
    ]
    planned = made(tmp_path, rows, ("text", "label", "datum"), said=Choices(time="datum"))
    days = {
        split: sorted(d.time[6:] + d.time[3:5] + d.time[:2] for d in drafts)
        for split, drafts in planned.rows.items()
    }
    assert days["train"][-1] <= days["validation"][0]
    assert days["validation"][-1] <= days["test"][0]
    [said] = [note for note in planned.notes if note.startswith("By time: ")]
    last = {split: f"{found[-1][6:]}.{found[-1][4:6]}.{found[-1][:4]}" for split, found in days.items()}
    assert said == (
        f"By time: train ends with {last['train']}, validation with {last['validation']}, test with {last['test']}."
    )


def test_a_date_column_is_named_but_not_taken_unasked(tmp_path: Path) -> None:
    rows = [(text, label, f"2024-01-{n % 28 + 1:02d}") for n, (text, label) in enumerate(mixed(80))]
    planned = made(tmp_path, rows, ("text", "label", "created_at"))
    assert planned.layout.time is None
    assert any("--time created_at" in reason for reason in planned.layout.reasons)


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["1970-01-02", "1970-01-01T00:00:10Z", "1970-01-01 02:00:00+01:00"], [86400, 10, 3600]),
        (["02.01.1970", "31.12.1970 00:00"], [86400, 364 * 86400]),
        (["1/2/1970", "12/31/1970"], [86400, 364 * 86400]),
        (["1700000000", "1700000000000", "soon"], [1.7e9, 1.7e9, None]),
    ],
)
def test_dates(texts: list[str], seconds: list[float | None]) -> None:
    assert parse_times(texts, "t") == seconds


@pytest.mark.parametrize("texts", [["01/02/2024", "03/04/2024"], ["soon", "later"]])
def test_dates_that_cannot_be_told(texts: list[str]) -> None:
    with pytest.raises(InputError, match="--time t"):
        parse_times(texts, "t")


def test_sizes_follow_the_smallest_difference_that_can_be_shown(tmp_path: Path) -> None:
    large, small = choose_sizes(100_000), choose_sizes(400)
    assert shown_by(large.test) <= 0.05 < shown_by(large.test - 1)
    assert shown_by(large.validation) <= 0.07 < shown_by(large.validation - 1)
    assert (small.train, small.validation, small.test) == (220, 80, 100)
    asked = choose_sizes(400, validation=20, test=200)
    assert (asked.train, asked.validation, asked.test) == (180, 20, 200)
    with pytest.raises(InputError, match="leave 0 of 400"):
        choose_sizes(400, test=400)
    with pytest.raises(InputError, match="Only 9 of the rows"):
        choose_sizes(9)


def test_most_rows_broken_is_refused_with_the_reasons(tmp_path: Path) -> None:
    rows = [*requests(20), *((text, "") for text, _ in mixed(80))]
    with pytest.raises(
        InputError, match=r"Most rows cannot be used: 80 of 100\.\n  80 rows, such as a\.csv, line 22"
    ):
        made(tmp_path, rows)
