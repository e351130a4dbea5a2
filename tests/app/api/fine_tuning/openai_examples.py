"""Lets the tests of openai-python run against a service: their examples stand for what is there.

These tests are written for a server that answers anything with an example. Here the ids of that server stand for objects of
the service, its file of two words stands for rows, and its turn of a developer for one of a user.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.app.api.fine_tuning.clients import CHATS

FILE, JOB = "file_id", "ft-AF1WoRqd3aJAHsqc9NY7iL8F"
MODELS = ("gpt-6-astra", "gpt-3.5-turbo-instruct")
IN_BODIES = {b"Example data": CHATS, b"assistants": b"fine-tune", b'"developer"': b'"user"'}
IN_QUERIES = {b"limit=0": b"limit=1", b"after=after": b"", b"after=string": b""}
"""A limit of 0 and an id that is no id are refused here, as OpenAI refuses them."""


class Examples:
    """Middleware.

    Args:
        files: each DELETE of the example's file deletes another one; the last stays.
        jobs: the job of all but its cancellation, and the one to cancel.
        model: the student of all questions.
    """

    def __init__(self, app: ASGIApp, files: Iterable[str], jobs: tuple[str, str], model: str):
        self._app, self._files, self._jobs, self._model = app, deque(files), jobs, model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if scope["method"] == "DELETE" and FILE in path:
            path = path.replace(FILE, self._files.popleft())
        path = path.replace(FILE, self._files[-1])
        path = path.replace(JOB, self._jobs[path.endswith("/cancel")])
        for name in MODELS:
            path = path.replace(name, self._model)
        query = scope["query_string"]
        for example, real in IN_QUERIES.items():
            query = query.replace(example, real)
        body = await self._body(receive)
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        ended = False

        async def whole() -> Message:
            nonlocal ended
            if ended:
                return await receive()
            ended = True
            return {"type": "http.request", "body": body, "more_body": False}

        changed = {"path": path, "raw_path": path.encode(), "query_string": query, "headers": headers}
        await self._app({**scope, **changed}, whole, send)

    async def _body(self, receive: Receive) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        for example, real in IN_BODIES.items():
            body = body.replace(example, real)
        for name in MODELS:
            body = body.replace(name.encode(), self._model.encode())
        return body.replace(b"file-abc123", self._files[-1].encode())
