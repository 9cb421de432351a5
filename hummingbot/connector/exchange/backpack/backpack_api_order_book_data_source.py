"""Order books from the public streams: each diff goes from the socket straight into its book.

Hummingbot's own path copies every diff through three queues, never looks for gaps and reloads a
book once an hour. Here every diff passes `DepthSequence`; a gap or a reconnect leads to a new
snapshot at once, and until it is applied the pair counts as not ready.
"""

import asyncio
import math
import time
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, override

import msgspec

from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker import (
    OrderBookPairMetrics,
    OrderBookTracker,
    OrderBookTrackerMetrics,
)
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource

from .api.depth import DepthSequence
from .api.endpoints import GetDepth
from .api.errors import BackpackError, DecodeError, SequenceGap
from .api.models import Depth, Symbol
from .api.streams import (
    DepthDiff,
    PublicTrade,
    depth_topic,
    frame_decoder,
    parse_frame,
    trade_topic,
)
from .backpack_backoff import new_backoff
from .backpack_constants import SNAPSHOT_LEVELS
from .backpack_stream import BackpackStream
from .backpack_translation import to_trade_event

if TYPE_CHECKING:
    from .backpack_connector_base import BackpackConnectorBase

_SNAPSHOT_RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_CROSSINGS_FORGOTTEN_S = 60.0
_SUBSCRIBE_PATIENCE_S = 2.0


class BookRow(msgspec.Struct, array_like=True, gc=False):
    """A level decoded straight into what Hummingbot's order book reads, which computes in floats.

    `update_id` is set before the row is applied: where levels cross, the book keeps the newer one.
    """

    price: float
    amount: float
    update_id: int = 0


type Diff = DepthDiff[BookRow]


class BookFeed:
    """One market's book and its place in the sequence of diffs."""

    __slots__ = (
        "backoff",
        "book",
        "crossed_s",
        "loaded",
        "metrics",
        "sequence",
        "symbol",
        "sync_task",
        "trading_pair",
    )

    def __init__(self, symbol: Symbol, trading_pair: str) -> None:
        self.symbol = symbol
        self.trading_pair = trading_pair
        self.sequence: DepthSequence[Diff] = DepthSequence(symbol)
        self.book: OrderBook | None = None
        self.metrics: OrderBookPairMetrics | None = None
        self.sync_task: asyncio.Task[None] | None = None
        self.loaded = asyncio.Event()
        self.backoff = new_backoff()
        self.crossed_s = -math.inf

    @property
    def in_sync(self) -> bool:
        """Whether the book is known to be right."""
        return self.book is not None and self.sequence.in_sync

    def pause_after_crossing_s(self, now_s: float) -> float:
        """How long to wait before loading a crossed book: not at all, but longer each time."""
        is_first = now_s - self.crossed_s > _CROSSINGS_FORGOTTEN_S
        self.crossed_s = now_s
        return 0.0 if is_first else self.backoff.next_delay_s()

    def apply(self, diff: Diff) -> bool:
        """Bring a diff into the book, unless it would cross it.

        Returns:
            False if a bid is at or above the best ask, or an ask at or below the best bid; the
            book is then unchanged. A diff of both sides is applied: one may make room for the
            other.
        """
        book, bids, asks, update_id = self.book, diff.bids, diff.asks, diff.last_update_id
        assert book is not None  # noqa: S101 (only books in sync are applied to)
        # One pass over the rows, before the book sees them: this runs for every message.
        if bids:
            best_ask = _best(book, is_ask=True)
            for row in bids:
                row.update_id = update_id
                if row.price >= best_ask and row.amount > 0 and not asks:
                    return False
        if asks:
            best_bid = _best(book, is_ask=False)
            for row in asks:
                row.update_id = update_id
                if row.price <= best_bid and row.amount > 0 and not bids:
                    return False
        book.apply_diffs(bids, asks, update_id)
        return True

    def load(self, snapshot: Depth[BookRow], kept: list[Diff]) -> bool:
        """Start the book anew from a snapshot and the diffs that came after it.

        Returns:
            False if one of the diffs would cross the book, which is then not right.
        """
        for row in chain(snapshot.bids, snapshot.asks):
            row.update_id = snapshot.last_update_id
        assert self.book is not None  # noqa: S101 (a book exists before it is synchronised)
        self.book.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.last_update_id)
        if not all(self.apply(diff) for diff in kept):
            self.sequence.reset()
            return False
        self.backoff.succeeded()
        self.loaded.set()
        return True


def _best(book: OrderBook, *, is_ask: bool) -> float:
    """Best price of a side; one that nothing reaches while the side is empty."""
    try:
        return float(book.get_price(is_ask))
    except OSError:  # what Hummingbot's book raises for an empty side
        return math.inf if is_ask else -math.inf


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
        self._decoder = frame_decoder(DepthDiff[BookRow] | PublicTrade)
        self._stream = BackpackStream(
            "market data", connector.ws_url, self, self.logger(), sleep=self._sleep
        )
        self._subscribed = asyncio.Event()
        self._is_listening = False
        self.metrics = OrderBookTrackerMetrics()
        self._complained: set[str] = set()
        self.gaps = 0
        self.crossings = 0
        self.resyncs = 0

    @property
    def in_sync(self) -> bool:
        """Whether the book of every traded pair is right."""
        feeds = {feed.trading_pair: feed for feed in self._feeds.values()}
        return self._subscribed.is_set() and all(
            pair in feeds and feeds[pair].in_sync for pair in self._trading_pairs
        )

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
        feed.metrics = self.metrics.get_or_create_pair_metrics(trading_pair)
        self._resync(feed)
        await feed.loaded.wait()
        return feed.book

    @override
    async def listen_for_subscriptions(self) -> None:
        self._is_listening = True
        try:
            await self._stream.run()
        finally:
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
            event = parse_frame(payload, self._decoder)
        except DecodeError as e:
            # If it was a diff, the next one shows the gap.
            self.logger().warning(f"Backpack sent a market data message that cannot be read: {e}")
            return
        feed = self._feeds.get(event.symbol)
        if feed is None:
            return
        if type(event) is PublicTrade:
            self._on_trade(feed, event)
        else:
            self._on_diff(feed, event)

    def complain(self, trading_pair: str, problem: ValueError) -> None:
        """Say once that a pair cannot be followed; the others can."""
        if trading_pair not in self._complained:
            self._complained.add(trading_pair)
            self.logger().error(f"The connector cannot get ready: {problem}")

    def _on_diff(self, feed: BookFeed, diff: Diff) -> None:
        try:
            accepted = feed.sequence.accept(diff)
        except SequenceGap as gap:
            self.gaps += 1
            self.logger().warning(f"{gap}: loading the order book of {feed.trading_pair} again.")
            if feed.book is not None:
                self._resync(feed)
            return
        if accepted is None or feed.book is None:
            return
        if not feed.apply(accepted):
            # The engine matches before it tells, so a crossed book means that something was missed
            # without a gap to show it. Hummingbot's book would hide that by dropping a side.
            self.crossings += 1
            feed.sequence.reset()
            self.logger().warning(
                f"The order book of {feed.trading_pair} was crossed: loading it again."
            )
            # A book that is crossed on the exchange itself would be loaded for ever.
            self._resync(feed, pause_s=feed.pause_after_crossing_s(time.monotonic()))
            return
        if feed.metrics is not None:
            self.metrics.total_diffs_processed += 1
            feed.metrics.diffs_processed += 1
            feed.metrics.last_diff_timestamp = time.perf_counter()

    def _on_trade(self, feed: BookFeed, trade: PublicTrade) -> None:
        if feed.book is None:
            return
        feed.book.apply_trade(to_trade_event(trade, feed.trading_pair))
        if feed.metrics is not None:
            self.metrics.total_trades_processed += 1
            feed.metrics.trades_processed += 1
            feed.metrics.last_trade_timestamp = time.perf_counter()

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
                snapshot = await self._fetch_snapshot(feed.symbol)
                kept = feed.sequence.start(snapshot.last_update_id)
            except SequenceGap:
                # The snapshot is older than the first diff that was kept: the next one will be
                # newer.
                reason = None
            except BackpackError as e:
                reason = str(e)
            # The outermost loop: whatever is wrong with one snapshot, the next one may be right.
            except Exception as e:  # noqa: BLE001
                self.logger().exception("Unexpected error in a snapshot of %s.", feed.trading_pair)
                reason = str(e)
            else:
                if feed.load(snapshot, kept):
                    self.metrics.total_snapshots_processed += 1
                    return
                reason = "it is crossed"
            if reason:
                self.logger().warning(
                    f"The order book of {feed.trading_pair} cannot be loaded, trying again in "
                    f"{delay_s} s: {reason}"
                )
            await self._sleep(delay_s)

    async def _fetch_snapshot(self, symbol: Symbol) -> Depth[BookRow]:
        snapshot: Depth[BookRow] = await self._connector.rest.send(
            GetDepth(symbol=symbol, limit=SNAPSHOT_LEVELS), response=Depth[BookRow]
        )
        return snapshot

    async def _feed_of(self, trading_pair: str) -> BookFeed:
        for feed in self._feeds.values():
            if feed.trading_pair == trading_pair:
                return feed  # even if its market is no longer offered
        symbol = await self._connector.symbol_of(trading_pair)
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
        snapshot = await self._fetch_snapshot(await self._connector.symbol_of(trading_pair))
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


class BackpackOrderBookTracker(OrderBookTracker):
    """Hummingbot's tracker, starting all books at once and ready only while each of them is right.

    The base loads one book after another with a second of sleep between them.
    """

    def __init__(
        self,
        data_source: BackpackAPIOrderBookDataSource,
        trading_pairs: list[str],
        domain: str | None = None,
    ) -> None:
        super().__init__(data_source, trading_pairs, domain)
        data_source.metrics = self._metrics

    @property
    @override
    def ready(self) -> bool:
        return bool(super().ready) and self._data_source.in_sync

    @override
    def stop(self) -> None:
        super().stop()
        self._data_source.stop_loading()

    @override
    async def _init_order_books(self) -> None:
        await asyncio.gather(*(self._init_order_book(pair) for pair in list(self._trading_pairs)))
        self._order_books_initialized.set()

    async def _init_order_book(self, trading_pair: str) -> None:
        backoff = new_backoff()
        while True:
            try:
                book = await self._initial_order_book_for_trading_pair(trading_pair)
            except ValueError as e:
                self._data_source.complain(trading_pair, e)
                return
            except BackpackError as e:
                self.logger().warning(f"{trading_pair} cannot be looked up yet: {e}")
                await self._sleep(backoff.next_delay_s())
            else:
                break
        self._order_books[trading_pair] = book
        self.logger().info(f"The order book of {trading_pair} is loaded.")
