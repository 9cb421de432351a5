"""Order books from the public streams: each diff goes from the socket straight into its book.

Hummingbot's own path copies every diff through three queues, never looks for gaps and reloads a
book once an hour. Here every diff passes `DepthSequence`; a gap or a reconnect leads to a new
snapshot at once, and until it is applied the pair counts as not ready.
"""

import asyncio
import time
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, override

from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker import OrderBookTrackerMetrics
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource

from .api.endpoints import GetDepth
from .api.errors import (
    UNREADABLE,
    BackpackError,
    DecodeError,
    ResourceNotFound,
    SequenceGap,
    SubscriptionRejected,
)
from .api.models import Depth, Symbol
from .api.streams import (
    BookTicker,
    DepthDiff,
    PublicTrade,
    depth_topic,
    frame_decoder,
    parse_frame,
    trade_topic,
)
from .backpack_book_feed import BookFeed, BookRow
from .backpack_book_watch import BookWatch
from .backpack_constants import SNAPSHOT_LEVELS
from .backpack_stream import BackpackStream
from .backpack_translation import to_trade_event

if TYPE_CHECKING:
    from .backpack_connector_base import BackpackConnectorBase

_SNAPSHOT_RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_SUBSCRIBE_PATIENCE_S = 2.0


class BackpackAPIOrderBookDataSource(OrderBookTrackerDataSource):
    """Keeps the order books of the traded pairs.

    Args:
        trading_pairs: Hummingbot's names; the list is shared with the connector.
        connector: gives symbols, requests and addresses.
    """

    def __init__(self, trading_pairs: list[str], connector: "BackpackConnectorBase") -> None:
        super().__init__(trading_pairs)
        self._connector = connector
        self._feeds: dict[Symbol, BookFeed] = {}
        # Nearly all messages are diffs, and a decoder of one type need not look for the type first.
        self._decode_diff = frame_decoder(DepthDiff[BookRow]).decode
        self._others = frame_decoder(PublicTrade | BookTicker)
        self._stream = BackpackStream(
            "market data", connector.ws_url, self, self.logger(), sleep=self._sleep
        )
        self._subscribed = asyncio.Event()
        self._is_listening = False
        self.metrics = OrderBookTrackerMetrics()
        self._watch = BookWatch(self)
        self._complained: set[str] = set()
        self.gaps = 0
        self.crossings = 0
        self.silences = 0
        self.differences = 0
        self.resyncs = 0

    @property
    def in_sync(self) -> bool:
        """Whether the book of every traded pair is right.

        A halted market has no book and keeps no other from being traded, as long as there is one.
        """
        followed = {feed.trading_pair: feed for feed in self._feeds.values()}
        feeds = [followed.get(pair) for pair in self._trading_pairs]
        return (
            self._subscribed.is_set()
            and all(feed is not None and (feed.in_sync or feed.is_halted) for feed in feeds)
            and (not feeds or any(feed is not None and feed.in_sync for feed in feeds))
        )

    @property
    def feeds(self) -> list[BookFeed]:
        """All books that are followed."""
        return list(self._feeds.values())

    @property
    def halted_pairs(self) -> list[str]:
        """Traded pairs whose market shows no book at the moment."""
        return [feed.trading_pair for feed in self._feeds.values() if feed.is_halted]

    @property
    def has_refused_pairs(self) -> bool:
        """Whether a traded pair is none of those that the exchange takes orders for."""
        rules = self._connector.trading_rules
        return bool(rules) and any(pair not in rules for pair in self._trading_pairs)

    @property
    def stream(self) -> BackpackStream:
        """The connection, for its health."""
        return self._stream

    @override
    async def get_last_traded_prices(
        self, trading_pairs: list[str], domain: str | None = None
    ) -> dict[str, float]:
        prices: dict[str, float] = await self._connector.get_last_traded_prices(trading_pairs)
        return prices

    @override
    async def get_new_order_book(self, trading_pair: str) -> OrderBook:
        """A book that is right and will be kept so.

        Waits a moment for the subscription, so that no diff falls between snapshot and stream.
        """
        feed = await self._feed_of(trading_pair)
        if self._is_listening:
            try:
                await asyncio.wait_for(self._subscribed.wait(), _SUBSCRIBE_PATIENCE_S)
            except TimeoutError:
                self.logger().debug("Taking the snapshot of %s without a stream.", trading_pair)
        feed.book = self.order_book_create_function()
        self.metrics.get_or_create_pair_metrics(trading_pair)
        self._resync(feed)
        await feed.loaded.wait()
        return feed.book

    @override
    async def listen_for_subscriptions(self) -> None:
        self._is_listening = True
        watching = asyncio.ensure_future(self._watch.run())
        try:
            await self._stream.run()
        finally:
            watching.cancel()
            self._is_listening = False

    async def on_open(self, stream: BackpackStream) -> None:
        """Subscribe to all pairs and start every book again.

        Diffs were missed while there was no connection.
        """
        for trading_pair in list(self._trading_pairs):
            try:
                await self._feed_of(trading_pair)
            except ValueError as e:
                self.complain(trading_pair, e)
        await stream.subscribe([topic for symbol in self._feeds for topic in _topics(symbol)])
        for feed in self._feeds.values():
            # A book that was loaded without a stream may be old by now.
            feed.sequence.reset()
        self._watch.on_reconnect()
        self._subscribed.set()
        for feed in self._feeds.values():
            if feed.book is not None:
                self._resync(feed)

    def on_lost(self) -> None:
        """Without a stream no book is right."""
        self._subscribed.clear()
        self.stop_loading()
        for feed in self._feeds.values():
            feed.sequence.reset()

    def stop_loading(self) -> None:
        """Ask for no snapshot any more: there is no stream that could continue it."""
        for feed in self._feeds.values():
            if feed.sync_task is not None:
                feed.sync_task.cancel()

    def on_message(self, payload: str) -> None:
        """Bring one message into its book."""
        try:
            diff = self._decode_diff(payload).data
        except UNREADABLE:
            diff = None
        if diff is None:
            self._on_other(payload)
            return
        feed = self._feeds.get(diff.symbol)
        if feed is None:
            return
        try:
            is_right = feed.on_diff(diff)
        except SequenceGap as gap:
            self.gaps += 1
            self.logger().warning(f"{gap}: loading the order book of {feed.trading_pair} again.")
            self._resync(feed, pause_s=feed.pause_after_gap_s(time.monotonic()))
            return
        if not is_right:
            # The engine matches before it tells, so a crossed book means that something was missed
            # without a gap to show it. Hummingbot's book would hide that by dropping a side.
            self.crossings += 1
            self._reload(feed, "was crossed")
        elif feed.expected is not None and feed.expected.last_update_id <= diff.last_update_id:
            self._watch.on_ticker(feed, feed.expected)

    def _on_other(self, payload: str) -> None:
        """A trade, best prices, an error, or something that cannot be read."""
        try:
            event = parse_frame(payload, self._others)
        except DecodeError as e:
            # If it was a diff, the next one shows the gap.
            self.logger().warning(f"Backpack sent a market data message that cannot be read: {e}")
            return
        except SubscriptionRejected as e:
            if self._watch.on_refused():
                self.logger().warning(f"Best prices are not compared with the books any more: {e}")
                return
            self.logger().error(f"{e}. No market data arrive; the connector goes on trying.")
            raise
        feed = self._feeds.get(event.symbol)
        if feed is None or feed.book is None:
            return
        if isinstance(event, PublicTrade):
            feed.trades += 1
            feed.book.apply_trade(to_trade_event(event, feed.trading_pair))
        else:
            self._watch.on_ticker(feed, event)

    def complain(self, trading_pair: str, problem: ValueError) -> None:
        """Say once that a pair cannot be followed; the others can."""
        if trading_pair not in self._complained:
            self._complained.add(trading_pair)
            self.logger().error(f"The connector cannot get ready: {problem}")

    def count(self) -> None:
        """Bring Hummingbot's metrics up to date."""
        for feed in self._feeds.values():
            feed.count(self.metrics)

    # === books that are not right

    def on_difference(self, feed: BookFeed) -> None:
        """The exchange shows other best prices for the same update."""
        self.differences += 1
        self._reload(feed, "was not the exchange's")

    async def on_silence(self, feed: BookFeed, *, must_reconnect: bool) -> None:
        """The market moves, but its topic does not tell."""
        self.silences += 1
        feed.is_doubtful = True
        remedy = "connecting" if must_reconnect else "subscribing"
        self.logger().warning(
            f"The stream of {feed.trading_pair} has fallen silent while its market moves: "
            f"{remedy} again."
        )
        if must_reconnect:
            await self._stream.close("its topics had fallen silent")
        else:
            await self.renew(feed)

    async def renew(self, feed: BookFeed) -> None:
        """Subscribe to a market anew and load its book."""
        await self._stream.unsubscribe(_topics(feed.symbol))
        await self._stream.subscribe(_topics(feed.symbol))
        feed.sequence.reset()
        self._resync(feed)

    def halt(self, feed: BookFeed) -> None:
        """The exchange shows no book of this market: it is closed."""
        feed.empty()
        feed.loaded.set()
        if feed.is_halted:
            return
        feed.is_halted = True
        self.logger().error(
            f"{feed.trading_pair} does not trade at the moment: Backpack has closed its market. "
            "Its order book is empty until it opens; other pairs go on."
        )
        self.refresh_markets()

    def _on_opened(self, feed: BookFeed) -> None:
        feed.is_halted = False
        self.logger().info(f"{feed.trading_pair} trades again.")
        self.refresh_markets()

    def refresh_markets(self) -> None:
        """Ask which markets take orders."""
        self._connector.refresh_markets()

    def _reload(self, feed: BookFeed, what: str) -> None:
        feed.sequence.reset()
        self.logger().warning(f"The order book of {feed.trading_pair} {what}: loading it again.")
        # What is wrong on the exchange itself would be loaded for ever.
        self._resync(feed, pause_s=feed.pause_after_fault_s(time.monotonic()))

    def _resync(self, feed: BookFeed, *, pause_s: float = 0.0) -> None:
        # A load that is under way may have asked before the present subscription began, so it is
        # not waited for.
        if feed.sync_task is not None:
            feed.sync_task.cancel()
        self.resyncs += 1
        feed.loaded.clear()
        feed.sync_task = asyncio.ensure_future(self._synchronise(feed, pause_s))

    async def _synchronise(self, feed: BookFeed, pause_s: float) -> None:
        """Load snapshots until one connects to the diffs that were kept meanwhile."""
        if pause_s > 0:
            await self._sleep(pause_s)
        for delay_s in chain(_SNAPSHOT_RETRY_S, repeat(_SNAPSHOT_RETRY_S[-1])):
            try:
                if await self._load(feed):
                    return
            except SequenceGap:
                # The snapshot is older than the first diff that was kept: the next one is newer.
                pass
            except BackpackError as e:
                self.logger().warning(
                    f"The order book of {feed.trading_pair} cannot be loaded, trying again in "
                    f"{delay_s} s: {e}"
                )
            # The outermost loop: whatever is wrong with one snapshot, the next one may be right.
            except Exception:  # noqa: BLE001
                self.logger().exception("Unexpected error in a snapshot of %s.", feed.trading_pair)
            await self._sleep(delay_s)

    async def _load(self, feed: BookFeed) -> bool:
        """Load one snapshot; whether that is the end of it."""
        try:
            snapshot = await self.fetch_snapshot(feed.symbol)
        except ResourceNotFound:
            self.halt(feed)  # the watch looks whether it opens
            return True
        kept = feed.sequence.start(snapshot.last_update_id)
        if not feed.load(snapshot, kept):
            self.logger().warning(
                f"A snapshot of {feed.trading_pair} and what follows it cross: loading it again."
            )
            return False
        self.metrics.total_snapshots_processed += 1
        if feed.is_halted:
            self._on_opened(feed)
        return True

    async def fetch_snapshot(self, symbol: Symbol, levels: int = SNAPSHOT_LEVELS) -> Depth[BookRow]:
        """The exchange's own book: the best `levels` of each side.

        Raises:
            ResourceNotFound: the market is closed.
            BackpackError: no answer.
        """
        snapshot: Depth[BookRow] = await self._connector.rest.send(
            GetDepth(symbol=symbol, limit=levels), response=Depth[BookRow]
        )
        return snapshot

    async def _feed_of(self, trading_pair: str) -> BookFeed:
        for feed in self._feeds.values():
            if feed.trading_pair == trading_pair:
                return feed  # even if its market is no longer offered
        symbol = await self._connector.listed_symbol_of(trading_pair)
        return self._feeds.setdefault(symbol, BookFeed(symbol, trading_pair))

    @override
    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        if not self._stream.is_connected:
            # A pair without a book would keep all others from being ready.
            return False
        feed = await self._feed_of(trading_pair)
        await self._stream.subscribe(_topics(feed.symbol))
        self.add_trading_pair(trading_pair)
        return self._stream.is_connected

    @override
    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        feed = await self._feed_of(trading_pair)
        del self._feeds[feed.symbol]
        if feed.sync_task is not None:
            feed.sync_task.cancel()
        self.remove_trading_pair(trading_pair)
        await self._stream.unsubscribe(_topics(feed.symbol))
        return self._stream.is_connected

    @override
    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        """A snapshot as Hummingbot's message, for callers outside the tracker."""
        snapshot = await self.fetch_snapshot(await self._connector.symbol_of(trading_pair))
        return OrderBookMessage(
            OrderBookMessageType.SNAPSHOT,
            {
                "trading_pair": trading_pair,
                "update_id": snapshot.last_update_id,
                "bids": [(row.price, row.amount) for row in snapshot.bids],
                "asks": [(row.price, row.amount) for row in snapshot.asks],
            },
            timestamp=snapshot.timestamp_us / 1_000_000,
        )

    # The tracker starts a task for each of these; with the books fed directly there is nothing for
    # them to do. The snapshot listener must not run at all: an hourly snapshot, applied late, would
    # set a right book back.
    @override
    async def listen_for_order_book_diffs(self, ev_loop: Any, output: Any) -> None: ...

    @override
    async def listen_for_order_book_snapshots(self, ev_loop: Any, output: Any) -> None: ...

    @override
    async def listen_for_trades(self, ev_loop: Any, output: Any) -> None: ...


def _topics(symbol: str) -> tuple[str, str]:
    return depth_topic(symbol), trade_topic(symbol)
