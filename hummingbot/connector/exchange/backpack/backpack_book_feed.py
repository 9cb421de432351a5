"""One market's order book, its levels straight from the wire, and its place among the diffs."""

import asyncio
import math
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from hummingbot.core.data_type.order_book import OrderBook

from .api.depth import DepthSequence
from .api.models import Depth, Symbol
from .api.streams import BookTicker, DepthDiff
from .backpack_backoff import new_backoff

if TYPE_CHECKING:
    from hummingbot.core.data_type.order_book_tracker import OrderBookPairMetrics

_FAULTS_FORGOTTEN_S = 60.0


class BookRow(msgspec.Struct, array_like=True, gc=False):
    """A level decoded straight into what Hummingbot's order book reads, which computes in floats.

    `update_id` is set before the row is applied: where levels cross, the book keeps the newer one.
    """

    price: float
    amount: float
    update_id: int = 0


type Diff = DepthDiff[BookRow]
type Touch = tuple[float, float, float, float]
"""Best bid and ask: price and amount of each; what an empty side has instead is NaN."""


class BookFeed:
    """One market's book and its place in the sequence of diffs.

    Attributes:
        loaded: set once there is a book, right or, of a halted market, empty.
        loaded_update_id: last update that the latest load contained.
        is_halted: the exchange shows no book of this market: it is closed.
        is_doubtful: the topic had fallen silent, so the book counts as wrong until it is known to
            move again.
        expected: best prices that were told before the diff that leads to them.
    """

    __slots__ = (
        "backoff",
        "book",
        "expected",
        "fault_s",
        "is_doubtful",
        "is_halted",
        "loaded",
        "loaded_update_id",
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
        self.loaded_update_id = 0
        self.backoff = new_backoff()
        self.fault_s = -math.inf
        self.is_halted = False
        self.is_doubtful = False
        self.expected: BookTicker | None = None

    @property
    def in_sync(self) -> bool:
        """Whether the book is known to be right."""
        return self.book is not None and self.sequence.in_sync and not self.is_doubtful

    @property
    def has_moved(self) -> bool:
        """Whether a diff was applied since the last load."""
        last = self.sequence.last_update_id
        return last is not None and last > self.loaded_update_id

    def pause_after_fault_s(self, now_s: float) -> float:
        """How long to wait before loading a wrong book: not at all, but longer each time."""
        is_first = now_s - self.fault_s > _FAULTS_FORGOTTEN_S
        self.fault_s = now_s
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
        self.loaded_update_id = snapshot.last_update_id
        self.expected = None
        self.backoff.succeeded()
        self.loaded.set()
        return True

    def empty(self) -> None:
        """Show no price at all: the market is closed, and the last ones mean nothing."""
        assert self.book is not None  # noqa: S101 (only a book can be emptied)
        self.sequence.reset()
        self.book.apply_snapshot([], [], self.book.snapshot_uid + 1)

    def touch(self) -> Touch:
        """Best bid and ask of the book as it is now."""
        assert self.book is not None  # noqa: S101 (only books in sync are asked)
        bid, ask = next(self.book.bid_entries(), None), next(self.book.ask_entries(), None)
        return (*_level(bid), *_level(ask))


def touch_of_depth(depth: Depth[BookRow]) -> Touch:
    """Best bid and ask of a snapshot."""
    bid = max(depth.bids, key=lambda row: row.price, default=None)
    ask = min(depth.asks, key=lambda row: row.price, default=None)
    return (*_level(bid), *_level(ask))


def touch_of_ticker(ticker: BookTicker) -> Touch:
    """Best bid and ask that the exchange tells."""
    prices = (ticker.bid_price, ticker.bid_quantity, ticker.ask_price, ticker.ask_quantity)
    bid_price, bid_amount, ask_price, ask_amount = (
        math.nan if number is None else float(number) for number in prices
    )
    return bid_price, bid_amount, ask_price, ask_amount


def is_same_touch(ours: Touch, theirs: Touch) -> bool:
    """Whether two say the same; both sides come from the same decimal text, so exactly."""
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(ours, theirs, strict=True)
    )


def _level(row: BookRow | None) -> tuple[float, float]:
    return (math.nan, math.nan) if row is None else (row.price, row.amount)


def _best(book: OrderBook, *, is_ask: bool) -> float:
    """Best price of a side; one that nothing reaches while the side is empty."""
    try:
        return float(book.get_price(is_ask))
    except OSError:  # what Hummingbot's book raises for an empty side
        return math.inf if is_ask else -math.inf
