"""A Ray cluster's jobs, over the REST API of its head.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/api.html

This module does not use `ray.job_submission`. Its client loads Ray into the process (70 MB, a second), blocks without a
timeout, and always connects to `RAY_ADDRESS`. So a service that uses a cluster needs no Ray.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

import httpx
from pydantic import BaseModel
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from app.errors import ConfigError
from app.settings import RayToken, Settings
from graphs.errors import ClusterDown, TrainerError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

REQUEST_SECONDS = 30.0
LONGEST_BACKOFF = 5.0
STOP_SECONDS = 15.0
"""Time limit for a stopped job to end; Ray kills it 3 seconds after the stop request."""
POLL_SECONDS = 0.5


class Job(BaseModel):
    """A job as Ray describes it (`JobDetails`)."""

    submission_id: str
    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
    message: str | None = None
    error_type: str | None = None
    driver_exit_code: int | None = None
    """Exit code of the job's command; None also where its node was lost."""

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.status not in ("PENDING", "RUNNING")

    @property
    def last_message(self) -> str:
        """The last line of its message."""
        return last_line(self.message or "")


class Cluster:
    """`async with Cluster(settings)`: the jobs of one Ray cluster. Calls are retried while it is unreachable.

    Every call raises
        ConfigError: the token is missing or wrong, or there is no Ray at the address.
        ClusterDown: the cluster stayed unreachable.
        TrainerError: the cluster refuses the request.
    """

    def __init__(self, settings: Settings, patience: float | None = None):
        self._address = settings.ray_address.rstrip("/")
        self._token = RayToken().read()
        self._patience = settings.ray_patience_seconds if patience is None else patience
        self._client = httpx.AsyncClient(base_url=self._address, timeout=REQUEST_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def session(self) -> str:
        """The cluster's session, which is new after each start; jobs of an earlier session are gone.

        Raises:
            ConfigError: also where the cluster accepts requests without a token.
        """
        return await self._patiently(self._session)

    async def find(self, name: str) -> Job | None:
        """One job by its submission id."""
        return await self._patiently(self._find, name)

    async def submit(self, name: str, entrypoint: str, cpus: float, gpus: float) -> None:
        """Submit a job, unless there is one with this name."""
        await self._patiently(self._submit, name, entrypoint, cpus, gpus)

    async def stop(self, name: str) -> None:
        """Stop a job and wait up to `STOP_SECONDS` for its end. A job that does not exist is no error."""
        await self._patiently(self._send, "POST", f"/api/jobs/{name}/stop")
        for _ in range(int(STOP_SECONDS / POLL_SECONDS)):
            job = await self.find(name)
            if job is None or job.over:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _session(self) -> str:
        if not self._token:
            raise ConfigError(
                "PADA_LAUNCHER=ray needs the cluster's token, as RAY_AUTH_TOKEN or in the file that RAY_AUTH_TOKEN_PATH "
                "names (~/.ray/auth_token by default); `ray get-auth-token --generate` makes one."
            )
        answer = await self._send("GET", "/api/version")
        try:
            session = str(answer.json()["session_name"])
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{self._address} is no Ray dashboard: set PADA_RAY_ADDRESS to that of the cluster's head, such as "
                "http://head:8265."
            ) from None
        if not refused(unauthenticated := await self._client.get("/api/version")):
            unauthenticated.raise_for_status()
            raise ConfigError(
                f"The Ray cluster at {self._address} lets everybody in: start it with RAY_AUTH_MODE=token (Ray 2.52 or "
                "newer) on every node."
            )
        return session

    async def _find(self, name: str) -> Job | None:
        answer = await self._send("GET", f"/api/jobs/{name}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else Job.model_validate(answer.json())

    async def _submit(self, name: str, entrypoint: str, cpus: float, gpus: float) -> None:
        # an earlier try whose answer was lost, or another process, may have submitted it
        if await self._find(name) is None:
            needs = {"entrypoint_num_cpus": cpus, "entrypoint_num_gpus": gpus}
            body = {"submission_id": name, "entrypoint": entrypoint, **needs}
            await self._send("POST", "/api/jobs/", json=body)

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """One request; returns a successful answer or a 404."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = await self._client.request(method, path, headers=headers, **content)
        if refused(answer):
            raise ConfigError(
                f"The Ray cluster at {self._address} refuses the token: RAY_AUTH_TOKEN, or the file that "
                "RAY_AUTH_TOKEN_PATH names, must hold the one that the cluster was started with."
            )
        if answer.is_server_error:
            answer.raise_for_status()
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            raise TrainerError(
                f"The Ray cluster at {self._address} refuses the job: {last_line(answer.text)}"
            )
        return answer

    async def _patiently(
        self, call: Callable[Arguments, Awaitable[Answer]], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        retrying = AsyncRetrying(
            retry=retry_if_exception(away),
            stop=stop_after_delay(self._patience),
            wait=wait_random_exponential(max=LONGEST_BACKOFF),
            reraise=True,
        )
        try:
            return await retrying(call, *args, **kwargs)
        except httpx.HTTPError as error:
            raise ClusterDown(
                f"The Ray cluster at {self._address} stayed away for {self._patience:.0f} s ({why(error)}). Resume the run "
                "when it is back; a job that goes on meanwhile is found again."
            ) from None


def away(error: BaseException) -> bool:
    """Whether a retry may succeed."""
    return isinstance(error, httpx.TransportError) or (
        isinstance(error, httpx.HTTPStatusError) and error.response.is_server_error
    )


def refused(answer: httpx.Response) -> bool:
    """Whether the request was refused for a wrong or missing token."""
    return answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def why(error: httpx.HTTPError) -> str:
    """The last answer, or what happened to the connection."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.response.status_code}: {last_line(error.response.text)}"
    return str(error) or type(error).__name__


def last_line(text: str) -> str:
    """The last line with text in it; Ray answers with tracebacks."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" .")]
    return lines[-1] if lines else "it said nothing"
