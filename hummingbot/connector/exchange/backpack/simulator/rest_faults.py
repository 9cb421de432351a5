"""Faults of REST: replies that are late, lost or wrong, requests that never arrive."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from .fault_core import ConnectionCut, Fault, Proceed, RestFault, named_fault
from .replies import ACCEPTED, JSON, Reply
from .requests import Call
from .wire import error


class RestFaults:
    """The faults of requests and replies.

    Wherever an `operation` is asked for it is method and path such as ``POST /api/v1/order``,
    ``None`` for all of REST; `times` is how many requests are hit, ``None`` for all while the block
    lasts.

    Attributes:
        rest: what each request goes through, the latest one outermost.
    """

    def __init__(self) -> None:
        self.rest: list[RestFault] = []
        self._pending: set[asyncio.Task[Reply]] = set()
        self._blocks: set[asyncio.Event] = set()

    @named_fault("delay-replies")
    @contextmanager
    def delay_replies(
        self, delay_s: float, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute at once, reply later."""

        async def late(proceed: Proceed) -> Reply:
            reply = await proceed()
            await asyncio.sleep(delay_s)
            return reply

        with self._rest(late, operation, times) as fault:
            yield fault

    @named_fault("delay-requests")
    @contextmanager
    def delay_requests(
        self, delay_s: float, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Let requests arrive later."""

        async def slow(proceed: Proceed) -> Reply:
            await asyncio.sleep(delay_s)
            return await proceed()

        with self._rest(slow, operation, times) as fault:
            yield fault

    @named_fault("accept-then-hang")
    @contextmanager
    def accept_then_hang(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute, then answer nothing; at the end the connections are cut."""
        with self._hanging() as ended:

            async def silent(proceed: Proceed) -> Reply:
                await proceed()
                await ended.wait()
                raise ConnectionCut

            with self._rest(silent, operation, times) as fault:
                yield fault

    @named_fault("lose-requests")
    @contextmanager
    def lose_requests(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Execute nothing and answer nothing; at the end the connections are cut."""
        with self._hanging() as ended:

            async def lost(_: Proceed) -> Reply:
                await ended.wait()
                raise ConnectionCut

            with self._rest(lost, operation, times) as fault:
                yield fault

    @named_fault("cut-before-arrival")
    @contextmanager
    def cut_before_arrival(
        self, operation: str | None = None, *, times: int | None = None
    ) -> Iterator[Fault]:
        """Cut the connection before the request reaches the exchange: nothing is executed."""

        async def lost(_: Proceed) -> Reply:
            raise ConnectionCut

        with self._rest(lost, operation, times) as fault:
            yield fault

    @named_fault("cut-after-execution")
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

    @named_fault("answer")
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
        """Answer with any status and body; with `executed` carry the request out, too."""
        reply = Reply(status, body.encode() if isinstance(body, str) else body, content_type)

        async def answered(proceed: Proceed) -> Reply:
            if executed:
                await proceed()
            return reply

        with self._rest(answered, operation, times) as fault:
            yield fault

    @named_fault("refuse")
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

    @named_fault("rate-limited")
    @contextmanager
    def rate_limited(
        self, operation: str | None = None, *, times: int | None = 1
    ) -> Iterator[Fault]:
        """Answer 429, as if too many requests had been made."""
        with self.refuse(
            429, "TOO_MANY_REQUESTS", "Too many requests", operation, times=times
        ) as fault:
            yield fault

    @named_fault("server-error")
    @contextmanager
    def server_error(
        self, operation: str | None = None, *, times: int | None = 1, executed: bool = False
    ) -> Iterator[Fault]:
        """Answer 500; with `executed` after having carried the request out."""
        with self.refuse(
            500, "SERVER_ERROR", "Internal server error", operation, times=times, executed=executed
        ) as fault:
            yield fault

    @named_fault("late-cancels")
    @contextmanager
    def late_cancels(
        self,
        delay_s: float,
        operation: str = "DELETE /api/v1/order",
        *,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """Answer cancels with 202 and execute them later, even after the end."""

        async def accepted(proceed: Proceed) -> Reply:
            async def execute() -> Reply:
                await asyncio.sleep(delay_s)
                return await proceed()

            task = asyncio.create_task(execute())
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            return ACCEPTED

        with self._rest(accepted, operation, times) as fault:
            yield fault

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
    def _hanging(self) -> Iterator[asyncio.Event]:
        ended = asyncio.Event()
        self._blocks.add(ended)
        try:
            yield ended
        finally:
            self._blocks.discard(ended)
            ended.set()

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
