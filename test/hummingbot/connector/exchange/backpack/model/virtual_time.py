"""Time that passes only when it is told to: minutes of patience take milliseconds, and any run can
be had again."""

import asyncio
import sys
import time
from contextlib import contextmanager

from cachetools import TTLCache

from hummingbot.connector import utils
from hummingbot.core.utils import tracking_nonce

EPOCH_S = 1_790_000_000.0
_START_S = 10_000.0


class VirtualClock:
    """Stands for the module `time` in Hummingbot and in the connector."""

    def __init__(self):
        self.now_s = _START_S

    def monotonic(self):
        return self.now_s

    perf_counter = monotonic

    def time(self):
        return EPOCH_S + self.now_s

    def time_us(self):
        """Microseconds since the epoch."""
        return round(self.time() * 1e6)

    def time_ns(self):
        return self.time_us() * 1000

    def reset(self):
        """Back to the beginning, for the next example, which then gives its orders the same ids."""
        self.now_s = _START_S
        tracking_nonce._microseconds_nonce_provider = tracking_nonce.NonceCreator.for_microseconds()

    def __getattr__(self, name):
        return getattr(time, name)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets that skips the time in which nothing happens."""

    def __init__(self, clock):
        super().__init__()
        self._virtual_clock = clock
        self._selector = self
        self._clock_resolution = 1e-6
        # asyncio's own list of tasks is one for all loops, and grows with each example.
        self._tasks = set()
        self.set_task_factory(self._make_task)

    def time(self):
        return self._virtual_clock.now_s

    def select(self, timeout):
        """What the base asks when nothing is ready."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again in this loop")
        self._virtual_clock.now_s += timeout
        return ()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    def settle(self):
        """Run what can run now; no time passes."""
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:
                return

    def advance(self, duration_s):
        """Let time pass, with all that happens in it."""
        timer = self.call_at(self.time() + duration_s, self.stop)
        self.run_forever()
        timer.cancel()
        self.settle()

    def call(self, function):
        """The result of a function that runs inside the loop."""
        results = []
        self.call_soon(lambda: results.append(function()))
        self.settle()
        return results[0]

    def end(self):
        """Let every task die, as with the process."""
        for task in tuple(self._tasks):
            task.cancel()
        self.settle()

    def _make_task(self, loop, coroutine, **options):
        task = asyncio.Task(coroutine, loop=loop, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@contextmanager
def virtual_time():
    """Have Hummingbot, and what it imports from us, read a virtual clock; gives that clock."""
    from hummingbot.connector.exchange.backpack import backpack_backoff, backpack_throttler

    clock = VirtualClock()
    readers = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("hummingbot.") and vars(module).get("time") is time
    ]
    # Those have taken the function itself as a default.
    defaults = (
        (TTLCache.__init__, "__defaults__"),
        (TTLCache.__init__, "__kwdefaults__"),
        (backpack_backoff.new_backoff, "__defaults__"),
        (backpack_throttler.BackpackThrottler.__init__, "__kwdefaults__"),
    )
    kept = [getattr(function, name) for function, name in defaults]
    instance_id = utils._bot_instance_id  # of the process, so that each run would be another
    for module in readers:
        module.time = clock
    utils._bot_instance_id = lambda: "the only one"
    for function, name in defaults:
        setattr(function, name, _reading(getattr(function, name), clock))
    try:
        yield clock
    finally:
        for module in readers:
            module.time = time
        utils._bot_instance_id = instance_id
        for (function, name), value in zip(defaults, kept, strict=True):
            setattr(function, name, value)


def _reading(values, clock):
    if isinstance(values, tuple):
        return tuple(clock.monotonic if value is time.monotonic else value for value in values)
    if isinstance(values, dict):
        return {
            key: clock.monotonic if value is time.monotonic else value
            for key, value in values.items()
        }
    return values
