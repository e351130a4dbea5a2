"""Secrets of the environment in what an agent reads."""

from __future__ import annotations

import pytest

from app.cli.mcp.secrets import without_secrets


def test_secrets_of_the_environment_are_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-canary-1234")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    answer = {"rows": [{"text": "use sk-canary-1234 twice: sk-canary-1234", "n": 1}], "sk-canary-1234": None}
    assert without_secrets(answer) == {"rows": [{"text": "use *** twice: ***", "n": 1}], "***": None}
    assert without_secrets("abc") == "abc"
