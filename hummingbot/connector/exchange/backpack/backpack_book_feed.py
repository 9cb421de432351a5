"""One market's order book, its levels straight from the wire, and its place among the diffs."""

import asyncio
import math
import time
from typing import TYPE_CHECKING

import msgspec

from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_tracker import OrderBookTrackerMetrics

from .api.depth import DepthSequence
from .api.models import Depth, Symbol
from .api.streams import BookTicker, DepthDiff
from .backpack_backoff import new_backoff

if TYPE_CHECKING:
    from collections.abc import Callable

_FAULTS_FORGOTTEN_S = 60.0
# A book that gaps is loaded at once, but one that goes on doing so must leave requests for others.
_LOADS_AT_ONCE = 10
_LOADS_A_SECOND = 1.0


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
        diffs: how many were applied.
        trades: how many public trades were told.
        loaded: set once there is a book, right or, of a halted market, empty.
        loaded_update_id: last update that the latest load contained.
        is_halted: the exchange shows no book of this market: it is closed.
        is_doubtful: the topic had fallen silent, so the book counts as wrong until it is known to
            move again.
        expected: best prices that were told before the diff that leads to them.
    """

    __slots__ = (
        "_apply_diffs",
        "_book",
        "_counted_diffs",
        "_counted_trades",
        "_gap_s",
        "_get_price",
        "_loads_left",
        "backoff",
        "diffs",
        "expected",
        "fault_s",
        "is_doubtful",
        "is_halted",
        "loaded",
        "loaded_update_id",
        "sequence",
        "symbol",
        "sync_task",
        "trades",
        "trading_pair",
    )

    def __init__(self, symbol: Symbol, trading_pair: str) -> None:
        self.symbol = symbol
        self.trading_pair = trading_pair
        self.sequence: DepthSequence[Diff] = DepthSequence(symbol)
        self._book: OrderBook | None = None
        self._get_price: Callable[[bool], float]
        self._apply_diffs: Callable[[list[BookRow], list[BookRow], int], None]
        self.sync_task: asyncio.Task[None] | None = None
        self.loaded = asyncio.Event()
        self.loaded_update_id = 0
        self.backoff = new_backoff()
        self.fault_s = -math.inf
        self._gap_s = 0.0
        self._loads_left = float(_LOADS_AT_ONCE)
        self.is_halted = False
        self.is_doubtful = False
        self.expected: BookTicker | None = None
        self.diffs = self._counted_diffs = 0
        self.trades = self._counted_trades = 0

    @property
    def book(self) -> OrderBook | None:
        """The book, ``None`` until somebody wants one."""
        return self._book

    @book.setter
    def book(self, book: OrderBook) -> None:
        self._book = book
        self._get_price, self._apply_diffs = book.get_price, book.apply_diffs

    @property
    def in_sync(self) -> bool:
        """Whether the book is known to be right."""
        return self._book is not None and self.sequence.in_sync and not self.is_doubtful

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

    def pause_after_gap_s(self, now_s: float) -> float:
        """How long to wait before loading a book with a gap: not at all, a number of times."""
        regained = (now_s - self._gap_s) * _LOADS_A_SECOND
        self._loads_left = min(self._loads_left + regained, _LOADS_AT_ONCE) - 1
        self._gap_s = now_s
        return max(-self._loads_left / _LOADS_A_SECOND, 0.0)

    def on_diff(self, diff: Diff) -> bool:  # noqa: C901 (one way from top to bottom)
        """Bring a diff into the book if it is its turn; else it is kept, or known already.

        This runs for every message, so it reads from top to bottom and calls only the book.

        Returns:
            False if a bid would be at or above the best ask, which means that the book is not
            right; of the diff only removals have then been applied.

        Raises:
            SequenceGap: diffs are missing before this one.
        """
        sequence = self.sequence
        if diff.first_update_id - 1 == sequence.last_update_id:
            sequence.last_update_id = diff.last_update_id  # as `accept` does with the next in turn
        elif sequence.accept(diff) is None:
            return True
        bids, asks, update_id = diff.bids, diff.asks, diff.last_update_id
        try:
            if not asks:
                best_ask = self._get_price(True)  # noqa: FBT003 (Hummingbot's: of buying)
                for row in bids:
                    row.update_id = update_id
                    if row.price >= best_ask and row.amount > 0:
                        return False
            elif not bids:
                best_bid = self._get_price(False)  # noqa: FBT003 (Hummingbot's: of selling)
                for row in asks:
                    row.update_id = update_id
                    if row.price <= best_bid and row.amount > 0:
                        return False
            elif self._would_cross(bids, asks, update_id):
                return False
        except OSError:  # Hummingbot's book: that side is empty, so there is nothing to cross
            _number(bids + asks, update_id)
        self._apply_diffs(bids, asks, update_id)
        self.diffs += 1
        return True

    def _would_cross(self, bids: list[BookRow], asks: list[BookRow], update_id: int) -> bool:
        """Whether a diff of both sides crosses the book, in which one may make room for the other.

        What it removes, it removes here.
        """
        _number(bids + asks, update_id)
        self._apply_diffs(
            [row for row in bids if row.amount <= 0],
            [row for row in asks if row.amount <= 0],
            update_id,
        )
        best_bid, _, best_ask, _ = self.touch()
        highest_bid = max((row.price for row in bids if row.amount > 0), default=-math.inf)
        lowest_ask = min((row.price for row in asks if row.amount > 0), default=math.inf)
        return highest_bid >= lowest_ask or highest_bid >= best_ask or lowest_ask <= best_bid

    def load(self, snapshot: Depth[BookRow], kept: list[Diff]) -> bool:
        """Start the book anew from a snapshot and the diffs that came after it.

        Returns:
            False if one of the diffs would cross the book, which is then not right.
        """
        _number(snapshot.bids + snapshot.asks, snapshot.last_update_id)
        assert self._book is not None  # noqa: S101 (a book exists before it is synchronised)
        self._book.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.last_update_id)
        # Those that were kept come in their turn once more.
        self.sequence.last_update_id = snapshot.last_update_id
        if not all(self.on_diff(diff) for diff in kept):
            self.sequence.reset()
            return False
        self.loaded_update_id = snapshot.last_update_id
        self.expected = None
        self.backoff.succeeded()
        self.loaded.set()
        return True

    def count(self, metrics: OrderBookTrackerMetrics) -> None:
        """Tell Hummingbot's metrics what was applied since the last time.

        At every diff this would cost a tenth of the whole way from the socket to the book.
        """
        diffs, trades = self.diffs - self._counted_diffs, self.trades - self._counted_trades
        if not (diffs or trades):
            return
        self._counted_diffs, self._counted_trades = self.diffs, self.trades
        pair = metrics.get_or_create_pair_metrics(self.trading_pair)
        now_s = time.perf_counter()
        if diffs:
            metrics.total_diffs_processed += diffs
            pair.diffs_processed += diffs
            pair.last_diff_timestamp = now_s
        if trades:
            metrics.total_trades_processed += trades
            pair.trades_processed += trades
            pair.last_trade_timestamp = now_s

    def empty(self) -> None:
        """Show no price at all: the market is closed, and the last ones mean nothing."""
        assert self._book is not None  # noqa: S101 (only a book can be emptied)
        self.sequence.reset()
        self._book.apply_snapshot([], [], self._book.snapshot_uid + 1)

    def touch(self) -> Touch:
        """Best bid and ask of the book as it is now."""
        assert self._book is not None  # noqa: S101 (only books in sync are asked)
        bid, ask = next(self._book.bid_entries(), None), next(self._book.ask_entries(), None)
        return (*_level(bid), *_level(ask))


def _number(rows: list[BookRow], update_id: int) -> None:
    for row in rows:
        row.update_id = update_id


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
