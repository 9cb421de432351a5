"""The backoff of everything in the connector that tries again."""

import random
import time
from collections.abc import Callable

from .api.backoff import Backoff


def new_backoff(clock_s: Callable[[], float] = time.monotonic) -> Backoff:
    """1 s, 2 s … 60 s with jitter, by this computer's clock."""
    return Backoff(clock_s=clock_s, uniform=random.uniform)
