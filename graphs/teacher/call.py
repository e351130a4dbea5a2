"""One teacher call with all its attempts: from the request to an answer that fits, or to the reason why not."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from graphs.ports import Role
from graphs.teacher.budget import Budget
from graphs.teacher.client import ModelClient, Reply
from graphs.teacher.cost import Charge
from graphs.teacher.failures import CallFailure, failure
from graphs.teacher.hooks import RequestRecord, watcher
from graphs.teacher.request import Call, Mode, UnfitAnswerError, parse_answer, payload
from graphs.teacher.spec import EndpointSpec, Price, TeacherSpec

UNFIT_TRIES = 6
"""Answers that do not fit, for one call, before the teacher counts as unusable: where 1 in 20 is bad by chance, that
happens once in 60 million calls."""
EXPLAIN_AFTER = 2
"""Unfit answers after which the schema is put into the instructions too: some servers ignore `response_format`."""
LONGEST_BACKOFF = 30.0

Background = set[asyncio.Task[str | CallFailure]]
"""Requests under way; they outlive a cancelled caller, because they are paid for anyway."""


@dataclass(frozen=True)
class RoleBinding:
    """One role: who answers, with which settings, at which price."""

    role: Role
    spec: EndpointSpec
    endpoint: ModelClient
    price: Price | None

    def charge(self, prompt_tokens: int, completion_tokens: int) -> Charge:
        """The cost of one call; an unknown price counts as 0."""
        usd = self.price.usd(prompt_tokens, completion_tokens) if self.price else 0.0
        return Charge(1, prompt_tokens, completion_tokens, usd)


class TeacherCall:
    """Asks until an answer fits or there is no point in going on."""

    def __init__(
        self,
        binding: RoleBinding,
        call: Call,
        schema: type[BaseModel],
        common: TeacherSpec,
        budget: Budget,
        background: Background,
    ) -> None:
        self._binding, self._call, self._schema = binding, call, schema
        self._common, self._budget, self._background = common, budget, background
        self._failures: list[CallFailure] = []

    async def run(self) -> str:
        """The text of an answer that fits; it is recorded in the ledger.

        Raises:
            TeacherError, EndpointDown, BudgetExhausted: see `graphs.errors`.
        """
        endpoint = self._binding.endpoint
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, CallFailure) and self._again(outcome)),
            wait=self._pause,
            sleep=endpoint.breaker.sleep,
        )
        outcome: str | CallFailure = await retrying(self._attempt)
        if isinstance(outcome, str):
            return outcome
        raise failure(
            outcome, len(self._failures), endpoint.name, self._binding.spec.api_key_env, self._call.name
        )

    @property
    def _unfit(self) -> int:
        return sum(fault.kind in ("unfit", "truncated") for fault in self._failures)

    def _again(self, last: CallFailure) -> bool:
        if last.kind in ("unfit", "truncated"):
            return self._unfit < UNFIT_TRIES
        return last.kind in ("busy", "down") and len(self._failures) - self._unfit <= self._common.max_retries

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: "full jitter", or a short one where the endpoint itself is paused.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        if self._failures[-1].retry_after is not None:
            return random.uniform(0, self._common.backoff_seconds)
        return wait_random_exponential(self._common.backoff_seconds, LONGEST_BACKOFF)(state)

    async def _attempt(self) -> str | CallFailure:
        """One attempt; while it is open which kind of structured output works, they are tried in order."""
        unsupported: list[CallFailure] = []
        for mode in self._binding.endpoint.modes:
            outcome = await self._send(mode)
            if isinstance(outcome, str):
                return outcome
            if outcome.kind != "unsupported":
                break
            unsupported.append(outcome)
        else:
            # all are refused: the reason given for the first says most
            outcome = unsupported[0]
        self._failures.append(outcome)
        return outcome

    async def _send(self, mode: Mode) -> str | CallFailure:
        """One request, when the endpoint and the budget have room for it."""
        endpoint, call = self._binding.endpoint, self._call
        explain = endpoint.explain or self._unfit >= EXPLAIN_AFTER
        max_tokens = endpoint.bound(call.name, call.max_tokens)
        arguments = payload(call, self._binding.spec, mode, max_tokens, explain)
        bound = self._binding.charge(call.prompt_bound(), max_tokens)
        await endpoint.throttle.acquire()
        try:
            attempt = await self._budget.reserve(
                self._binding.role, call.key, self._binding.spec.model, bound
            )
        except BaseException:
            endpoint.throttle.release()
            raise
        send = asyncio.create_task(self._deliver(mode, explain, arguments, attempt, bound))
        self._background.add(send)
        send.add_done_callback(self._background.discard)
        return await endpoint.breaker.guard(send)

    async def _deliver(
        self, mode: Mode, explain: bool, arguments: dict[str, Any], attempt: int, bound: Charge
    ) -> str | CallFailure:
        """Sends a request and settles it, whatever happens."""
        outcome, charge, answer = "open", None, None
        began = time.monotonic()
        try:
            reply = await self._post(arguments)
            result = self._read(reply, bound.completion_tokens)
            charge = self._cost(reply, bound)
            outcome = result.kind if isinstance(result, CallFailure) else "answered"
            answer = result if isinstance(result, str) else None
        finally:
            await self._budget.finalize(attempt, outcome, charge, answer)
            self._tell(outcome, charge, time.monotonic() - began)
        if answer is not None:
            self._binding.endpoint.works(mode, explain)
        return result

    def _tell(self, outcome: str, charge: Charge | None, seconds: float) -> None:
        if watch := watcher.get():
            number = len(self._failures) + 1
            watch(
                RequestRecord(
                    self._binding.role,
                    self._call.name,
                    self._binding.spec.model,
                    number,
                    outcome,
                    charge,
                    seconds,
                )
            )

    async def _post(self, arguments: dict[str, Any]) -> Reply | CallFailure:
        try:
            return await self._binding.endpoint.post(arguments, self._binding.spec.timeout_seconds)
        finally:
            self._binding.endpoint.throttle.release()

    def _cost(self, reply: Reply | CallFailure, bound: Charge) -> Charge | None:
        """What a request cost; the bound where the server reports no usage, None where nobody knows."""
        if isinstance(reply, CallFailure):
            return None if reply.billed else Charge()
        return self._binding.charge(*reply.usage) if reply.usage else bound

    def _read(self, reply: Reply | CallFailure, max_tokens: int) -> str | CallFailure:
        if isinstance(reply, CallFailure):
            return reply
        if reply.truncated:
            self._binding.endpoint.widen(self._call.name, max_tokens, self._binding.spec.max_tokens)
            return CallFailure("truncated", f"at {max_tokens} tokens")
        try:
            return parse_answer(self._schema, reply.text).model_dump_json()
        except UnfitAnswerError as error:
            excerpt = " ".join(reply.text.split())[:200]
            return CallFailure("unfit", f"{error}; it began: {excerpt!r}" if excerpt else "it is empty")
