"""The teacher: structured answers from OpenAI-compatible endpoints. No answer is paid for twice."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from graphs.errors import TeacherError, UnansweredError
from graphs.ports import Answer, Role
from graphs.teacher.answer_rate import AnswerRate
from graphs.teacher.budget import Budget
from graphs.teacher.call import Background, RoleBinding, TeacherCall
from graphs.teacher.client import ModelClient
from graphs.teacher.cost import Cost, SpendPoint
from graphs.teacher.credentials import read_credentials
from graphs.teacher.ledger import Ledger
from graphs.teacher.network import ANYWHERE, Network
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.request import build_call
from graphs.teacher.single_flight import SingleFlight
from graphs.teacher.spec import BudgetSpec, EndpointSpec, TeacherSpec

ROLES: tuple[Role, ...] = get_args(Role)


class ChatTeacher:
    """Asks the endpoints of a `TeacherSpec`; implements `graphs.ports.Teacher`.

    Identical requests (same endpoint, settings, instructions, data and schema) are one request: recorded answers come
    from the ledger, and concurrent duplicates share one request. For a second answer, put something different into the
    data.

    Args:
        spec: endpoints, models and limits.
        caps: hard caps on the run's spending, over all its starts.
        ledger: recorded answers and spending. Its run id is sent as `X-Run-Id`. It is closed together with the teacher.
        environ: environment variables; `api_key_env` and `headers_env` name some of them.
        network: where endpoints may live.
        price_file: prices of models, where the spec names no file.

    Raises:
        TeacherError: a key or a price is missing.
    """

    def __init__(
        self,
        spec: TeacherSpec,
        caps: BudgetSpec,
        ledger: Ledger,
        environ: Mapping[str, str],
        network: Network = ANYWHERE,
        price_file: Path | None = None,
    ) -> None:
        book = PriceBook.of(spec, price_file)
        if fault := missing_price(spec, caps, book):
            raise TeacherError(fault)
        self._spec, self._ledger = spec, ledger
        self._budget = Budget(caps, ledger)
        self._bindings = _bindings(spec, book, ledger.run_id, environ, network)
        self._flights: SingleFlight[str] = SingleFlight()
        self._background: Background = set()
        self._rate = AnswerRate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def ask(self, role: Role, schema: type[Answer], instructions: str, data: dict[str, Any]) -> Answer:
        """One structured answer; see `graphs.ports.Teacher.ask`."""
        binding = self._bindings[role]
        call = build_call(binding.spec, schema, instructions, data)

        async def answer() -> str:
            recorded = self._ledger.recall(call.key, role)
            if recorded is not None:
                return recorded
            attempts = TeacherCall(binding, call, schema, self._spec, self._budget, self._background)
            try:
                text = await attempts.run()
            except UnansweredError as error:
                self._rate.unanswered(str(error))
                raise
            self._rate.answered()
            return text

        text, shared = await self._flights.join(call.key, answer)
        if shared:
            self._ledger.repeat(role)
        return schema.model_validate_json(text)

    def client(self, role: Role) -> ModelClient:
        """The client of a role's model."""
        return self._bindings[role].endpoint

    def totals(self) -> Cost:
        """What the run has paid so far, over all its starts."""
        return self._ledger.totals()

    def spending(self) -> list[SpendPoint]:
        """Cumulative spending over time."""
        return self._ledger.spending()

    def describe(self) -> dict[str, Any]:
        """Model, endpoint and price by role, for the report; no keys."""
        return {
            role: {
                "model": binding.spec.model,
                "endpoint": binding.endpoint.address,
                "price": price.model_dump(exclude_none=True)
                if (price := binding.book.price(binding.spec))
                else "price unknown",
            }
            for role, binding in self._bindings.items()
        }

    async def aclose(self, grace_seconds: float = 15.0) -> None:
        """Records the answers of requests in flight, because they are paid for, and closes.

        Args:
            grace_seconds: longest wait for those answers.
        """
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=grace_seconds)
            for request in late:
                request.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for endpoint in {binding.endpoint for binding in self._bindings.values()}:
            await endpoint.aclose()
        self._ledger.close()


def _bindings(
    spec: TeacherSpec, book: PriceBook, run_id: str, environ: Mapping[str, str], network: Network
) -> dict[Role, RoleBinding]:
    """One binding for each role. Roles with the same endpoint and model share one client."""
    roles = {role: spec.role(role) for role in ROLES}
    alike: defaultdict[tuple[Any, ...], list[EndpointSpec]] = defaultdict(list)
    for settings in roles.values():
        alike[_client_key(settings)].append(settings)
    clients = {}
    for key, group in alike.items():
        shared = group[0].model_copy(update={"max_concurrency": min(each.max_concurrency for each in group)})
        clients[key] = ModelClient(shared, spec, read_credentials(shared, environ), run_id, network)
    return {
        role: RoleBinding(role, settings, clients[_client_key(settings)], book)
        for role, settings in roles.items()
    }


def _client_key(spec: EndpointSpec) -> tuple[Any, ...]:
    """What roles must have in common to share a client."""
    headers = tuple(sorted(spec.headers_env.items()))
    return spec.base_url, spec.model, spec.api_key_env or "", headers, spec.structured_output
