"""Candles from before the start: a seeded random walk that ends where trading begins.

Bars get finer towards the start: days for a year, hours for a month, minutes for a day, so that
every candle interval and the rolling day have something sensible to show at once. The same seed,
market and moment give the same bars.
"""

import math
import random
from decimal import Decimal

from ..api.models import Market
from .statistics import DAY_S, HOUR_S, MINUTE_S, Candle

# Length of a bar, how far back such bars reach, and the usual move within one (natural logarithm).
_TIERS = (
    (MINUTE_S, 25 * HOUR_S, 0.0005),
    (HOUR_S, 31 * DAY_S, 0.004),
    (DAY_S, 365 * DAY_S, 0.02),
)
_PULL = (
    0.01  # of the distance to the end price, a bar: keeps a year's walk within a plausible range
)
_QUOTE_PER_MINUTE = 800.0
_QUOTE_PER_TRADE = 250.0


def build_history(market: Market, end_price: Decimal, start_s: int, seed: int) -> list[Candle]:
    """Bars of `market`, oldest first, up to the minute of `start_s` and to `end_price`."""
    source = random.Random(f"{seed}:{market.symbol}")  # noqa: S311 (reproducible, not secret)
    walk = _Walk(market, end_price, source)
    bars: list[Candle] = []
    end = start_s // MINUTE_S * MINUTE_S
    for length, reach, move in _TIERS:
        # Each tier ends on a bar of the next coarser one, so that no bar reaches into another.
        oldest = (start_s - reach) // DAY_S * DAY_S if length > MINUTE_S else None
        begin = (start_s - reach) // HOUR_S * HOUR_S if oldest is None else oldest
        while end > begin:
            bars.append(walk.bar_before(end, length, move))
            end -= length
    bars.reverse()
    return bars


class _Walk:
    """Goes backwards in time, bar by bar, in whole ticks and steps."""

    def __init__(self, market: Market, end_price: Decimal, source: random.Random) -> None:
        self._tick = market.filters.price.tick_size
        self._step = market.filters.quantity.step_size
        self._source = source
        self._end_ticks = max(1, round(end_price / self._tick))
        self._ticks = self._end_ticks

    def bar_before(self, end_s: int, length_s: int, move: float) -> Candle:
        close = self._ticks
        pull = _PULL * math.log(self._end_ticks / close)
        opened = max(1, round(close * math.exp(self._source.gauss(pull, move))))
        wick = close * move / 2
        high = max(opened, close) + round(abs(self._source.gauss(0, wick)))
        low = max(1, min(opened, close) - round(abs(self._source.gauss(0, wick))))
        self._ticks = opened
        quote = _QUOTE_PER_MINUTE * length_s / MINUTE_S * self._source.lognormvariate(0, 0.6)
        mean_price = self._tick * (opened + close) / 2
        volume = self._step * max(1, round(Decimal(quote) / mean_price / self._step))
        return Candle(
            start_s=end_s - length_s,
            end_s=end_s,
            open=self._tick * opened,
            high=self._tick * high,
            low=self._tick * low,
            close=self._tick * close,
            volume=volume,
            quote_volume=volume * mean_price,
            trades=1 + int(quote / _QUOTE_PER_TRADE),
        )
