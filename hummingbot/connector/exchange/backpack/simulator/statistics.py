"""Rolling statistics and candles, from trades and from a history before the first one.

Prices in quote per base, volumes in base and quote units, times in SECONDS since the epoch (candles
begin on whole seconds, and the exchange asks for them in seconds). Pure: knows no clock, the caller
says what time it is.
"""

import datetime
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from ..api.models import Symbol
from .events import ZERO, TradeEvent

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
WEEK_S = 7 * DAY_S

INTERVALS_S = {
    "1s": 1,
    "1m": MINUTE_S,
    "3m": 3 * MINUTE_S,
    "5m": 5 * MINUTE_S,
    "15m": 15 * MINUTE_S,
    "30m": 30 * MINUTE_S,
    "1h": HOUR_S,
    "2h": 2 * HOUR_S,
    "4h": 4 * HOUR_S,
    "6h": 6 * HOUR_S,
    "8h": 8 * HOUR_S,
    "12h": 12 * HOUR_S,
    "1d": DAY_S,
    "3d": 3 * DAY_S,
    "1w": WEEK_S,
    "1month": 31 * DAY_S,
}
"""Candle intervals and their (longest) length. Source: vendor, KlineInterval."""

TICKER_WINDOWS_S = {"1d": DAY_S, "1w": WEEK_S}
MAX_CANDLES = 1_000

_MAX_SECONDS_KEPT = HOUR_S
_MAX_BARS_KEPT = 40_000
_MONDAY_OFFSET_S = 4 * DAY_S  # the epoch was a Thursday; weeks begin on Monday
_US_PER_S = 1_000_000

_start = attrgetter("start_s")


@dataclass(slots=True, kw_only=True)
class Candle:
    """One candle, `start_s` to before `end_s`; prices are ``None`` while nothing traded."""

    start_s: int
    end_s: int
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0

    def add(self, price: Decimal, quantity: Decimal) -> None:
        """Count one trade."""
        self._widen(price, price, price, price)
        self.volume += quantity
        self.quote_volume += price * quantity
        self.trades += 1

    def absorb(self, later: "Candle") -> None:
        """Count everything of a candle that follows this one's contents."""
        if later.open is None or later.high is None or later.low is None or later.close is None:
            return
        self._widen(later.open, later.high, later.low, later.close)
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades

    def _widen(self, first: Decimal, high: Decimal, low: Decimal, last: Decimal) -> None:
        if self.open is None:
            self.open = first
        self.high = high if self.high is None else max(self.high, high)
        self.low = low if self.low is None else min(self.low, low)
        self.close = last


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerFigures:
    """Statistics over a rolling window; `volume` in base, `quote_volume` in quote units."""

    symbol: Symbol
    first_price: Decimal
    last_price: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


type History = Callable[[Symbol, Decimal | None], list[Candle]]
"""Bars before the start, oldest first, given the first traded price (``None``: no trade yet)."""


def bucket(interval: str, time_s: int) -> tuple[int, int]:
    """Start and end of the candle around a moment. Weeks begin on Monday, all is UTC."""
    if interval == "1month":
        month = datetime.datetime.fromtimestamp(time_s, datetime.UTC).replace(
            day=1, hour=0, minute=0, second=0
        )
        following = (month + datetime.timedelta(days=31)).replace(day=1)
        return int(month.timestamp()), int(following.timestamp())
    length = INTERVALS_S[interval]
    offset = _MONDAY_OFFSET_S if interval == "1w" else 0
    start = (time_s - offset) // length * length + offset
    return start, start + length


class _Series:
    """Bars of one market: minutes of live trading after the coarser ones of its history."""

    __slots__ = ("bars", "first_live_s", "has_history", "seconds", "summaries")

    def __init__(self) -> None:
        self.bars: list[Candle] = []
        self.seconds: list[Candle] = []
        self.has_history = False
        self.first_live_s: int | None = None
        # (window, minute) -> everything in the window but the running minute; one entry a window.
        self.summaries: dict[int, tuple[int, Candle]] = {}

    def add(self, trade: TradeEvent) -> None:
        time_s = trade.time_us // _US_PER_S
        if self.first_live_s is None:
            self.first_live_s = time_s // MINUTE_S * MINUTE_S
        for bars, length, kept in (
            (self.seconds, 1, _MAX_SECONDS_KEPT),
            (self.bars, MINUTE_S, _MAX_BARS_KEPT),
        ):
            if not bars or time_s >= bars[-1].end_s:
                start = time_s // length * length
                bars.append(Candle(start_s=start, end_s=start + length))
                if len(bars) > 2 * kept:
                    del bars[:kept]
            bars[-1].add(trade.price, trade.quantity)

    def between(self, bars: list[Candle], start_s: int, end_s: int) -> Iterator[Candle]:
        index = bisect_left(bars, start_s, key=_start)
        while index < len(bars) and bars[index].start_s < end_s:
            yield bars[index]
            index += 1


class Statistics:
    """Tickers and candles of all markets.

    Args:
        history: where bars before the start come from; ``None`` for an exchange that begins empty.
    """

    def __init__(self, history: History | None = None) -> None:
        self._history = history
        self._series: dict[Symbol, _Series] = {}

    def prepare(self, symbols: Iterable[Symbol]) -> None:
        """Make the history of some markets now, so that nobody has to wait for it later."""
        for symbol in symbols:
            self._with_history(symbol)

    def add_history(self, symbol: Symbol, bars: list[Candle]) -> None:
        """Let these bars, oldest first, be the market's past: those before its first live trade."""
        series = self._of(symbol)
        if series.first_live_s is not None:
            first_s = series.first_live_s
            bars = [bar for bar in bars if bar.end_s <= first_s]
            bars += [bar for bar in series.bars if bar.start_s >= first_s]
        series.bars = bars
        series.has_history = True
        series.summaries.clear()

    def record(self, trade: TradeEvent) -> None:
        """Count a trade. Trades of one market must come in the order of their time."""
        self._of(trade.symbol).add(trade)

    def klines(
        self, symbol: Symbol, interval: str, start_s: int, end_s: int, now_s: int
    ) -> list[Candle]:
        """Finished candles from the one around `start_s` up to `end_s`, at most `MAX_CANDLES`.

        Candles in which nothing traded are there, with null prices; those before the first bar are
        not.
        """
        series = self._with_history(symbol)
        bars = series.seconds if interval == "1s" else series.bars
        if not bars:
            return []
        # Both ends are bounded first: a client may ask for any number, and calendars end.
        begin = max(start_s, bars[0].start_s)
        until = min(end_s, now_s)
        rows: list[Candle] = []
        while begin < until and len(rows) < MAX_CANDLES:
            start, end = bucket(interval, begin)
            if end > now_s:
                break
            rows.append(_merge(start, end, series.between(bars, start, end)))
            begin = end
        return rows

    def candle(self, symbol: Symbol, interval: str, time_s: int) -> Candle:
        """The candle that contains a moment, as far as it has come."""
        series = self._with_history(symbol)
        bars = series.seconds if interval == "1s" else series.bars
        start, end = bucket(interval, time_s)
        return _merge(start, end, series.between(bars, start, end))

    def ticker(self, symbol: Symbol, now_s: int, window_s: int = DAY_S) -> TickerFigures | None:
        """Statistics of the window before now, exact to the minute; ``None`` without trades."""
        series = self._with_history(symbol)
        minute = now_s // MINUTE_S * MINUTE_S
        known_minute, closed = series.summaries.get(window_s, (None, None))
        start = minute - window_s
        if closed is None or known_minute != minute:
            closed = _merge(start, minute, series.between(series.bars, start, minute))
            series.summaries[window_s] = (minute, closed)
        whole = _merge(start, now_s, [closed, *series.between(series.bars, minute, now_s + 1)])
        if whole.open is None or whole.high is None or whole.low is None or whole.close is None:
            return None
        return TickerFigures(
            symbol=symbol,
            first_price=whole.open,
            last_price=whole.close,
            high=whole.high,
            low=whole.low,
            volume=whole.volume,
            quote_volume=whole.quote_volume,
            trades=whole.trades,
        )

    def _of(self, symbol: Symbol) -> _Series:
        series = self._series.get(symbol)
        if series is None:
            series = self._series[symbol] = _Series()
        return series

    def _with_history(self, symbol: Symbol) -> _Series:
        # A market's history is made when it is first asked for: most markets never are.
        series = self._of(symbol)
        if not series.has_history:
            series.has_history = True
            if self._history is not None:
                first_price = series.bars[0].open if series.bars else None
                series.bars[:0] = self._history(symbol, first_price)
        return series


def _merge(start_s: int, end_s: int, bars: Iterable[Candle]) -> Candle:
    merged = Candle(start_s=start_s, end_s=end_s)
    for bar in bars:
        merged.absorb(bar)
    return merged
