"""Finds wrong books of which no message tells.

A gap shows itself by the next diff. What shows nothing is a topic that has fallen silent on a
living connection, a diff with wrong content, and a market that closes or opens. So a quiet book is
compared with the exchange's own now and then, and so are the best prices of a busy one.
"""

import asyncio
import math
import time
from typing import TYPE_CHECKING

from .api.errors import BackpackError, ResourceNotFound
from .api.streams import BookTicker, book_ticker_topic
from .backpack_book_feed import BookFeed, is_same_touch, touch_of_depth, touch_of_ticker

if TYPE_CHECKING:
    from .api.models import Symbol
    from .backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource

TICK_S = 1.0
# A quiet market costs one request in this time.
SILENCE_S = 30.0
# A snapshot may be ahead of the stream, but not for so long.
LAG_S = 2.0
# Between two comparisons with the best prices that the exchange tells, and how long one may take.
COMPARISON_S = 60.0
_COMPARISON_PATIENCE_S = 10.0
HALTED_RETRY_S = 30.0
MARKETS_RETRY_S = 60.0
# A topic that is still silent after so many new subscriptions gets a new connection.
_SILENCES_BEFORE_RECONNECT = 3
_LEVELS = 5


class _Sight:
    """What was seen of one market, and when (monotonic seconds)."""

    def __init__(self, now_s: float) -> None:
        self.update_id: int | None = None
        self.moved_s = now_s
        self.asked_s = -math.inf
        self.compared_s = now_s
        self.compares_until_s: float | None = None
        self.silences = 0


class BookWatch:
    """Looks after the books of a data source.

    Args:
        source: whose books; it loads, empties and subscribes.
    """

    def __init__(self, source: "BackpackAPIOrderBookDataSource") -> None:
        self._source = source
        self._sights: dict[Symbol, _Sight] = {}
        self._looking: dict[Symbol, asyncio.Task[None]] = {}
        self._markets_asked_s = -math.inf
        self._can_compare = True

    async def run(self) -> None:
        """Look at every book once a second until cancelled."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self._look()
        finally:
            for task in self._looking.values():
                task.cancel()

    def _look(self) -> None:
        now_s = time.monotonic()
        self._source.count()
        self._look_for_opened_markets(now_s)
        for feed in self._source.feeds:
            busy = self._looking.get(feed.symbol)
            if busy is None or busy.done():
                # Each by itself: one slow answer must not keep the others unwatched.
                look = self._look_after(feed, now_s)
                self._looking[feed.symbol] = asyncio.ensure_future(look)

    async def _look_after(self, feed: BookFeed, now_s: float) -> None:
        try:
            await self._check(feed, now_s)
        except BackpackError as e:
            # No answer is no evidence; the next look asks again.
            self._source.logger().debug("%s not compared: %s", feed.trading_pair, e)
        # The outermost call of a task: the watch must outlive whatever goes wrong with one look.
        except Exception:  # noqa: BLE001
            self._source.logger().exception("Unexpected error while watching a book.")

    async def _check(self, feed: BookFeed, now_s: float) -> None:
        sight = self._sights.setdefault(feed.symbol, _Sight(now_s))
        last = feed.sequence.last_update_id
        if feed.is_halted:
            if now_s - sight.asked_s >= HALTED_RETRY_S:
                sight.asked_s = now_s
                await self._look_for_opening(feed)
            return
        if last is None or feed.book is None:
            return  # it is being loaded
        if last != sight.update_id:
            sight.update_id, sight.moved_s = last, now_s
        if feed.has_moved:
            feed.is_doubtful = False
            sight.silences = 0
        if feed.is_doubtful or now_s - max(sight.moved_s, sight.asked_s) >= SILENCE_S:
            sight.asked_s = now_s
            await self._question(feed, sight)
        elif self._can_compare:
            await self._compare(feed, sight, now_s)

    # === silent topics

    async def _question(self, feed: BookFeed, sight: _Sight) -> None:
        """Ask the exchange whether a quiet book is quiet there too, and the same."""
        asked = feed.sequence.last_update_id
        try:
            theirs = await self._source.fetch_snapshot(feed.symbol, _LEVELS)
        except ResourceNotFound:
            self._source.halt(feed)
            return
        if theirs.last_update_id > (feed.sequence.last_update_id or 0):
            await asyncio.sleep(LAG_S)
        ours = feed.sequence.last_update_id
        if ours is None or (ours > theirs.last_update_id and ours != asked):
            return  # it is being loaded, or has moved
        if ours < theirs.last_update_id:
            sight.silences += 1
            await self._source.on_silence(
                feed, must_reconnect=sight.silences % _SILENCES_BEFORE_RECONNECT == 0
            )
        elif ours == theirs.last_update_id and is_same_touch(feed.touch(), touch_of_depth(theirs)):
            feed.is_doubtful = False
        else:
            # Ours, though it has not moved, is ahead if the exchange counts from the start again;
            # all diffs would then look old.
            self._source.on_difference(feed)

    # === content of busy books

    async def _compare(self, feed: BookFeed, sight: _Sight, now_s: float) -> None:
        """Begin or end one comparison with the best prices of the stream."""
        topic = [book_ticker_topic(feed.symbol)]
        if sight.compares_until_s is not None:
            if now_s >= sight.compares_until_s:
                sight.compares_until_s = None
                await self._source.stream.unsubscribe(topic)
        elif now_s - sight.compared_s >= COMPARISON_S:
            sight.compared_s, sight.compares_until_s = now_s, now_s + _COMPARISON_PATIENCE_S
            await self._source.stream.subscribe(topic)

    def on_ticker(self, feed: BookFeed, ticker: BookTicker) -> None:
        """Best prices have come, before or after the diff that leads to them."""
        last = feed.sequence.last_update_id
        if last is None:
            return
        if ticker.last_update_id > last:
            feed.expected = ticker
        elif ticker.last_update_id == last:
            self.compare(feed, ticker)

    def compare(self, feed: BookFeed, ticker: BookTicker) -> None:
        """Hold best prices against the book of the same update."""
        feed.expected = None
        sight = self._sights.get(feed.symbol)
        if sight is not None and sight.compares_until_s is not None:
            sight.compares_until_s = -math.inf  # one is enough: the next look gives the topic back
        if feed.in_sync and not is_same_touch(feed.touch(), touch_of_ticker(ticker)):
            self._source.on_difference(feed)

    def on_refused(self) -> bool:
        """The exchange refused a subscription; whether it may be one of ours, now given up."""
        may_be_ours = any(sight.compares_until_s is not None for sight in self._sights.values())
        if may_be_ours:
            self._can_compare = False
            self.on_reconnect()
        return may_be_ours

    def on_reconnect(self) -> None:
        """The new connection has only the topics of the books."""
        for sight in self._sights.values():
            sight.compares_until_s = None

    # === markets that close and open

    async def _look_for_opening(self, feed: BookFeed) -> None:
        try:
            await self._source.fetch_snapshot(feed.symbol, _LEVELS)
        except ResourceNotFound:
            return
        await self._source.renew(feed)

    def _look_for_opened_markets(self, now_s: float) -> None:
        """A market without trading rules takes no orders; ask whether it does by now."""
        is_due = now_s - self._markets_asked_s >= MARKETS_RETRY_S
        if is_due and self._source.has_refused_pairs:
            self._markets_asked_s = now_s
            self._source.refresh_markets()
