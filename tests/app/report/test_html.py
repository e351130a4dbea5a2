"""The page, on reports made to break it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys

import pytest
import vl_convert

from app.report import wording
from app.report.html import render_html
from graphs.report import Report
from tests.app.report.html_page import Page, values
from tests.app.report.report_example import STATES
from tests.app.report.report_parts import SCRIPT
from trainer.specs import LossPoint

PAGES = {name: render_html(report) for name, report in STATES.items()}


@pytest.mark.parametrize("name", STATES)
def test_the_examples_are_reports(name: str) -> None:
    """`model_copy` checks nothing, so a state could hold what no run writes."""
    assert Report.model_validate_json(STATES[name].model_dump_json()) == STATES[name]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_well_formed_and_loads_nothing(name: str) -> None:
    page = Page(PAGES[name])
    assert page.open == []
    loading = {"src", "href", "srcset", "data", "action", "formaction", "poster", "background", "xlink:href"}
    assert [item for item in page.elements if loading & set(item[1])] == []
    assert {tag for tag, _ in page.elements} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    style = re.findall(r"<style>(.*?)</style>", PAGES[name], re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_policy_allows_its_own_two_scripts_only() -> None:
    page = Page(PAGES["finished"])
    policy = next(
        a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    assert rules["default-src"] == "'none'"
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in page.scripts[1:]]
    assert rules["script-src"].split() == [f"'sha256-{value}'" for value in hashes]
    assert "connect-src" not in rules
    assert "img-src" not in rules


@pytest.mark.parametrize("name", PAGES)
def test_texts_from_rows_stay_texts(name: str) -> None:
    page = Page(PAGES[name])
    assert len(page.scripts) == 3
    assert not any("injected" in script for script in page.scripts[1:])
    assert not any(attribute.startswith("on") for _, attributes in page.elements for attribute in attributes)
    assert "<" not in page.scripts[0]


def test_hostile_texts_are_shown_as_they_are() -> None:
    page = Page(PAGES["finished"])
    shown = " ".join(SCRIPT.split())
    assert shown in page.text
    assert "🤷" in page.text
    causes = {row["root_cause"] for row in values(page.specs["clusters"], "root_cause")}
    assert any(SCRIPT in cause for cause in causes)


def test_the_page_says_what_the_teacher_was_told_and_who_wrote_it() -> None:
    said = Page(PAGES["finished"]).text
    assert "Sort messages by intent." in said
    assert "A teacher drafted this from train rows" in said
    assert "money back; 12 rows" in said
    assert "What all prompts share" in said


def test_the_page_says_how_the_settings_were_found_and_what_the_untrained_student_scores() -> None:
    said = " ".join(Page(PAGES["finished"]).text.split())
    assert "How the settings were found" in said
    assert "0.0006 90 61.0 % chosen" in said.replace("\u2009", " ").replace("\u202f", " ").replace(
        "\xa0", " "
    )
    assert "before any fine-tuning" in said


def test_labels_and_fields_of_the_rows_are_shown_as_they_are_written() -> None:
    report = STATES["finished"]
    detail = {
        "macro_f1": 0.5,
        "per_class": {"card_arrival": {"true_positives": 3}, "iPhone_defekt": {"true_positives": 1}},
        "fields": {"order_id": {"expected": 4}},
    }
    rounds = [report.rounds[0].model_copy(update={"detail": detail}), *report.rounds[1:]]
    said = Page(render_html(report.model_copy(update={"rounds": rounds}))).text
    for shown in ("Macro f1", "card_arrival", "iPhone_defekt", "True positives", "order_id"):
        assert shown in said


def test_every_chart_draws() -> None:
    specs = Page(PAGES["finished"]).specs
    assert set(specs) == {"scores", "differences", "clusters", "patterns", "quality", "spending", "loss"}
    drawn = {name: vl_convert.vegalite_to_svg(spec) for name, spec in specs.items()}
    assert ">71.4<" in drawn["scores"]
    assert "+9.8 (+5.2 to +14.5)" in drawn["differences"]
    assert "Two intents in one message" in drawn["clusters"]
    assert "Round 3 · Negation flips the intent" in drawn["patterns"]
    assert "Optimizer step" in drawn["loss"]
    places = {a.get("id") for _, a in Page(PAGES["finished"]).elements}
    assert {f"chart-{name}" for name in specs} <= places


@pytest.mark.parametrize("name", PAGES)
def test_each_chart_has_its_place_and_no_place_is_empty(name: str) -> None:
    page = Page(PAGES[name])
    places = {str(a["id"]) for _, a in page.elements if str(a.get("id", "")).startswith("chart-")}
    assert places == {f"chart-{chart}" for chart in page.specs}


def test_quality_chart_accounts_for_every_row() -> None:
    rows = values(Page(PAGES["finished"]).specs["quality"], "scope", "part")
    one = {(row["label"], row["part"]): row["count"] for row in rows if row["scope"] == "Round 2"}
    # 161 written: 33 fail a free check (2 + 1 + 9 + 17 + 4), 24 the judge (14 + 10), 5 are not needed, a reviewer rejects 3.
    assert one["Written by the teacher", "kept"] == 161
    assert one["After the free checks", "kept"] == 128
    assert one["After the free checks", "duplicate"] == 17
    assert one["After the judge", "kept"] == 104
    assert one["Used for training", "rejected by a reviewer"] == 3
    assert one["Used for training", "kept"] == 96
    everything = {(row["label"], row["part"]): row["count"] for row in rows if row["scope"] == "All rounds"}
    assert everything["Used for training", "kept"] == 288


def test_rows_that_a_reviewer_decided_on_are_counted_with_the_others() -> None:
    page = Page(PAGES["finished"])
    assert "Judge Attempts Surplus Unanswered Reviewer" in page.text
    assert "Round 2: a reviewer accepted 2 rows that the checks had rejected." in page.text
    assert "Baseline: a reviewer" not in page.text


def test_spending_falls_back_to_tokens_without_a_price() -> None:
    paid = Page(PAGES["finished"])
    assert paid.specs["spending"]["layer"][0]["encoding"]["y"]["field"] == "usd"
    assert "Teacher $0.75 358 calls" in paid.text
    free = Page(PAGES["stand-in"])
    assert free.specs["spending"]["layer"][0]["encoding"]["y"]["field"] == "tokens"
    assert "234.5k tokens, no price known, 358 calls" in free.text
    report = STATES["finished"]
    roles = {"judge": report.cost.by_role["judge"] | {"usd": 0.0}}
    cost = report.cost.model_copy(update={"usd": 0.0, "by_role": roles})
    [row] = re.findall(
        "<tr><th[^>]*>Judge</th>.*?</tr>", render_html(report.model_copy(update={"cost": cost}))
    )
    assert "–" in row
    assert "$" not in row


@pytest.mark.parametrize(
    ("name", "title", "sentence"),
    [
        (
            "finished",
            "The student improved by 9.8 points",
            "95 % interval +5.2 to +14.5, p < 0.001 (McNemar)",
        ),
        ("unclear", "No improvement shown", "interval −2.0 to +4.1, p = 0.580"),
        ("worse", "The student got worse by 9.5 points", "fell from 60.5 % to 51.0 %"),
        ("nothing-helped", "No improvement shown", "No later student was promoted over the baseline"),
        ("vanilla", "The baseline: 60.5 %", "on the given rows alone"),
        ("starting", "The run is under way", "No student has been scored yet."),
        ("running", "The run is under way", "the best student so far is that of round 2: 71.4 %"),
        ("paused", "The run is paused", "nothing is claimed yet"),
        ("failed", "The run failed", "nothing is claimed yet"),
    ],
)
def test_headline_claims_what_the_test_shows(name: str, title: str, sentence: str) -> None:
    page = Page(PAGES[name])
    plain = page.text.replace(wording.NARROW, " ")
    assert title in plain
    assert sentence in plain
    if name not in {"finished", "stand-in"}:
        assert "student improved" not in plain


@pytest.mark.parametrize(
    ("low", "says"), [(0.0001, "improved"), (0.0, "No improvement"), (-0.0001, "No improvement")]
)
def test_improved_needs_an_interval_above_zero(low: float, says: str) -> None:
    report = STATES["finished"]
    assert report.test is not None
    test = report.test.model_copy(update={"ci95": (low, 0.2)})
    assert says in wording.headline(report.model_copy(update={"test": test})).title


def test_reasons_for_stopping_and_stand_in_are_plain() -> None:
    assert (
        "The next call could pass budget.max_usd (0.75): raise it and run again."
        in Page(PAGES["paused"]).text
    )
    assert "loss is NaN at step 14" in Page(PAGES["failed"]).text
    assert "The teacher was a stand-in." in Page(PAGES["stand-in"]).text
    assert "The teacher was a stand-in." not in Page(PAGES["finished"]).text


def test_long_lists_and_texts_are_capped() -> None:
    text = Page(PAGES["finished"]).text
    assert "and 45 more" in text  # 75 over-long ids, 30 shown
    assert "and 1 more" in text  # 61 broken ids, 60 shown
    report = STATES["finished"]
    error = report.rounds[1].patterns[0].errors[0].model_copy(update={"prompt": "x" * 50_000})
    pattern = report.rounds[1].patterns[0].model_copy(update={"errors": [error]})
    rounds = [report.rounds[1].model_copy(update={"patterns": [pattern] * 60})]
    page = render_html(report.model_copy(update={"rounds": rounds}))
    assert "and 42,000 more characters" in page
    assert "and 20 more in <code>report.json</code>" in page


def test_a_large_run_stays_usable() -> None:
    report = STATES["finished"]
    first = report.rounds[1]
    assert first.clusters is not None
    points = [first.clusters.points[0].model_copy(update={"x": float(x)}) for x in range(5000)]
    loss = [LossPoint(step=step, loss=1.0, learning_rate=1e-4) for step in range(20_000)]
    updates = {
        "clusters": first.clusters.model_copy(update={"points": points}),
        "trainer": first.trainer.model_copy(update={"loss": loss}),
    }
    rounds = [first.model_copy(update=updates | {"round": round_number}) for round_number in range(8)]
    page = render_html(report.model_copy(update={"rounds": rounds}))
    specs = Page(page).specs
    assert len(values(specs["clusters"], "root_cause")) == 8 * 400
    steps = [row["step"] for row in values(specs["loss"], "step") if row["round"] == "Round 1"]
    assert (len(steps), steps[0], steps[-1]) == (400, 0, 19_999)
    assert len(page) < 5_000_000


def test_import_is_light() -> None:
    code = (
        "import sys, app.report.html, app.report.card, app.report.summary\n"
        "print({'altair', 'vl_convert', 'huggingface_hub', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
