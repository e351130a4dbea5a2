"""Base class of tasks whose replies are programs. They run in the sandbox and tests score them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from trainer.records import Example, Prediction, Score
from trainer.sandbox.execution import ProgramTest, Verdict, run_tests
from trainer.sandbox.launch import SandboxError, best_kind
from trainer.sandbox.limits import Limits
from trainer.tasks.base import AnswerFacts, Task

KS = (1, 10, 100)
"""Values of k for pass@k. Each needs at least k replies to every problem."""


class ProgramTask(Task):
    """A reply is right if the program passes all tests of its row."""

    metric = "pass@1"
    max_new_tokens = 512
    self_contained = False  # a new row has no tests
    limits: ClassVar[Limits] = Limits()

    def __init__(self, train: Sequence[Example] = ()):
        super().__init__(train)
        self._verdicts: dict[ProgramTest, Verdict] = {}

    def program_test(self, example: Example, text: str) -> ProgramTest:
        """The program that a reply stands for, and its tests."""
        raise NotImplementedError

    def answer_facts(self) -> AnswerFacts:
        return AnswerFacts(
            judged="Right if the program passes all tests of its row, which are not shown.",
            form="Python code in the form of the examples, and nothing else.",
        )

    def unavailable_reason(self) -> str | None:
        try:
            best_kind()
        except SandboxError as error:
            return str(error)
        return None

    def score(self, example: Example, prediction: Prediction) -> Score:
        """Raises `SandboxError` if this machine cannot run programs."""
        return self.score_all([example], [prediction])[0]

    def score_all(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Score]:
        """Runs the programs concurrently. Raises `SandboxError` if this machine cannot run programs."""
        verdicts = self._run_tests(examples, predictions)
        return [_score(*row) for row in zip(predictions, verdicts, strict=True)]

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """`pass@k` over the problems, for each k that has enough replies, and the count of each outcome (`outcomes`)."""
        verdicts = self._run_tests(examples, predictions)
        passed: dict[str, list[bool]] = defaultdict(list)
        for example, verdict in zip(examples, verdicts, strict=True):
            passed[example.id].append(verdict.passed)
        fewest = min(map(len, passed.values()), default=0)
        rates = {
            f"pass@{k}": sum(pass_at_k(len(row), sum(row), k) for row in passed.values()) / len(passed)
            for k in KS
            if k <= fewest
        }
        return {**rates, "outcomes": dict(Counter(verdict.outcome for verdict in verdicts))}

    def _run_tests(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Verdict]:
        """Runs each program once per process, so that scores and summary agree."""
        tests = [self.program_test(example, p.text) for example, p in zip(examples, predictions, strict=True)]
        new = [test for test in dict.fromkeys(tests) if test not in self._verdicts]
        self._verdicts.update(zip(new, run_tests(new, self.limits), strict=True))
        return [self._verdicts[test] for test in tests]


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased estimate of the probability that one of k replies is right (Chen et al. 2021, equation 1).

    Args:
        samples: replies to the problem, at least k.
        correct: how many of them are right.
    """
    if samples - correct < k:
        return 1.0
    # 1 - C(n - c, k) / C(n, k), as a product: the binomials are too large for floats
    return 1.0 - prod(1.0 - k / i for i in range(samples - correct + 1, samples + 1))


def load_error(program: str) -> str | None:
    """Why a program cannot be loaded, or None if it can."""
    [verdict] = run_tests([ProgramTest(program=program, tests="", provides=())])
    return None if verdict.passed else verdict.reason


def _score(prediction: Prediction, verdict: Verdict) -> Score:
    cut = " The token limit cut the reply off." if prediction.truncated and not verdict.passed else ""
    return Score(
        id=prediction.id,
        value=float(verdict.passed),
        correct=verdict.passed,
        explanation=verdict.reason + cut,
        detail={"outcome": verdict.outcome},
    )
