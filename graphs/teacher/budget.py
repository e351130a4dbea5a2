"""Hard caps: an upper bound of a call's cost is held before it is sent, and replaced by the cost when it has ended."""

from __future__ import annotations

import asyncio

from graphs.errors import BudgetExhausted
from graphs.teacher.cost import Charge, Committed
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec


class Budget:
    """The caps of one run, compared with its ledger.

    Calls in flight count with their upper bound, and so do calls that may have been billed (time-outs, kills). So a cap
    is never passed, with any number of concurrent calls.
    """

    def __init__(self, caps: BudgetSpec, ledger: Ledger) -> None:
        self._caps, self._ledger = caps, ledger
        self._in_flight = 0
        self._turn = asyncio.Lock()
        self._finalized = asyncio.Event()

    async def reserve(self, role: str, key: str, model: str, bound: Charge) -> int:
        """Holds `bound` for one request, and returns the hold's id.

        If the caps have no room, it waits for calls in flight, because they may cost less than they hold.

        Raises:
            BudgetExhausted: the request could pass a cap, and no call is in flight.
        """
        async with self._turn:
            while True:
                self._finalized.clear()
                held = await self._ledger.hold(
                    role, key, model, bound, lambda spent: not self._exceeded(spent, bound)
                )
                if isinstance(held, int):
                    self._in_flight += 1
                    return held
                if self._in_flight == 0:
                    raise BudgetExhausted(self._explain(held, bound))
                await self._finalized.wait()

    async def finalize(
        self, hold_id: int, outcome: str, charge: Charge | None, answer: str | None = None
    ) -> None:
        """Ends a request; see `Ledger.finalize`."""
        try:
            await self._ledger.finalize(hold_id, outcome, charge, answer)
        finally:
            self._in_flight -= 1
            self._finalized.set()

    def _exceeded(self, spent: Committed, bound: Charge) -> list[tuple[str, float, float, float]]:
        """The caps that `bound` could pass: name, cap, committed, bound."""
        caps = [
            ("max_usd", self._caps.max_usd, spent.usd, bound.usd),
            ("max_calls", self._caps.max_calls, spent.calls, bound.calls),
            ("max_tokens", self._caps.max_tokens, spent.tokens, bound.tokens),
        ]
        return [
            (name, cap, used, cost) for name, cap, used, cost in caps if cap is not None and used + cost > cap
        ]

    def _explain(self, spent: Committed, bound: Charge) -> str:
        exceeded = self._exceeded(spent, bound)
        parts = [
            f"`budget.{name}` is {cap:.10g}, {used:.10g} is spent or may have been billed, and the next call could "
            f"cost up to {cost:.6g}"
            for name, cap, used, cost in exceeded
        ]
        names = " and ".join(f"`budget.{name}`" for name, *_ in exceeded)
        return (
            f"The budget does not allow another call: {'; '.join(parts)}. Raise {names} and start the run again with "
            "the same output folder: it goes on from here, and no recorded answer is paid for twice."
        )
