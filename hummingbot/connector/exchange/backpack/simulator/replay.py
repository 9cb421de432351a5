"""A recorded stream as other people's liquidity.

While the recording has depth frames of a market, they are the market; after the last of them its
book tickers move the touch. Trades are printed. Everything goes through `Engine.set_level` and
`Engine.print_trade`, so that our users' orders trade with what would have met them.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from ..api.models import DepthLevel, Side, Symbol
from ..api.streams import BookTicker, DepthDiff, PublicTrade
from .engine import Engine
from .events import ZERO

type Recorded = DepthDiff[DepthLevel] | BookTicker | PublicTrade

_WAIT_BEFORE_REPEAT_S: Final = 1.0
_WAIT_AT_END_S: Final = 60.0
_TOPICS: Final = ("depth", "bookTicker", "trade")


class _Envelope(msgspec.Struct):
    stream: str
    data: msgspec.Raw


def read_recording(path: Path, symbols: Iterable[Symbol]) -> list[Recorded]:
    """Depth, book ticker and trade events of `symbols` in a recorded stream, in order.

    Args:
        path: one frame ``{"data": ..., "stream": ...}`` a line; other streams are passed over.
        symbols: markets wanted.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not a frame.
    """
    wanted = {f"{topic}.{symbol}" for symbol in symbols for topic in _TOPICS}
    envelopes = msgspec.json.Decoder(_Envelope)
    events = msgspec.json.Decoder(DepthDiff[DepthLevel] | BookTicker | PublicTrade, strict=False)
    recorded: list[Recorded] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            envelope = envelopes.decode(line)
            if envelope.stream in wanted:
                recorded.append(events.decode(envelope.data))
        except msgspec.DecodeError as e:
            msg = f"{path}, line {number} is not a recorded frame: {e}"
            raise ValueError(msg) from e
    return recorded


class ReplayMarket:
    """One market of a recording, and what the recording has shown of it so far."""

    def __init__(self, engine: Engine, symbol: Symbol, recorded: Iterable[Recorded]) -> None:
        self._engine = engine
        self._symbol = symbol
        self._shown: dict[Side, dict[Decimal, Decimal]] = {Side.BID: {}, Side.ASK: {}}
        events = [event for event in recorded if event.symbol == symbol]
        diffs = [event for event in events if isinstance(event, DepthDiff)]
        tickers = [event for event in events if isinstance(event, BookTicker)]
        self._diffs = diffs
        self._first_touch = tickers[0] if tickers else None
        self._last_diff_us = diffs[-1].event_time_us if diffs else 0

    def start(self) -> None:
        """Show the first touch and, behind it, the levels that the depth frames will speak of.

        A recording has no snapshot. Its first word on a level is the best guess at what was there
        before, and a book that begins with two levels would run empty.
        """
        touch = self._first_touch
        opening: list[tuple[Side, Decimal, Decimal]] = []
        if touch is not None:
            opening = [(side, *level) for side, level in _touch_of(touch)]
            best = {side: price for side, price, _ in opening}
            opening += [
                (side, price, quantity)
                for (side, price), quantity in self._first_words().items()
                if quantity and side in best and _is_better(side, best[side], price)
            ]
        first_id = self._diffs[0].first_update_id if self._diffs else None
        if first_id is None and touch is not None:
            first_id = touch.last_update_id
        if first_id is not None:
            self._engine.set_next_update_id(self._symbol, first_id - len(opening))
        for side, price, quantity in opening:
            self._show(side, price, quantity)

    def apply(self, event: Recorded) -> None:
        """Let one recorded event happen."""
        match event:
            case DepthDiff():
                for side, level in _levels_of(event):
                    self._clear(_other(side), level.price, level.quantity)
                    self._show(side, level.price, level.quantity)
            case BookTicker() if event.event_time_us > self._last_diff_us:
                self._move_touch(event)
            case PublicTrade():
                self._engine.print_trade(
                    self._symbol, event.price, event.quantity, event.taker_side
                )

    def _first_words(self) -> dict[tuple[Side, Decimal], Decimal]:
        words: dict[tuple[Side, Decimal], Decimal] = {}
        for diff in self._diffs:
            for side, level in _levels_of(diff):
                words.setdefault((side, level.price), level.quantity)
        return words

    def _move_touch(self, ticker: BookTicker) -> None:
        touch = _touch_of(ticker)
        for side, (price, _) in touch:
            for better in [p for p in self._shown[side] if _is_better(side, p, price)]:
                self._show(side, better, ZERO)
        for side, (price, quantity) in touch:
            self._clear(_other(side), price, quantity)
            if self._shown[side].get(price) != quantity:
                self._show(side, price, quantity)

    def _clear(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Take away what a level of `quantity` at `price` on the other side shows to be stale."""
        stale = [p for p in self._shown[side] if p == price or _is_better(side, p, price)]
        for level_price in stale if quantity else ():
            self._show(side, level_price, ZERO)

    def _show(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        if quantity:
            self._shown[side][price] = quantity
        else:
            self._shown[side].pop(price, None)
        self._engine.set_level(self._symbol, side, price, quantity)


class ReplayLiquidity:
    """A recorded stream, played in its own rhythm.

    Args:
        engine: markets it does not have are passed over.
        path: recorded stream, one frame a line.
        speed: 2 plays twice as fast.
        loop: begin again at the end; otherwise stop quietly, the book staying as it is.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a recorded stream, or holds nothing of the engine's markets.
    """

    def __init__(
        self, engine: Engine, path: Path, *, speed: float = 1.0, loop: bool = True
    ) -> None:
        if not speed > 0:
            msg = f"speed is {speed}, it must be above 0"
            raise ValueError(msg)
        self._recorded = read_recording(path, engine.markets)
        if not self._recorded:
            msg = f"{path} has no depth, bookTicker or trade frame of the exchange's markets"
            raise ValueError(msg)
        self._markets = {
            symbol: ReplayMarket(engine, symbol, self._recorded)
            for symbol in dict.fromkeys(event.symbol for event in self._recorded)
        }
        self._speed = speed
        self._loop = loop
        self._next = 0

    def start(self) -> None:
        """Fill the books."""
        for market in self._markets.values():
            market.start()

    def next_delay_s(self) -> float:
        """Seconds to wait before the next `step`; the same until that is called."""
        if self._next == len(self._recorded):
            return _WAIT_AT_END_S
        if self._next == 0:
            return _WAIT_BEFORE_REPEAT_S / self._speed
        before, after = self._recorded[self._next - 1], self._recorded[self._next]
        return max(0.0, (after.event_time_us - before.event_time_us) / 1e6 / self._speed)

    def step(self) -> None:
        """Let the next recorded event happen; nothing at the end, unless it loops."""
        if self._next == len(self._recorded):
            return
        event = self._recorded[self._next]
        self._markets[event.symbol].apply(event)
        self._next += 1
        if self._loop and self._next == len(self._recorded):
            self._next = 0


def _levels_of(diff: DepthDiff[DepthLevel]) -> Iterator[tuple[Side, DepthLevel]]:
    yield from ((Side.BID, level) for level in diff.bids)
    yield from ((Side.ASK, level) for level in diff.asks)


def _touch_of(ticker: BookTicker) -> list[tuple[Side, tuple[Decimal, Decimal]]]:
    sides = (
        (Side.BID, ticker.bid_price, ticker.bid_quantity),
        (Side.ASK, ticker.ask_price, ticker.ask_quantity),
    )
    return [
        (side, (price, quantity))
        for side, price, quantity in sides
        if price is not None and quantity is not None
    ]


def _other(side: Side) -> Side:
    return Side.ASK if side is Side.BID else Side.BID


def _is_better(side: Side, price: Decimal, than: Decimal) -> bool:
    """Whether `price` stands nearer to the other side of the book."""
    return price > than if side is Side.BID else price < than
