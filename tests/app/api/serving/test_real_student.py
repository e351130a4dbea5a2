"""The embedded student, tuned by the service, asked in the service: it answers as the run has recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openai import OpenAI

from tests.app.api.serving.served_run import prompts_and_answers
from tests.service import serving
from tests.tiny_task import config_for


@pytest.mark.slow
def test_the_tuned_student_answers_as_in_its_run(tmp_path: Path, data: Path) -> None:
    """With the chat template, in the precision that this machine picks, and with the default settings of the service."""
    config = config_for(data, "builtin:smollm2-135m", None, loop={"method": "vanilla"})
    config["student"] |= {"template": "auto", "steps": 12, "dtype": "auto", "learning_rate": 0.0005}
    home = tmp_path / "home"
    with serving(home, PADA_ALLOWED_PATHS=json.dumps([str(data)])) as service:
        run = service.start_run(config)
        assert service.wait(run, seconds=900)["status"] == "finished"
        expected = prompts_and_answers(home / "runs" / run, 0)
        with OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=300) as client:

            def ask(model: str, prompt: str) -> str | None:
                reply = client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": prompt}]
                )
                return reply.choices[0].message.content

            assert [ask(run, prompt) for prompt, _ in expected] == [answer for _, answer in expected]
            assert [ask(f"{run}:base", prompt) for prompt, _ in expected[:4]] != [
                answer for _, answer in expected[:4]
            ]
