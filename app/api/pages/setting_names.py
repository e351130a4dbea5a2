"""The names of settings on the pages."""

from __future__ import annotations

import re

from graphs.methods import Method

NAMES = {
    "task": "Task",
    "student": "Student",
    "tuning": "Fine-tuning",
    "max_length": "Tokens of a row",
    "max_new_tokens": "Tokens of a reply",
    "base_url": "Address",
    "model": "Model",
    "api_key_env": "Key",
    "method": "Method",
    "methods": "Methods",
    "rounds": "Rounds",
    "synthetic": "New rows in each round",
    "max_usd": "US dollars",
    "max_calls": "Calls",
    "max_tokens": "Tokens",
    "seed": "Seed",
    "seeds": "Seeds",
}
"""Field of a form -> its name on the page."""

METHODS: dict[Method, str] = {
    "pada": "new rows for failure patterns and for training errors",
    "vanilla": "no new rows: fine-tuning on the given ones",
    "random": "new rows for the task, whatever the student gets wrong",
    "auggpt": "given rows in other words",
    "llms_as_instructors": "new rows for training errors",
    "llms_as_instructors_contrast": "new rows for training errors, beside what the student gets right",
    "llm2llm": "one new row at most for each training error",
    "active": "rows without answers that the student is unsure of, answered by the teacher",
}
"""What each does, in a few words; docs/concepts/methods.md has it in full."""

KEYS = {
    "student.model": "student",
    "student.method": "tuning",
    "student.max_length": "max_length",
    "student.max_new_tokens": "max_new_tokens",
    "teacher.base_url": "base_url",
    "teacher.model": "model",
    "teacher.api_key_env": "api_key_env",
    "loop.method": "method",
    "loop.rounds": "rounds",
    "loop.synthetic_per_round": "synthetic",
    "budget.max_usd": "max_usd",
    "budget.max_calls": "max_calls",
    "budget.max_tokens": "max_tokens",
}
"""Key of a config -> field of the form that sets it."""
_KEY = re.compile(rf"(?<![\w./])(`?)(?:config\.)?({'|'.join(map(re.escape, KEYS))})\1(?![\w/]|\.\w)")


def in_settings(text: str) -> str:
    """A message with the fields of a form in place of the keys of a config."""
    return _KEY.sub(lambda found: f"“{NAMES[KEYS[found[2]]]}”", text)
