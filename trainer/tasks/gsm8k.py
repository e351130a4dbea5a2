"""GSM8K: grade-school maths word problems with worked solutions that end with `#### answer`.

Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems" (arXiv 2110.14168).
Rows: https://huggingface.co/datasets/openai/gsm8k, MIT; 7,473 train and 1,319 test rows. Validation rows are taken out
of train. Scoring follows lm-evaluation-harness 0.4, `gsm8k`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Hub, Task

_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED = tuple(re.compile(pattern) for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"))
"""Removed from answers before they are compared, in this order."""
_CALCULATION = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")

OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
ROUNDED = 0.02
"""Maximum relative difference of a result that counts as rounded."""


class GSM8K(Task):
    """Right if the number after `####` equals the reference's. `flexible` uses the reply's last number instead."""

    name = "gsm8k"
    metric = "exact_match"
    max_new_tokens = 400
    source = "GSM8K, Cobbe et al. 2021 (arXiv 2110.14168); lm-evaluation-harness 0.4, `gsm8k`: `strict-match`"
    hub = Hub(path="openai/gsm8k", name="main")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        answer = row["answer"]
        return {"prompt": row["question"], "completion": answer, "answer": answer.rsplit("#### ", 1)[-1]}

    def row_error(self, example: Example) -> str | None:
        if strict(example.completion) is None:
            return "the completion does not end with a line `#### ` and the answer. Add it."
        return None

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        last = completion.strip().rsplit("\n", 1)[-1]
        if not _STRICT.fullmatch(last):
            return "The completion must end with a line `#### ` and the answer as a number."
        return next((f"The calculation {wrong} is wrong." for wrong in wrong_calculations(completion)), None)

    def answer_facts(self) -> AnswerFacts:
        return AnswerFacts(
            judged="Right if the number after `####` on the last line is the expected one.",
            form="A worked solution in steps, with each calculation as <<3*4=12>>, and a last line `#### ` with the "
            "answer as a number.",
        )

    def score(self, example: Example, prediction: Prediction) -> Score:
        expected, got = bare(example.completion), strict(prediction.text)
        correct, loosely = got == expected, flexible(prediction.text) == expected
        return Score(
            id=example.id,
            value=float(correct),
            correct=correct,
            explanation=_explain(expected, got, loosely, prediction),
            detail={"strict": float(correct), "flexible": float(loosely)},
        )

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Mean `strict` and `flexible` exact match, and the number of `unfinished` replies, which have no `####` line."""
        details = [self.score(*pair).detail for pair in zip(examples, predictions, strict=True)]
        count = max(len(details), 1)
        return {
            "strict": sum(detail["strict"] for detail in details) / count,
            "flexible": sum(detail["flexible"] for detail in details) / count,
            "unfinished": sum(strict(prediction.text) is None for prediction in predictions),
        }


def strict(text: str) -> str | None:
    """The first number after `#### ` in comparable form (see `bare`), or None."""
    match = _STRICT.search(text)
    return bare(match[1]) if match else None


def flexible(text: str) -> str | None:
    """The last number of a text in comparable form (see `bare`), or None."""
    numbers = _FLEXIBLE.findall(text)
    return bare(next(filter(None, numbers[-1])).strip()) if numbers else None


def bare(text: str) -> str:
    """An answer, or a whole solution, reduced to the form in which answers are compared."""
    for pattern in _IGNORED:
        text = pattern.sub("", text)
    return text.lower()


def wrong_calculations(solution: str) -> list[str]:
    """The calculations of a solution, such as `<<6*4=24>>`, whose result is wrong. Anything but plain arithmetic is skipped."""
    wrong = []
    for expression, result in _CALCULATION.findall(solution):
        value, given = calculate(expression), calculate(result)
        if value is not None and given is not None and abs(value - given) > ROUNDED * max(1.0, abs(value)):
            wrong.append(f"{expression}={result}")
    return wrong


def calculate(expression: str) -> float | None:
    """The value of plain arithmetic with + - * / and brackets, or None for anything else."""
    try:
        return _value(ast.parse(expression.strip().replace(",", "").replace("$", ""), mode="eval").body)
    except (SyntaxError, ValueError, KeyError, ArithmeticError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left), _value(right))
    raise ValueError("no plain number or sum")


def _explain(expected: str, got: str | None, loosely: bool, prediction: Prediction) -> str:
    if got == expected:
        return f"The answer {expected} is right."
    slips = "".join(f" The calculation {slip} is wrong." for slip in wrong_calculations(prediction.text)[:3])
    if got is not None:
        return f"The answer should be {expected}, and the reply's is {got}.{slips}"
    cut = ", because the token limit cut it off" if prediction.truncated else ""
    last = ", though its last number is that" if loosely else ""
    return f"The answer should be {expected}, and the reply has no line `#### ` with an answer{cut}{last}.{slips}"
