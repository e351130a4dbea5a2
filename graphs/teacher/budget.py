"""Hard caps: what a call could cost at most is held before it is sent, and settled when it has ended."""

from __future__ import annotations

import asyncio

from graphs.errors import BudgetExhausted
from graphs.teacher.cost import Charge, Committed
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec


class Budget:
    """The caps of one run over its ledger.

    Calls in flight count with their upper bound, and so do calls of which nobody knows whether they were billed
    (time-outs, kills): under any number of concurrent calls a cap is never passed.
    """

    def __init__(self, caps: BudgetSpec, ledger: Ledger) -> None:
        self._caps, self._ledger = caps, ledger
        self._in_flight = 0
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    async def reserve(self, role: str, key: str, model: str, bound: Charge) -> int:
        """Holds `bound` for one attempt and returns its id; waits for calls in flight if only they are in the way.

        Raises:
            BudgetExhausted: the attempt could pass a cap, and nothing in flight could make room.
        """
        async with self._turn:
            while True:
                self._settled.clear()
                held = await self._ledger.hold(
                    role, key, model, bound, lambda spent: not self._short(spent, bound)
                )
                if isinstance(held, int):
                    self._in_flight += 1
                    return held
                if self._in_flight == 0:
                    raise BudgetExhausted(self._explain(held, bound))
                await self._settled.wait()

    async def finalize(
        self, attempt: int, outcome: str, charge: Charge | None, answer: str | None = None
    ) -> None:
        """Ends an attempt; see `Ledger.finalize`."""
        try:
            await self._ledger.finalize(attempt, outcome, charge, answer)
        finally:
            self._in_flight -= 1
            self._settled.set()

    def _short(self, spent: Committed, bound: Charge) -> list[tuple[str, float, float, float]]:
        """The caps that `bound` could pass: name, cap, committed, bound."""
        rows = [
            ("max_usd", self._caps.max_usd, spent.usd, bound.usd),
            ("max_calls", self._caps.max_calls, spent.calls, bound.calls),
            ("max_tokens", self._caps.max_tokens, spent.tokens, bound.tokens),
        ]
        return [
            (name, cap, used, more) for name, cap, used, more in rows if cap is not None and used + more > cap
        ]

    def _explain(self, spent: Committed, bound: Charge) -> str:
        parts = [
            f"`budget.{name}` is {cap:.10g}, {used:.10g} is spent or may have been billed, and the next call could "
            f"cost up to {more:.6g}"
            for name, cap, used, more in self._short(spent, bound)
        ]
        names = " and ".join(f"`budget.{name}`" for name, *_ in self._short(spent, bound))
        return (
            f"The budget does not allow another call: {'; '.join(parts)}. Raise {names} and start the run again with "
            "the same output folder: it goes on from here, and no recorded answer is paid for twice."
        )
