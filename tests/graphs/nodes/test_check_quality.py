"""One verdict for every row that the teacher writes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from graphs.checks.prompt_form import PromptForm
from graphs.checks.row_checks import CheckResult
from graphs.nodes.check_quality import disputes, feedback, verdicts
from graphs.rows import Batch, NewRow, Verdict
from graphs.schemas import QualityReport
from graphs.state import AugmentState
from tests.graphs.loop_harness import new_loop
from tests.tiny_task import KEYS, label_of
from trainer.tasks import load_task

BATCH = Batch(id="r1-b4", round=1, origin="pattern", count=3, pattern="r1-p0")


def state(count: int, missing: int, attempt: int = 1) -> AugmentState:
    samples = [{"prompt": f"prompt {n}", "completion": f"completion {n}"} for n in range(count)]
    return AugmentState(round=1, number=4, attempt=attempt, samples=samples, missing=missing)


def report(marks: tuple[int, int, int] = (8, 8, 8), rejected: Sequence[int] = ()) -> QualityReport:
    a, u, r = marks
    return QualityReport(adherence=a, utility=u, relevance=r, rejected=list(rejected), feedback="Shorter.")


def checks(candidates: list[NewRow]) -> list[Verdict]:
    return [candidate.verdict for candidate in candidates]


def test_a_good_batch_is_accepted_as_far_as_it_was_asked_for() -> None:
    found = verdicts(state(4, missing=3), BATCH, [None] * 4, report(), 7.0, last=False)
    assert checks(found) == ["accepted", "accepted", "accepted", "surplus"]
    assert found[0].judge == {"adherence": 8, "utility": 8, "relevance": 8}
    assert [c.id for c in found] == [f"r1-b4-a1-{n}" for n in range(4)]


def test_the_judge_counts_only_what_the_free_checks_left() -> None:
    """It saw samples 1 and 3 as 0 and 1, and rejects its second."""
    duplicate = CheckResult("duplicate", "Its prompt is that of train row x.", {"id": "x"})
    found = verdicts(
        state(4, 3), BATCH, [duplicate, None, duplicate, None], report(rejected=[1]), 7.0, last=False
    )
    assert checks(found) == ["duplicate", "accepted", "duplicate", "judge"]
    assert found[0].evidence == {"id": "x"}
    assert found[0].judge is None
    assert "Shorter." in found[3].reason


def test_the_threshold_is_the_mean_of_three_marks_and_may_be_met_exactly() -> None:
    """(6 + 7 + 8) / 3 = 7."""
    assert checks(verdicts(state(1, 1), BATCH, [None], report((6, 7, 8)), 7.0, last=False)) == ["accepted"]
    assert checks(verdicts(state(1, 1), BATCH, [None], report((6, 7, 7)), 7.0, last=False)) == ["judge"]


def test_on_the_last_attempt_a_low_batch_is_dropped_with_that_reason() -> None:
    found = verdicts(state(2, 2, attempt=3), BATCH, [None, None], report((3, 3, 3)), 7.0, last=True)
    assert checks(found) == ["attempts", "attempts"]
    assert "last attempt" in found[1].reason
    assert "3.0 of 10" in found[1].reason


@pytest.mark.parametrize("last", [False, True])
def test_of_a_low_batch_the_rows_are_kept_that_the_judge_does_not_name(last: bool) -> None:
    rows = verdicts(state(3, 3), BATCH, [None] * 3, report((3, 3, 3), [1]), 7.0, last=last)
    assert checks(rows) == ["accepted", "judge", "accepted"]
    assert "3.0 of 10 and named other rows" in rows[0].reason


def test_a_row_that_is_not_there_is_not_named() -> None:
    """The judge names a fourth row of three: the batch goes back whole."""
    rows = verdicts(state(3, 3), BATCH, [None] * 3, report((3, 3, 3), [3, -1]), 7.0, last=False)
    assert checks(rows) == ["judge"] * 3


def test_a_row_to_which_the_judge_gives_another_answer_is_disputed_whatever_its_marks() -> None:
    duplicate = CheckResult("duplicate", "Its prompt is that of train row x.", {"id": "x"})
    rows = verdicts(state(3, 3), BATCH, [duplicate, None, None], report(), 7.0, last=True, disputed={1})
    assert checks(rows) == ["duplicate", "accepted", "disputed"]
    said = feedback(rows, report(), 2, PromptForm())
    assert '"prompt 2"' in said
    assert "completion" not in said


def test_disputed_prompts_are_named_to_the_writer_as_it_wrote_them() -> None:
    rows = verdicts(state(1, 1), BATCH, [None], None, 7.0, last=False, disputed={0})
    rows[0].prompt = "Answer the question.\nWhy?"
    assert '"Why?"' in feedback(rows, None, 1, PromptForm(before="Answer the question.\n"))


TASK = load_task("exact_match")
ROWS = [{"prompt": "1 + 1", "completion": "2"}, {"prompt": "2 + 2", "completion": "5"}]


@pytest.mark.parametrize(
    ("votes", "disputed"),
    [
        ([["2", "4"]], {1}),
        ([["2", "5"]], set()),
        ([["2", "4"], ["2", "5"]], {1}),
        ([["2", "4"], ["3", "5"], ["2", "5"]], set()),
        ([["3", "4"], ["3", "5"], ["2", "4"]], {0, 1}),
        ([["2"]], set()),
        ([], set()),
    ],
)
def test_a_row_is_disputed_unless_more_than_half_of_the_votes_agree(
    votes: list[list[str]], disputed: set[int]
) -> None:
    assert disputes(TASK, ROWS, votes) == disputed


async def test_blind_answers_are_asked_without_the_rows_answers_once_for_each_vote(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, qc_blind=3, rounds=1)
    await loop.go({})
    asked = loop.teacher.asked("BlindAnswers")
    judged = loop.teacher.asked("QualityReport")
    assert len(asked) == 3 * len(judged)
    assert {data["vote"] for data in asked} == {0, 1, 2}
    for data in asked:
        assert set(data) == {"task", "examples", "prompts", "vote"}
    prompts = [[sample["prompt"] for sample in data["samples"]] for data in judged]
    assert sorted(data["prompts"] for data in asked if data["vote"] == 1) == sorted(prompts)


async def test_mislabelled_rows_are_disputed_where_there_is_no_judge_of_the_batch(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, qc=False, qc_blind=1, rounds=1, synthetic_per_round=96)
    await loop.go({})
    rows = loop.written(1)
    wrong = [row for row in rows if label_of(row.prompt) != row.completion and row.completion in KEYS]
    assert wrong
    assert {row.verdict for row in wrong} <= {"disputed", "duplicate", "leak"}
    assert all(label_of(row.prompt) == row.completion for row in rows if row.verdict == "accepted")


def test_rejected_rows_make_no_room_for_surplus_to_be_lost() -> None:
    found = verdicts(state(4, 2), BATCH, [None] * 4, report(rejected=[0]), 7.0, last=False)
    assert checks(found) == ["judge", "accepted", "accepted", "surplus"]


def test_without_a_judge_the_free_checks_decide() -> None:
    empty = CheckResult("empty", "The prompt has no text of its own.")
    found = verdicts(state(2, 2), BATCH, [None, empty], None, 7.0, last=False)
    assert checks(found) == ["accepted", "empty"]
    assert "no judge looked at it" in found[0].reason


def test_any_batch_gets_one_verdict_a_sample_and_never_too_many_rows() -> None:
    rng = random.Random(0)
    seen: Counter[str] = Counter()
    for _ in range(400):
        count, missing = rng.randint(0, 8), rng.randint(1, 6)
        findings = [
            CheckResult("leak", "It is a test row.") if rng.random() < 0.3 else None for _ in range(count)
        ]
        marks = rng.randint(1, 10), rng.randint(1, 10), rng.randint(1, 10)
        judged = report(marks, [rng.randint(0, 9) for _ in range(rng.randint(0, 3))])
        found = verdicts(state(count, missing), BATCH, findings, judged, 6.0, last=rng.random() < 0.5)
        assert len(found) == count
        assert len({candidate.id for candidate in found}) == count
        assert checks(found).count("accepted") <= missing
        assert all(candidate.reason and candidate.verdict in get_args(Verdict) for candidate in found)
        if "surplus" in checks(found):
            assert checks(found).count("accepted") == missing
        seen.update(checks(found))
    assert set(seen) == {"accepted", "surplus", "leak", "judge", "attempts"}


def test_feedback_says_each_reason_once_and_shows_no_guarded_row() -> None:
    leak = CheckResult(
        "leak", "It has the meaning of test row t1.", {"id": "t1", "text": "the secret test prompt"}
    )
    found = verdicts(state(3, 3), BATCH, [leak, leak, None], report((2, 2, 2)), 7.0, last=False)
    said = feedback(found, report((2, 2, 2)), 3, PromptForm())
    assert said == "Shorter. It has the meaning of test row t1."
    assert "secret" not in said


def test_feedback_of_an_answer_without_samples_says_so() -> None:
    """It must not be empty: an empty feedback ends the batch."""
    assert feedback([], None, 3, PromptForm()) == "3 samples were missing."
