"""The tests of openai-python for what the service has of OpenAI's API, against a real service.

They need the source of openai-python in PADA_TEST_OPENAI_PYTHON; see CONTRIBUTING.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.api.fine_tuning.clients import client_of, upload
from tests.app.api.fine_tuning.openai_examples import Examples
from tests.app.api.http_service import serve, settings_for
from tests.app.api.serving.served_run import RUN, add_served_run
from tests.conftest import Run

GUIDE = " ".join((Path(__file__).resolve().parents[4] / "docs/guides/openai.md").read_text().split())
SOURCE = os.environ.get("PADA_TEST_OPENAI_PYTHON", "")
STUDENT = "builtin:smollm2-135m"
ALL_PARAMETERS = {"method_create_with_all_params"}
EACH_STREAM = {f"method_create_with_all_params_overload_{stream}" for stream in (1, 2)}


def ways(*methods: str) -> set[str]:
    """The tests of these methods: the client has three ways to call one."""
    return {
        f"{way}_{method}" for way in ("method", "raw_response", "streaming_response") for method in methods
    }


FAILING = {
    "test_files.py": ALL_PARAMETERS,
    "fine_tuning/test_jobs.py": ALL_PARAMETERS | ways("pause"),
    "fine_tuning/jobs/test_checkpoints.py": set(),
    "test_models.py": ways("delete"),
    "test_completions.py": EACH_STREAM,
    "chat/test_completions.py": EACH_STREAM
    | ways("retrieve", "update", "list", "delete")
    | {"method_list_with_all_params"},
}
"""File -> those of its tests that ask for what there is not, as docs/guides/openai.md says. Those that pause a job get it;
the client's type has no status `paused`, which OpenAI's reference shows for such a job."""
DELETED = 40
"""Files to delete: more than the tests do."""


@pytest.mark.slow
@pytest.mark.student
@pytest.mark.skipif(not SOURCE, reason="there is no source of openai-python in PADA_TEST_OPENAI_PYTHON")
def test_all_pass_but_those_that_ask_for_what_there_is_not(tmp_path: Path, whole_run: Run) -> None:
    settings = settings_for(tmp_path / "home", students={"gpt-4o-mini": STUDENT})
    with serve(settings) as plain, client_of(plain) as client:
        add_served_run(plain, whole_run.folder)
        files = [upload(client, name=f"{number}.jsonl") for number in range(DELETED)]
        create = client.fine_tuning.jobs.create
        jobs = (
            create(model=STUDENT, training_file=files[-1]).id,
            create(model=STUDENT, training_file=files[-1]).id,
        )
    with serve(
        settings, lambda app: app.add_middleware(Examples, files=files, jobs=jobs, model=RUN)
    ) as service:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-o", "addopts=", "-o", "filterwarnings=default", "-rf"),
                *(f"tests/api_resources/{name}" for name in FAILING),
            ],
            cwd=SOURCE,
            env=os.environ | {"TEST_API_BASE_URL": f"{service.url}/v1", "PYTHONPATH": SOURCE},
            capture_output=True,
            text=True,
        )
    failed = re.findall(r"^FAILED tests/api_resources/(\S+?)::\w+::test_(\w+)", done.stdout, re.MULTILINE)
    expected = {(file, name) for file, names in FAILING.items() for name in names}
    assert set(failed) == expected, done.stdout[-5000:]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    asked, passed = counts["failed"] + counts["passed"] + counts["skipped"], counts["passed"]
    assert f"Of the {asked} tests" in GUIDE, counts
    assert f" {passed} pass " in GUIDE, counts
