"""What a soak run costs: processor time, memory and tasks of the bot's process."""

import asyncio
import gc
import os
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped] # comes with Hummingbot, without types

from hummingbot_backpack import demo_guard

_BYTES_PER_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the bot's process holds.

    Attributes:
        memory_mb: resident, after a collection of garbage.
        objects: that the garbage collector knows.
        tasks: of the event loop.
    """

    memory_mb: float
    objects: int
    tasks: int


def footprint() -> Footprint:
    """What this process holds now."""
    gc.collect()
    memory_mb = psutil.Process().memory_info().rss / _BYTES_PER_MB
    return Footprint(memory_mb, len(gc.get_objects()), len(asyncio.all_tasks()))


class CpuGauge:
    """Processor time of this process and of the exchange's, since it was made."""

    def __init__(self) -> None:
        self._exchange = next(
            child
            for child in psutil.Process(os.getpid()).children()
            if demo_guard.SIMULATOR in child.cmdline()
        )
        self._began_s = time.monotonic()
        self._own_s = time.process_time()
        self._exchange_s = self._exchange_time_s()

    def shares(self) -> tuple[float, float]:
        """Bot's and exchange's use of a core each, as fractions."""
        passed_s = max(time.monotonic() - self._began_s, 1e-9)
        own_s = time.process_time() - self._own_s
        exchange_s = self._exchange_time_s() - self._exchange_s
        return own_s / passed_s, exchange_s / passed_s

    def _exchange_time_s(self) -> float:
        times = self._exchange.cpu_times()
        return float(times.user + times.system)
