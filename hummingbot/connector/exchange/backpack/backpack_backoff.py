"""How long to wait before trying again."""

import random
import time
from collections.abc import Callable

from .backpack_constants import BACKOFF_FIRST_S, BACKOFF_LIMIT_S, BACKOFF_RESET_AFTER_S


class Backoff:
    """Delays between attempts: 1 s, 2 s, 4 s … 60 s.

    Each is ±25 %, so that many bots do not return at once. Starts again from 1 s after a
    connection that lasted a minute.
    """

    def __init__(
        self,
        *,
        first_s: float = BACKOFF_FIRST_S,
        limit_s: float = BACKOFF_LIMIT_S,
        clock_s: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._clock_s = clock_s
        self._uniform = uniform
        self._failures = 0
        self._connected_at_s: float | None = None

    def succeeded(self) -> None:
        """It works again; whether for long shows when it ends."""
        if self._connected_at_s is None:
            self._connected_at_s = self._clock_s()

    def next_delay_s(self) -> float:
        """How long to wait now that an attempt or a connection has ended."""
        since, self._connected_at_s = self._connected_at_s, None
        if since is not None and self._clock_s() - since >= BACKOFF_RESET_AFTER_S:
            self._failures = 0
        delay_s = min(self._limit_s, self._first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return min(self._limit_s, delay_s * self._uniform(0.75, 1.25))
