"""How many requests a key or address may make in a minute: a sliding window, switchable.

Source: the exchange's API FAQ: 2000 requests a minute, 30 a minute for history over a time range.
"""

from collections import deque
from collections.abc import Callable

_WINDOW_US = 60_000_000


class RateLimit:
    """At most `requests_per_minute` in any minute, counted for each caller.

    Args:
        requests_per_minute: how many; ``None`` switches the limit off.
        clock_us: the time, µs since the epoch.
    """

    def __init__(self, requests_per_minute: int | None, clock_us: Callable[[], int]) -> None:
        self._allowed = requests_per_minute
        self._clock_us = clock_us
        self._recent: dict[str, deque[int]] = {}

    def admit(self, caller: str) -> bool:
        """Count one request of `caller`; ``False``, and nothing counted, if it is one too many."""
        if self._allowed is None:
            return True
        now_us = self._clock_us()
        recent = self._recent.get(caller)
        if recent is None:
            recent = self._recent[caller] = deque()
        while recent and recent[0] <= now_us - _WINDOW_US:
            recent.popleft()
        if len(recent) >= self._allowed:
            return False
        recent.append(now_us)
        return True
