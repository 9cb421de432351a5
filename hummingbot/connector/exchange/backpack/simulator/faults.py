"""Named faults: what networks and exchanges do on bad days, while a ``with`` block lasts.

A REST fault wraps the answering of one request: it may wait, answer itself, cut the connection, or
let the request through and then lose the reply. A stream fault decides how often frames leave. Both
kinds are lists that the server goes through, so a new fault is one more function here.

    async with LocalExchange() as exchange:
        with exchange.faults.accept_then_hang("POST /api/v1/order") as fault:
            ...                      # the order is on the book, its reply never comes
            await fault.wait_hit()
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..api.models import SystemStatus
from .replies import ACCEPTED, JSON, MAINTENANCE, Reply
from .requests import Call
from .wire import error

type Proceed = Callable[[], Awaitable[Reply]]
type RestFault = Callable[[Call, Proceed], Awaitable[Reply]]
"""Answers a call, with or without letting it proceed to the exchange."""

_US_PER_MS = 1_000


class ConnectionCut(Exception):
    """The server is to drop the connection instead of replying."""


class Fault:
    """One fault in force, and how often it struck.

    Attributes:
        hits: requests or frames it has changed so far.
    """

    def __init__(self, operation: str | None, times: int | None) -> None:
        self.hits = 0
        self._operation = operation
        self._times = times
        self._struck = asyncio.Event()

    def strikes(self, operation: str) -> bool:
        """Whether this request or frame is hit; if so it is counted."""
        if self._operation is not None and operation != self._operation:
            return False
        if self._times is not None and self.hits >= self._times:
            return False
        self.hits += 1
        self._struck.set()
        return True

    async def wait_hit(self) -> None:
        """Wait until it struck at least once."""
        await self._struck.wait()


class SkewedClock:
    """The exchange's clock, which a fault can set off from the real one.

    Args:
        real_us: the real time, µs since the epoch.
    """

    def __init__(self, real_us: Callable[[], int]) -> None:
        self._real_us = real_us
        self.offset_us = 0

    def __call__(self) -> int:
        """The time, µs since the epoch."""
        return self._real_us() + self.offset_us


class Faults:
    """The faults of one exchange.

    Wherever an `operation` is asked for it is method and path such as ``POST /api/v1/order``,
    ``None`` for all of REST; `times` is how many requests are hit, ``None`` for all while the block
    lasts.

    Args:
        clock: the clock to skew.
        set_status: called with the status that the exchange shows from now on.
    """

    def __init__(self, clock: SkewedClock, set_status: Callable[[SystemStatus], None]) -> None:
        self.rest: list[RestFault] = []
        self.frames: list[Callable[[str], int]] = []
        self.drop_connections: Callable[[], int] = lambda: 0
        self.refuses_websockets = False
        self._clock = clock
        self._set_status = set_status
        self._pending: set[asyncio.Task[Reply]] = set()
        self._blocks: set[asyncio.Event] = set()

    # --- streams ---

    def drop_websockets(self) -> int:
        """Cut every WebSocket connection now, without a close frame; returns how many."""
        return self.drop_connections()

    @contextmanager
    def refuse_websockets(self) -> Iterator[None]:
        """Answer new WebSocket connections with 503 while the block lasts; open ones stay."""
        self.refuses_websockets = True
        try:
            yield
        finally:
            self.refuses_websockets = False

    @contextmanager
    def skip_frames(self, topic: str | None = None, *, times: int | None = 1) -> Iterator[Fault]:
        """Lose the next frames of a stream such as ``depth.SOL_USDC`` (``None``: of all)."""
        with self._frames(topic, times, copies=0) as fault:
            yield fault

    @contextmanager
    def silence(self) -> Iterator[Fault]:
        """Send no data while sockets stay open and pings are answered: a half-dead exchange."""
        with self._frames(None, None, copies=0) as fault:
            yield fault

    @contextmanager
    def duplicate_frames(
        self, topic: str | None = None, *, times: int | None = 1
    ) -> Iterator[Fault]:
        """Send the next frames of a stream such as ``account.orderUpdate`` twice."""
        with self._frames(topic, times, copies=2) as fault:
            yield fault

    @contextmanager
    def _frames(self, topic: str | None, times: int | None, *, copies: int) -> Iterator[Fault]:
        fault = Fault(topic, times)

        def copies_of(name: str) -> int:
            return copies if fault.strikes(name) else 1

        self.frames.append(copies_of)
        try:
            yield fault
        finally:
            self.frames.remove(copies_of)

    # --- REST ---

    @contextmanager
    def delay_replies(
        self, seconds: float, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute at once, reply after `seconds`."""

        async def late(proceed: Proceed) -> Reply:
            reply = await proceed()
            await asyncio.sleep(seconds)
            return reply

        with self._rest(late, operation, times) as fault:
            yield fault

    @contextmanager
    def delay_requests(
        self, seconds: float, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Let requests arrive only after `seconds`."""

        async def slow(proceed: Proceed) -> Reply:
            await asyncio.sleep(seconds)
            return await proceed()

        with self._rest(slow, operation, times) as fault:
            yield fault

    @contextmanager
    def accept_then_hang(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute, then answer nothing; when the block ends the connections are cut."""
        ended = asyncio.Event()
        self._blocks.add(ended)

        async def silent(proceed: Proceed) -> Reply:
            await proceed()
            await ended.wait()
            raise ConnectionCut

        try:
            with self._rest(silent, operation, times) as fault:
                yield fault
        finally:
            self._blocks.discard(ended)
            ended.set()

    @contextmanager
    def cut_before_arrival(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Cut the connection before the request reaches the exchange: nothing is executed."""

        async def lost(_: Proceed) -> Reply:
            raise ConnectionCut

        with self._rest(lost, operation, times) as fault:
            yield fault

    @contextmanager
    def cut_after_execution(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute, then cut the connection instead of replying."""

        async def lost(proceed: Proceed) -> Reply:
            await proceed()
            raise ConnectionCut

        with self._rest(lost, operation, times) as fault:
            yield fault

    @contextmanager
    def answer(
        self,
        status: int,
        body: bytes | str,
        operation: str | None = None,
        *,
        content_type: str = JSON,
        times: int | None = 1,
        executed: bool = False,
    ) -> Iterator[Fault]:
        """Answer with this status and body; with `executed` the request is carried out, too."""
        reply = Reply(status, body.encode() if isinstance(body, str) else body, content_type)

        async def answered(proceed: Proceed) -> Reply:
            if executed:
                await proceed()
            return reply

        with self._rest(answered, operation, times) as fault:
            yield fault

    @contextmanager
    def refuse(
        self,
        status: int,
        code: str,
        message: str,
        operation: str | None = None,
        *,
        times: int | None = 1,
        executed: bool = False,
    ) -> Iterator[Fault]:
        """As `answer`, with one of the exchange's JSON errors."""
        body = error(code, message)
        with self.answer(status, body, operation, times=times, executed=executed) as fault:
            yield fault

    @contextmanager
    def rate_limited(
        self, operation: str | None = None, *, times: int | None = 1
    ) -> Iterator[Fault]:
        """Answer 429, as if too many requests had been made."""
        with self.refuse(
            429, "TOO_MANY_REQUESTS", "Too many requests", operation, times=times
        ) as fault:
            yield fault

    @contextmanager
    def server_error(
        self, operation: str | None = None, *, times: int | None = 1, executed: bool = False
    ) -> Iterator[Fault]:
        """Answer 500; with `executed` after having carried the request out."""
        with self.refuse(
            500, "SERVER_ERROR", "Internal server error", operation, times=times, executed=executed
        ) as fault:
            yield fault

    @contextmanager
    def late_cancels(
        self,
        seconds: float,
        operation: str = "DELETE /api/v1/order",
        *,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """Answer cancels with 202 and execute them after `seconds`, even past the block."""

        async def accepted(proceed: Proceed) -> Reply:
            async def execute() -> Reply:
                await asyncio.sleep(seconds)
                return await proceed()

            task = asyncio.create_task(execute())
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            return ACCEPTED

        with self._rest(accepted, operation, times) as fault:
            yield fault

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
        self._set_status(SystemStatus.MAINTENANCE)
        try:
            yield fault
        finally:
            self.rest.remove(closed)
            self._set_status(SystemStatus.OK)

    @contextmanager
    def clock_skew(self, milliseconds: int) -> Iterator[None]:
        """Let the exchange's clock be ahead of the real one by this much (negative: behind).

        It is the clock that REST requests and subscriptions are judged by and that ``/api/v1/time``
        tells.
        """
        self._clock.offset_us = milliseconds * _US_PER_MS
        try:
            yield
        finally:
            self._clock.offset_us = 0

    # --- machinery ---

    async def around(self, call: Call, proceed: Proceed) -> Reply:
        """Answer a call through all REST faults in force, the latest one outermost.

        Raises:
            ConnectionCut: drop the connection instead.
        """
        for fault in tuple(self.rest):
            proceed = _wrapped(fault, call, proceed)
        return await proceed()

    async def stop(self) -> None:
        """Let go of every request that is held, and of what was to happen later."""
        for block in self._blocks:
            block.set()
        for task in self._pending:
            task.cancel()

    @contextmanager
    def _rest(
        self,
        wrapped: Callable[[Proceed], Awaitable[Reply]],
        operation: str | None,
        times: int | None,
    ) -> Iterator[Fault]:
        fault = Fault(operation, times)

        async def selective(call: Call, proceed: Proceed) -> Reply:
            if fault.strikes(call.operation):
                return await wrapped(proceed)
            return await proceed()

        self.rest.append(selective)
        try:
            yield fault
        finally:
            self.rest.remove(selective)


def _wrapped(fault: RestFault, call: Call, proceed: Proceed) -> Proceed:
    return lambda: fault(call, proceed)
