"""One teacher call with all its attempts: from the request to an answer that fits, or to an error that says why not."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from graphs.ports import Role
from graphs.teacher.answer import UnfitAnswerError, parse_answer
from graphs.teacher.budget import Budget
from graphs.teacher.client import ModelClient, Reply
from graphs.teacher.cost import Charge, Usage
from graphs.teacher.failures import CallFailure, give_up_error, truncate
from graphs.teacher.hooks import RequestRecord, watcher
from graphs.teacher.prices import PriceBook
from graphs.teacher.request import Call, Dialect, Mode, payload
from graphs.teacher.spec import EndpointSpec, Price, TeacherSpec

MAX_UNFIT = 6
"""Unfit answers to one call after which it is given up. If 1 answer in 20 is unfit by chance, this
happens in one of 64 million calls."""
MAX_DECLINED = 2
"""Refusals of one call after which it is given up: a model at a temperature may think again, a filter will not."""
EXPLAIN_AFTER = 2
"""Unfit answers after which the instructions contain the schema too, because some servers ignore `response_format`."""
LONGEST_BACKOFF = 30.0
"""Seconds."""

Background = set[asyncio.Task[str | CallFailure]]
"""Requests in flight. They outlive a cancelled caller, because they are paid for anyway."""


@dataclass(frozen=True)
class RoleBinding:
    """The client, the settings and the prices of one role."""

    role: Role
    spec: EndpointSpec
    endpoint: ModelClient
    book: PriceBook

    def charge(self, usage: Usage, answered: str, tier: str) -> Charge:
        """The cost of one call in US dollars and tokens, at the price of the model and the service tier that answered. An
        unknown one counts as 0."""
        usd = max((price.usd(usage) for price in self._prices(answered, tier)), default=0.0)
        return Charge(1, usage.prompt_tokens, usage.completion_tokens, usd)

    def bound(self, prompt_tokens: int, completion_tokens: int) -> Charge:
        """The most that a call of the model can cost. An unknown price counts as 0."""
        bounds = (price.bound_usd(prompt_tokens, completion_tokens) for price in self._prices())
        return Charge(1, prompt_tokens, completion_tokens, max(bounds, default=0.0))

    def _prices(self, answered: str = "", tier: str = "") -> list[Price]:
        """Those that a call may have. As long as the server does not say its tier, the one asked for and the standard one."""
        tiers = [tier] if tier else [self.spec.service_tier, ""]
        return [price for each in tiers if (price := self.book.price(self.spec, answered, each))]


class TeacherCall:
    """Asks until an answer fits, or until another attempt would not help."""

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
            retry=retry_if_result(
                lambda outcome: isinstance(outcome, CallFailure) and self._may_retry(outcome)
            ),
            wait=self._backoff,
            sleep=endpoint.breaker.sleep,
        )
        outcome: str | CallFailure = await retrying(self._attempt)
        if isinstance(outcome, str):
            return outcome
        variables = self._binding.spec.variables
        raise give_up_error(outcome, len(self._failures), endpoint.name, variables, self._call.name)

    @property
    def _unfit_count(self) -> int:
        return sum(failure.kind in ("unfit", "truncated") for failure in self._failures)

    def _may_retry(self, last: CallFailure) -> bool:
        if last.kind in ("unfit", "truncated"):
            return self._unfit_count < MAX_UNFIT
        declined = sum(failure.kind == "declined" for failure in self._failures)
        if last.kind == "declined":
            return declined < MAX_DECLINED
        others = len(self._failures) - self._unfit_count - declined
        return last.kind in ("busy", "down") and others <= self._common.max_retries

    def _backoff(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: "full jitter", or a short wait if the endpoint itself is paused.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        if self._failures[-1].retry_after is not None:
            return random.uniform(0, self._common.backoff_seconds)
        return wait_random_exponential(self._common.backoff_seconds, LONGEST_BACKOFF)(state)

    async def _attempt(self) -> str | CallFailure:
        """One attempt. Until it is known which mode of structured output works, the modes are tried in order."""
        unsupported: list[CallFailure] = []
        for mode in self._binding.endpoint.modes:
            outcome = await self._send_in_dialect(mode)
            if isinstance(outcome, str):
                return outcome
            if outcome.kind != "unsupported":
                break
            unsupported.append(outcome)
        else:
            # all modes are refused, and the reason for the first is the most useful one
            outcome = unsupported[0]
        self._failures.append(outcome)
        return outcome

    async def _send_in_dialect(self, mode: Mode) -> str | CallFailure:
        """One request, and another while a refusal teaches, to this call or to others, what the server does not take."""
        endpoint = self._binding.endpoint
        while True:
            dialect = endpoint.dialect
            outcome = await self._send(mode, dialect)
            if isinstance(outcome, str) or outcome.kind != "unsupported":
                return outcome
            endpoint.learn_dialect(dialect, outcome)
            if endpoint.dialect == dialect:
                return outcome

    async def _send(self, mode: Mode, dialect: Dialect) -> str | CallFailure:
        """One request. It waits until the endpoint and the budget have room for it."""
        endpoint, call = self._binding.endpoint, self._call
        explain = endpoint.explain or self._unfit_count >= EXPLAIN_AFTER
        max_tokens = endpoint.bound(call.name, call.max_tokens)
        arguments = payload(call, self._binding.spec, mode, max_tokens, explain, dialect)
        bound = self._binding.bound(call.prompt_bound(), max_tokens)
        await endpoint.throttle.acquire()
        try:
            hold_id = await self._budget.reserve(
                self._binding.role, call.key, self._binding.spec.model, bound
            )
        except BaseException:
            endpoint.throttle.release()
            raise
        send = asyncio.create_task(self._deliver(mode, explain, arguments, hold_id, bound))
        self._background.add(send)
        send.add_done_callback(self._forget)
        return await endpoint.breaker.guard(send)

    def _forget(self, request: asyncio.Task[str | CallFailure]) -> None:
        """Let go of a request that has ended. A caller that was cancelled asks for its error no more."""
        self._background.discard(request)
        if not request.cancelled():
            request.exception()

    async def _deliver(
        self, mode: Mode, explain: bool, arguments: dict[str, Any], hold_id: int, bound: Charge
    ) -> str | CallFailure:
        """Sends a request and finalizes its hold, whatever happens."""
        outcome, charge, answer, reply = "open", None, None, None
        began = time.monotonic()
        try:
            reply = await self._post(arguments)
            result = self._read(reply, bound.completion_tokens)
            charge = self._cost(reply, bound)
            outcome = result.kind if isinstance(result, CallFailure) else "answered"
            answer = result if isinstance(result, str) else None
        finally:
            await self._budget.finalize(hold_id, outcome, charge, answer)
            self._notify_watcher(mode, outcome, charge, reply, time.monotonic() - began)
        if answer is not None:
            self._binding.endpoint.works(mode, explain)
        return result

    def _notify_watcher(
        self,
        mode: Mode,
        outcome: str,
        charge: Charge | None,
        reply: Reply | CallFailure | None,
        seconds: float,
    ) -> None:
        if watch := watcher.get():
            answered = reply if isinstance(reply, Reply) else None
            record = RequestRecord(
                role=self._binding.role,
                schema=self._call.name,
                model=self._binding.spec.model,
                attempt=len(self._failures) + 1,
                outcome=outcome,
                charge=charge,
                seconds=seconds,
                mode=mode,
                usage_reported=answered is not None and answered.usage is not None,
                thought=answered is not None and answered.thought,
            )
            watch(record)

    async def _post(self, arguments: dict[str, Any]) -> Reply | CallFailure:
        try:
            return await self._binding.endpoint.post(arguments, self._binding.spec.timeout_seconds)
        finally:
            self._binding.endpoint.throttle.release()

    def _cost(self, reply: Reply | CallFailure, bound: Charge) -> Charge | None:
        """What a request cost: the bound if the server reports no usage, None if it is not known."""
        if isinstance(reply, CallFailure):
            return None if reply.billed else Charge()
        return self._binding.charge(reply.usage, reply.model, reply.service_tier) if reply.usage else bound

    def _read(self, reply: Reply | CallFailure, max_tokens: int) -> str | CallFailure:
        if isinstance(reply, CallFailure):
            return reply
        if reply.declined:
            return CallFailure("declined", truncate(reply.declined))
        if reply.truncated:
            self._binding.endpoint.widen(self._call.name, max_tokens, self._binding.spec.max_tokens)
            return CallFailure("truncated", f"at {max_tokens} tokens")
        try:
            return parse_answer(self._schema, reply.text).model_dump_json()
        except UnfitAnswerError as error:
            excerpt = " ".join(reply.text.split())[:200]
            return CallFailure("unfit", f"{error}; it began: {excerpt!r}" if excerpt else "it is empty")
