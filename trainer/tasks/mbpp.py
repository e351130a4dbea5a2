"""MBPP: write a short Python program from a description and its tests.

Austin et al. 2021, "Program Synthesis with Large Language Models" (arXiv 2108.07732).
Rows: https://huggingface.co/datasets/google-research-datasets/mbpp, CC BY 4.0; 374 train, 90 validation and 500 test
rows.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from typing import Any

from trainer.records import Example
from trainer.sandbox.execution import ProgramTest, run_tests
from trainer.tasks.base import Hub
from trainer.tasks.programs import ProgramTask


class Mbpp(ProgramTask):
    """pass@1: the reply is a program, and the row's `tests`, a list of assertions, test it.

    Names that the reference program defines and the tests use come from the reply. All other names belong to the tests:
    built-ins, modules of the standard library, and what `test_setup_code` defines.
    """

    name = "mbpp"
    source = "MBPP, Austin et al. 2021 (arXiv 2108.07732); `google-research/google-research`, `mbpp`"
    hub = Hub(path="google-research-datasets/mbpp", name="full", validation="validation")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        tests = row["test_list"]
        return {
            "id": f"mbpp-{row['task_id']}",
            "prompt": "\n".join([row["text"], "Your code should pass these tests:", "", *tests]),
            "completion": row["code"].replace("\r\n", "\n"),
            "text": row["text"],
            "tests": tests,
            "test_setup_code": row["test_setup_code"],
            "challenge_tests": row["challenge_test_list"],
        }

    def row_error(self, example: Example) -> str | None:
        tests = example.field("tests")
        if not (isinstance(tests, list) and tests and all(isinstance(test, str) for test in tests)):
            return "`tests` is not a list of assertions. Take it from the data set."
        try:
            test = self.program_test(example, example.completion)
        except (SyntaxError, ValueError) as error:
            return (
                f"The completion or a test is not Python ({error}). Both must be source text that compiles."
            )
        if not test.provides:
            return "The tests use nothing that the completion defines. Correct one of them."
        return None

    def program_test(self, example: Example, text: str) -> ProgramTest:
        setup = example.field("test_setup_code") or ""
        tests = example.field("tests") or ["raise LookupError('the row has no tests')"]
        return _program_test(text, [setup, *tests], example.completion)

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        tests = [line.strip() for line in prompt.splitlines() if line.strip().startswith("assert ")]
        try:
            test = _program_test(completion, tests, completion)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"The completion, and each assertion in the prompt, must be Python: {error}."
        [verdict] = run_tests([test], self.limits)
        return None if verdict.passed else f"The completion must pass the prompt's tests. {verdict.reason}"


def _program_test(program: str, tests: Iterable[str], reference: str) -> ProgramTest:
    source = "\n".join(test.replace("\r\n", "\n") for test in tests)
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    provides = used & _defined(reference)
    modules = sorted((used - provides) & sys.stdlib_module_names)
    return ProgramTest(
        program=program,
        tests=source,
        provides=tuple(sorted(provides)),
        preamble="\n".join(f"import {module}" for module in modules),
    )


def _defined(program: str) -> set[str]:
    """Functions, classes and variables that a program defines at the top level. Imported names do not count."""
    names: set[str] = set()
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            variables = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            names |= {node.id for node in variables if isinstance(node.ctx, ast.Store)}
    return names
