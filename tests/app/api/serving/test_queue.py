"""The process with the students: it waits, is waited for, dies, and makes room for trainers."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.launchers.devices import give_up, hold, places
from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.serving.served_run import RUN, add_served_run, prompts_and_answers
from tests.conftest import Run
from tests.processes import children_of, command_of

pytestmark = pytest.mark.student

QUEUE = 2
PATIENCE = 30.0


@pytest.fixture(scope="module")
def row(whole_run: Run) -> tuple[str, str]:
    """A prompt, and what the best student answers."""
    return prompts_and_answers(whole_run.folder, 2)[0]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, whole_run: Run) -> Iterator[Service]:
    settings = settings_for(
        tmp_path_factory.mktemp("queue") / "home", serving_queue=QUEUE, serving_wait_seconds=0.2
    )
    with serve(settings) as running:
        add_served_run(running, whole_run.folder)
        yield running


@pytest.fixture
def ready(service: Service, row: tuple[str, str]) -> Service:
    """The service after an answer, so that its process is there."""
    assert reply(ask(service, row[0])) == row[1]
    return service


def ask(service: Service, prompt: str, timeout: float = 60, **more: Any) -> httpx.Response:
    body = {"model": RUN, "messages": [{"role": "user", "content": prompt}], **more}
    return httpx.post(f"{service.url}/v1/chat/completions", json=body, timeout=timeout)


def reply(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


def model_process() -> int | None:
    """The process with the students, which is a child of this one."""
    found = [child for child in children_of(os.getpid()) if "trainer.serve" in command_of(child)]
    return found[0] if found else None


def paused() -> int:
    """The process, which does nothing until it gets SIGCONT."""
    process = model_process()
    assert process
    os.kill(process, signal.SIGSTOP)
    return process


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def accepts(service: Service, prompt: str) -> bool:
    """Whether a question gets a place in the queue; nobody waits for its answer."""
    try:
        answer = ask(service, prompt, timeout=0.5)
    except httpx.ReadTimeout:
        return True
    error(answer, 429)
    return False


def test_a_full_queue_says_when_to_come_back(ready: Service, row: tuple[str, str]) -> None:
    process = paused()
    with ThreadPoolExecutor(QUEUE + 1) as pool:
        asked = [pool.submit(ask, ready, row[0]) for _ in range(QUEUE + 1)]
        refused = next(as_completed(asked))
        assert "2 questions wait" in error(refused.result(), 429)
        assert int(refused.result().headers["retry-after"]) > 0
        os.kill(process, signal.SIGCONT)
        assert [reply(each.result()) for each in asked if each is not refused] == [row[1]] * QUEUE


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_gives_up_its_place(ready: Service, row: tuple[str, str], stream: bool) -> None:
    """The process is paused, so no place becomes free by an answer."""
    more: dict[str, Any] = {"temperature": 2, "max_tokens": 450, "stream": stream}
    body = {"model": RUN, "messages": [{"role": "user", "content": row[0]}], **more}
    clients = [httpx.Client(timeout=60) for _ in range(QUEUE)]
    url = f"{ready.url}/v1/chat/completions"
    if stream:
        streams = clients[0].stream("POST", url, json=body)
        next(streams.__enter__().iter_lines())
        process = paused()
        streams.__exit__(None, None, None)
    else:
        process = paused()
        with pytest.raises(httpx.ReadTimeout):
            clients[0].post(url, json=body, timeout=0.5)
    for client in clients:
        client.close()
    for _ in range(QUEUE + 1):  # one more than there are places
        eventually(lambda: accepts(ready, row[0]))
    os.kill(process, signal.SIGCONT)
    assert reply(ask(ready, row[0])) == row[1]
    assert model_process() == process, "it was not started again"


def test_after_a_kill_the_next_request_is_answered(ready: Service, row: tuple[str, str]) -> None:
    """One question is asked of the process, one waits, and the third one shows that both are there."""
    process = paused()
    with ThreadPoolExecutor(QUEUE + 1) as pool:
        asked = [pool.submit(ask, ready, row[0]) for _ in range(QUEUE + 1)]
        next(as_completed(asked)).result()
        os.kill(process, signal.SIGKILL)
        answers = {each.result().status_code: each.result() for each in asked}
    assert "signal 9" in error(answers[503], 503)
    assert answers[503].headers["retry-after"] == "1"
    assert reply(answers[200]) == row[1]
    assert model_process() != process


def test_a_process_that_died_between_two_questions_is_started_again(
    ready: Service, row: tuple[str, str]
) -> None:
    process = model_process()
    assert process
    os.kill(process, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{process}").exists())
    assert reply(ask(ready, row[0])) == row[1]


def test_a_client_that_does_not_read_keeps_nobody_waiting(ready: Service, row: tuple[str, str]) -> None:
    body = {"model": RUN, "messages": [{"role": "user", "content": row[0]}], "stream": True}
    body |= {"temperature": 2, "max_tokens": 450, "logprobs": True, "top_logprobs": 20}
    with httpx.stream("POST", f"{ready.url}/v1/chat/completions", json=body, timeout=60):
        assert reply(ask(ready, row[0])) == row[1]


def test_a_stream_whose_process_is_killed_ends_with_an_error(ready: Service, row: tuple[str, str]) -> None:
    body = {"model": RUN, "messages": [{"role": "user", "content": row[0]}], "stream": True}
    body |= {"temperature": 2, "max_tokens": 450}
    with httpx.stream("POST", f"{ready.url}/v1/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        os.kill(paused(), signal.SIGKILL)
        rest = [line for line in lines if line]
    assert '"error"' in rest[-1]
    assert "[DONE]" not in rest[-1]


def test_a_waiting_trainer_gets_the_device(ready: Service, row: tuple[str, str]) -> None:
    among = places()

    async def train() -> tuple[int, ...]:
        async with asyncio.timeout(PATIENCE):
            return (await hold(among, len(among), lambda: None)).locks

    locks = asyncio.run(train())
    assert model_process() is None
    answer = ask(ready, row[0])
    assert "A training has the device" in error(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    give_up(locks)
    assert reply(ask(ready, row[0])) == row[1]


def test_an_answer_is_finished_before_a_trainer_gets_the_device(ready: Service, row: tuple[str, str]) -> None:
    process = paused()
    among, got = places(), threading.Event()

    def train() -> None:
        held = asyncio.run(hold(among, len(among), lambda: None))
        got.set()
        give_up(held.locks)

    with ThreadPoolExecutor(QUEUE + 2) as pool:
        asked = [pool.submit(ask, ready, row[0]) for _ in range(QUEUE + 1)]
        next(as_completed(asked)).result()  # the others are in the queue
        training = pool.submit(train)
        assert not got.wait(1.5)
        os.kill(process, signal.SIGCONT)
        training.result(PATIENCE)
        answered = [each.result() for each in asked if each.result().status_code == 200]
    assert reply(answered[0]) == row[1]
    eventually(lambda: model_process() != process)


def test_a_student_that_is_gone_is_an_error_and_no_crash(ready: Service, whole_run: Run) -> None:
    other = add_served_run(ready, whole_run.folder, run="a" * 32)
    ready.sql(
        'update runs set config = replace(config, \'"method": "lora"\', \'"method": "full"\') where id = ?',
        other,
    )
    assert "config.json" in error(ask(ready, "Anything.", model=other), 503)
    assert model_process()


def test_an_idle_process_ends(tmp_path: Path, whole_run: Run, row: tuple[str, str]) -> None:
    with serve(settings_for(tmp_path / "home", serving_idle_seconds=0.2)) as service:
        add_served_run(service, whole_run.folder)
        assert reply(ask(service, row[0])) == row[1]
        eventually(lambda: model_process() is None)


def test_a_service_may_answer_none(tmp_path: Path, whole_run: Run) -> None:
    with serve(settings_for(tmp_path / "home", serving_queue=0)) as service:
        add_served_run(service, whole_run.folder)
        assert "PADA_SERVING_QUEUE" in error(ask(service, "Anything."), 503)
