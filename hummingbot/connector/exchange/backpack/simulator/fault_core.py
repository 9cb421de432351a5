"""What all faults are made of: the table of their names, one fault in force, and the skewed clock.

The table is filled by the methods themselves (`named_fault`), so the command line, the admin
endpoint and the help know every fault that there is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ..api.models import OrderBookState, Symbol, SystemStatus
from .replies import Reply
from .requests import Call

if TYPE_CHECKING:
    from random import Random

    from .connections import Connection

type Proceed = Callable[[], Awaitable[Reply]]
type RestFault = Callable[[Call, Proceed], Awaitable[Reply]]
"""Answers a call, with or without letting it proceed to the exchange."""

FAULT_METHODS: dict[str, str] = {}
"""Method of `faults.Faults` by the fault's name in scripts."""


def named_fault[F: Callable[..., object]](name: str) -> Callable[[F], F]:
    """Give a fault a name for scripts; its parameters there are those of the method."""

    def enter(method: F) -> F:
        FAULT_METHODS[name] = method.__name__
        return method

    return enter


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
        self._probability = 1.0
        self._random: Random | None = None
        self._struck = asyncio.Event()

    def only_sometimes(self, probability: float, random: "Random") -> None:
        """Strike each request or frame with this chance only."""
        self._probability, self._random = probability, random

    def strikes(self, operation: str) -> bool:
        """Whether this request or frame is hit; if so it is counted."""
        if self._operation is not None and operation != self._operation:
            return False
        if self._times is not None and self.hits >= self._times:
            return False
        if self._random is not None and self._random.random() >= self._probability:
            return False
        self.hits += 1
        self._struck.set()
        return True

    async def wait_hit(self) -> None:
        """Wait until it struck at least once."""
        await self._struck.wait()


class SkewedClock:
    """The exchange's clock, which faults can set off from the real one.

    Args:
        real_us: the real time, µs since the epoch.

    Attributes:
        skews: each tells, for a real time, how far it moves the clock, in µs.
    """

    def __init__(self, real_us: Callable[[], int]) -> None:
        self.real_us = real_us
        self.skews: list[Callable[[int], int]] = []

    def __call__(self) -> int:
        """The time, µs since the epoch."""
        real_us = self.real_us()
        return real_us + sum(skew(real_us) for skew in self.skews)


class Site(Protocol):
    """What faults get hold of, besides requests and frames."""

    def drop_connections(self) -> int:
        """Cut every WebSocket connection; returns how many."""

    def open_connections(self) -> "list[Connection]":
        """The WebSocket connections that are open."""

    def send_frame(self, topic: str, account_id: str, data: bytes) -> None:
        """Let data leave on a stream, past all faults."""

    async def close_doors(self, *, is_announced: bool) -> None:
        """Close every connection and listen no more."""

    async def open_doors(self) -> None:
        """Listen again where it listened before."""

    def show_status(self, status: SystemStatus) -> None:
        """Show this status from now on."""

    def market_state(self, symbol: Symbol) -> OrderBookState:
        """What a market accepts."""

    def set_market_state(self, symbol: Symbol, state: OrderBookState) -> None:
        """Change what a market accepts."""
