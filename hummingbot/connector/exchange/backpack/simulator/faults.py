"""Named faults: what networks and exchanges do on bad days, while a ``with`` block lasts.

A REST fault wraps the answering of one request: it may wait, answer itself, cut the connection, or
let the request through and then lose the reply. A stream fault decides which frames leave instead
of one. Both kinds are lists that the server goes through, so a new fault is one more method, in
`rest_faults`, `stream_faults` or here.

    async with LocalExchange() as exchange:
        with exchange.faults.accept_then_hang("POST /api/v1/order") as fault:
            ...                      # the order is on the book, its reply never comes
            await fault.wait_hit()

A text such as ``accept-then-hang:operation=POST /api/v1/order`` starts the same: `fault_script`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from ..api.models import OrderBookState, Symbol, SystemStatus
from .fault_core import ConnectionCut, Fault, Proceed, Site, SkewedClock, named_fault
from .replies import MAINTENANCE, Reply
from .requests import Call
from .rest_faults import RestFaults
from .stream_faults import RefusalReason, StreamFaults

__all__ = ["ConnectionCut", "Fault", "Faults", "RefusalReason", "SkewedClock"]

_US_PER_MS = 1_000


class Faults(RestFaults, StreamFaults):
    """The faults of one exchange.

    Args:
        clock: the clock to skew.
        site: the rest of what faults get hold of.
    """

    def __init__(self, clock: SkewedClock, site: Site) -> None:
        RestFaults.__init__(self)
        StreamFaults.__init__(self, site)
        self._clock = clock
        self._outages = 0
        self._maintenances = 0
        self._halts: dict[Symbol, list[OrderBookState]] = {}

    # --- the exchange as a whole ---

    @named_fault("maintenance")
    @contextmanager
    def maintenance(self) -> Iterator[Fault]:
        """Show maintenance as status and refuse every write with 503."""
        fault = Fault(None, None)

        async def closed(call: Call, proceed: Proceed) -> Reply:
            if call.method == "GET":
                return await proceed()
            fault.strikes(call.operation)
            return MAINTENANCE

        self.rest.append(closed)
        self._maintenances += 1
        self._site.show_status(SystemStatus.MAINTENANCE)
        try:
            yield fault
        finally:
            self.rest.remove(closed)
            self._maintenances -= 1
            if not self._maintenances:
                self._site.show_status(SystemStatus.OK)

    @named_fault("outage")
    @asynccontextmanager
    async def outage(self, *, is_announced: bool = False) -> AsyncIterator[None]:
        """Close all connections and refuse new ones; at the end the same port listens again.

        A restart of the server: funds, orders and books stay, and other people trade on. With
        `is_announced` sockets get a close frame and requests under way are answered; otherwise all
        is cut.
        """
        self._outages += 1
        try:
            if self._outages == 1:
                await self._site.close_doors(is_announced=is_announced)
            yield
        finally:
            self._outages -= 1
            if not self._outages:
                await self._site.open_doors()

    @named_fault("halt-market")
    @contextmanager
    def halt_market(
        self, symbol: str, *, state: OrderBookState = OrderBookState.CLOSED
    ) -> Iterator[None]:
        """Let one market accept less, or nothing; resting orders stay and can be cancelled."""
        market = Symbol(symbol)
        # What was there before is kept below the halts in force, of which the latest counts.
        halts = self._halts.setdefault(market, [self._site.market_state(market)])
        halts.append(state)
        self._site.set_market_state(market, state)
        try:
            yield
        finally:
            halts.remove(state)
            self._site.set_market_state(market, halts[-1])
            if len(halts) == 1:
                del self._halts[market]

    # --- the clock that requests and subscriptions are judged by, and that is told as the time ---

    @named_fault("clock-skew")
    @contextmanager
    def clock_skew(self, offset_ms: int) -> Iterator[None]:
        """Let the exchange's clock be ahead of the real one (if negative: behind)."""
        with self._skewed(lambda _: offset_ms * _US_PER_MS):
            yield

    @named_fault("clock-drift")
    @contextmanager
    def clock_drift(self, rate: float) -> Iterator[None]:
        """Let the exchange's clock run faster or slower than the real one, by a factor."""
        began_us = self._clock.real_us()
        with self._skewed(lambda real_us: round((real_us - began_us) * (rate - 1))):
            yield

    @contextmanager
    def _skewed(self, skew: Callable[[int], int]) -> Iterator[None]:
        self._clock.skews.append(skew)
        try:
            yield
        finally:
            self._clock.skews.remove(skew)
