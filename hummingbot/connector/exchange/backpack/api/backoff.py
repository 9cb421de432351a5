"""How long to wait before connecting again. Pure: the clock and the chance come from the caller."""

from collections.abc import Callable

_MOST_DOUBLINGS = 16


class Backoff:
    """Delays between attempts: 1 s, 2 s, 4 s … 60 s.

    Each is ±25 %, so that many bots do not return at once. Starts again from the first after a
    connection that lasted a minute.

    Args:
        clock_s: monotonic time in seconds.
        uniform: a random number between two bounds, as ``random.uniform`` gives it.
        first_s: first delay.
        limit_s: longest delay.
        reset_after_s: how long a connection must last to count as a healthy one.
    """

    def __init__(
        self,
        *,
        clock_s: Callable[[], float],
        uniform: Callable[[float, float], float],
        first_s: float = 1.0,
        limit_s: float = 60.0,
        reset_after_s: float = 60.0,
    ) -> None:
        self._clock_s = clock_s
        self._uniform = uniform
        self._first_s = first_s
        self._limit_s = limit_s
        self._reset_after_s = reset_after_s
        self._failures = 0
        self._connected_at_s: float | None = None

    def succeeded(self) -> None:
        """It works again; whether for long shows when it ends."""
        if self._connected_at_s is None:
            self._connected_at_s = self._clock_s()

    def next_delay_s(self) -> float:
        """How long to wait now that an attempt or a connection has ended."""
        since_s, self._connected_at_s = self._connected_at_s, None
        if since_s is not None and self._clock_s() - since_s >= self._reset_after_s:
            self._failures = 0
        delay_s = min(self._limit_s, self._first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        return min(self._limit_s, delay_s * self._uniform(0.75, 1.25))
