"""The exchange's request limits: one budget for each account, whichever connector spends it.

Hummingbot's throttler goes twice over the log of the last minute for every request, so a busy bot
pays milliseconds for each order. This one keeps a queue of times for each limit.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import override

from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import RateLimit

from .api.errors import HeldBack
from .backpack_backoff import new_backoff

# The last part of the budget is kept for placing and cancelling orders.
_SHARE_OF_READS = 0.9
# The exchange counts by its own clock, so a request is taken as counted a little longer.
_MARGIN_S = 1.0


class Ledger:
    """When the requests of the last interval were made, for each limit of one account."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._times_s: dict[str, deque[float]] = {}
        self.cool_until_s = 0.0
        self.refusals = 0
        self.backoff = new_backoff(clock_s)

    def times_of(self, limit: RateLimit, now_s: float) -> deque[float]:
        """Times of the requests that still count against a limit, oldest first."""
        times = self._times_s.setdefault(limit.limit_id, deque())
        counted_since_s = now_s - limit.time_interval - _MARGIN_S
        while times and times[0] <= counted_since_s:
            times.popleft()
        return times


class BackpackThrottler(AsyncThrottlerBase):
    """Lets requests through within the limits, orders and cancellations first.

    Args:
        rate_limits: Hummingbot's description of the limits, linked ones included.
        limits_share_percentage: share of the limits that may be used here, per cent.
        account: whose budget it is: throttlers of the same account in this process share it.
        clock_s: monotonic time in seconds.
    """

    _ledgers: dict[str, Ledger] = {}  # noqa: RUF012 (shared by all instances on purpose)

    def __init__(
        self,
        rate_limits: list[RateLimit],
        limits_share_percentage: Decimal | None = None,
        *,
        account: str | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(rate_limits, limits_share_percentage=limits_share_percentage)
        self._clock_s = clock_s
        ledger = Ledger(clock_s)
        self._ledger = ledger if account is None else self._ledgers.setdefault(account, ledger)

    @property
    def refusals(self) -> int:
        """How often the exchange has answered 429."""
        return self._ledger.refusals

    @override
    def execute_task(
        self, limit_id: str, *, is_order: bool = False, patience_s: float = math.inf
    ) -> "Turn":
        """Wait for a request's turn: ``async with throttler.execute_task(path): ...``.

        Args:
            limit_id: of the path; one without a limit passes at once.
            is_order: places or cancels, so the whole budget may be used.
            patience_s: a request that would have to wait longer is given up.

        Raises:
            HeldBack: on entering, if the wait would be longer than `patience_s`.
        """
        return Turn(self, limit_id, is_order=is_order, patience_s=patience_s)

    def wait_s(self, limit_id: str, *, is_order: bool) -> float:
        """How long a request must wait; 0 counts it as made."""
        now_s = self._clock_s()
        if now_s < self._ledger.cool_until_s:
            return self._ledger.cool_until_s - now_s
        limits = self._limits_of(limit_id)
        share = 1.0 if is_order else _SHARE_OF_READS
        wait_s = 0.0
        for limit, weight in limits:
            times = self._ledger.times_of(limit, now_s)
            # Hummingbot keeps a limit of one as a Decimal, which a float cannot multiply.
            allowed = max(weight, int(float(limit.limit) * share))
            excess = len(times) + weight - allowed
            if excess > 0:
                free_s = times[excess - 1] + limit.time_interval + _MARGIN_S
                wait_s = max(wait_s, free_s - now_s)
        if wait_s <= 0:
            for limit, weight in limits:
                self._ledger.times_of(limit, now_s).extend([now_s] * weight)
        return wait_s

    def on_refused(self) -> None:
        """The exchange has answered 429: nothing is sent for a while, longer each time."""
        now_s = self._clock_s()
        if now_s >= self._ledger.cool_until_s:
            self._ledger.cool_until_s = now_s + self._ledger.backoff.next_delay_s()
        self._ledger.refusals += 1

    def on_accepted(self) -> None:
        """The exchange answers again."""
        if self._ledger.refusals:
            self._ledger.backoff.succeeded()

    def _limits_of(self, limit_id: str) -> list[tuple[RateLimit, int]]:
        limit, linked = self.get_related_limits(limit_id)
        return linked if limit is None else [(limit, limit.weight), *linked]


class Turn:
    """One request's turn."""

    __slots__ = ("_is_order", "_limit_id", "_patience_s", "_throttler")

    def __init__(
        self, throttler: BackpackThrottler, limit_id: str, *, is_order: bool, patience_s: float
    ) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._is_order = is_order
        self._patience_s = patience_s

    async def __aenter__(self) -> None:
        waited_s = 0.0
        while (wait_s := self._throttler.wait_s(self._limit_id, is_order=self._is_order)) > 0:
            waited_s += wait_s
            if waited_s > self._patience_s:
                reason = f"the request limit is used up for another {wait_s:.0f} s."
                raise HeldBack(self._limit_id, reason)
            await asyncio.sleep(wait_s)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
