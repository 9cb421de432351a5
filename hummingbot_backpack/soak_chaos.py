"""Lets faults strike while the bot trades, and takes the time until all is right again."""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from hummingbot_backpack.soak_books import BookChecks
from hummingbot_backpack.soak_exchange import SoakExchange
from hummingbot_backpack.soak_faults import FaultDice, Strike

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

_log = logging.getLogger(__name__)

_PAUSE_S = (1.0, 4.0)
_OVERLAP = 0.2
_LOOK_EVERY_S = 0.02
# A cut that happens on one side of a socket is noticed on the other within this.
_NOTICED_WITHIN_S = 0.15
_LONGEST_RECOVERY_S = 90.0
# A market that was closed is looked at again every half minute.
_SEEN_WITHIN_S = 45.0
# After a fault that hides what happens, the next message shows it.
_HIDDEN_AFTER_S = 2.0


@dataclass(slots=True)
class FaultStatistics:
    """What one kind of fault has led to.

    Attributes:
        strikes: how often it struck.
        ready_s: seconds from its end until the connector was ready again, when it struck alone.
        book_s: of faults that cut connections: seconds from the new connection, which comes after
            the backoff, until every book was right.
    """

    strikes: int = 0
    ready_s: list[float] = field(default_factory=list)
    book_s: list[float] = field(default_factory=list)


class Chaos:
    """Strikes until told to stop.

    Args:
        connector: to see when it is ready.
        exchange: where faults strike.
        books: to see when they are right.
        dice: draws the faults.
        random: draws pauses.

    Attributes:
        statistics: by name of the fault.
        current: texts of the faults in force, for a look at it.
        problems: a sentence for each time when it did not recover.
    """

    def __init__(
        self,
        connector: "BackpackExchange",
        exchange: SoakExchange,
        books: BookChecks,
        dice: FaultDice,
        random: Random,
    ) -> None:
        self._connector = connector
        self._exchange = exchange
        self._books = books
        self._dice = dice
        self._random = random
        self.statistics: dict[str, FaultStatistics] = defaultdict(FaultStatistics)
        self.current = ""
        self.problems: list[str] = []

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Strike again and again; returns soon after `is_over`, with the last fault ended."""
        while not is_over():
            await asyncio.sleep(self._random.uniform(*_PAUSE_S))
            strikes = [self._dice.draw()]
            if self._random.random() < _OVERLAP:
                strikes.append(self._dice.draw())
            ended_s = await self._strike(strikes)
            await self._recover(strikes, ended_s)

    async def _strike(self, strikes: list[Strike]) -> float:
        """Let them strike; returns when the last was over, in monotonic seconds."""
        for strike in strikes:
            if self.current:
                await asyncio.sleep(self._random.uniform(0, 2))
            self.statistics[strike.name].strikes += 1
            self.current = " + ".join(filter(None, (self.current, strike.texts[0])))
            _log.info("fault: %s", " + ".join(strike.texts))
            if strike.hides:
                self._books.hidden_until_s = math.inf
            for text in strike.texts:
                await self._exchange.strike(text)
        while await self._exchange_is_faulty():  # noqa: ASYNC110 (it is another process)
            await asyncio.sleep(_LOOK_EVERY_S)
        _log.info("over: %s", self.current)
        self.current = ""
        self._books.hidden_until_s = time.monotonic() + _HIDDEN_AFTER_S
        return time.monotonic()

    async def _exchange_is_faulty(self) -> bool:
        try:
            return await self._exchange.is_faulty()
        except (aiohttp.ClientError, TimeoutError):
            return True

    async def _recover(self, strikes: list[Strike], ended_s: float) -> None:
        """Wait until the connector is ready and its books are right, and take the times."""
        names = " + ".join(strike.texts[0] for strike in strikes)
        source = self._connector._orderbook_ds  # noqa: SLF001 (Hummingbot's name of it)
        connected_s: float | None = None
        book_s: float | None = None
        await asyncio.sleep(_NOTICED_WITHIN_S)
        while not (self._connector.ready and book_s is not None):
            now_s = time.monotonic()
            if now_s - ended_s > _LONGEST_RECOVERY_S:
                self.problems.append(
                    f"not ready {now_s - ended_s:.0f} s after the end of {names}: "
                    f"{self._connector.health}"
                )
                return
            if not source.stream.is_connected:
                connected_s = book_s = None
            elif connected_s is None:
                connected_s = now_s
            if book_s is None and connected_s is not None and source.in_sync:
                book_s = now_s - connected_s
            await asyncio.sleep(_LOOK_EVERY_S)
        ready_s = time.monotonic() - ended_s
        if not await self._books.are_right(_SEEN_WITHIN_S):
            self.problems.append(f"books not seen right within {_SEEN_WITHIN_S:.0f} s of {names}")
        if len(strikes) == 1:
            statistics = self.statistics[strikes[0].name]
            statistics.ready_s.append(ready_s if ready_s > 2 * _NOTICED_WITHIN_S else 0.0)
            if strikes[0].is_cut:
                statistics.book_s.append(book_s or 0.0)
