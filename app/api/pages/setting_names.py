"""The names of settings on the pages."""

from __future__ import annotations

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
