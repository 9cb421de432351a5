"""Candles from before the start: a seeded random walk that ends where trading begins.

Bars get finer towards the start: days for a year, hours for a month, minutes for a day, so that
every candle interval and the rolling day have something sensible to show at once. The same seed,
market and moment give the same bars.
"""

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
_PULL = 0.01  # of the distance to the end price, a bar: keeps a year's walk in a plausible range
_QUOTE_PER_MINUTE = 800.0
_QUOTE_PER_TRADE = 250.0


def build_history(market: Market, end_price: Decimal, start_s: int, seed: int) -> list[Candle]:
    """Bars of `market`, oldest first, up to the minute of `start_s` and to `end_price`."""
    source = random.Random(f"{seed}:{market.symbol}")  # noqa: S311 (reproducible, not secret)
    walk = _Walk(market, end_price, source)
    bars: list[Candle] = []
    end = start_s // MINUTE_S * MINUTE_S
    for length, reach, move in _TIERS:
        # Each tier begins with a bar of the next coarser one, so that no bar reaches into another.
        grid = HOUR_S if length == MINUTE_S else DAY_S
        begin = (start_s - reach) // grid * grid
        while end > begin:
            bars.append(walk.bar_before(end, length, move))
            end -= length
    bars.reverse()
    return bars


class _Walk:
    """Goes backwards in time, bar by bar, in whole ticks and steps.

    Everything but the results is floating point: these prices never were anybody's money, and a
    market has thousands of bars to make while its clients wait.
    """

    def __init__(self, market: Market, end_price: Decimal, source: random.Random) -> None:
        self._tick = market.filters.price.tick_size
        self._step = market.filters.quantity.step_size
        self._steps_per_quote_tick = 1 / float(self._tick * self._step)
        self._random = source.random
        self._end_ticks = max(1, round(end_price / self._tick))
        self._ticks = self._end_ticks

    def _noise(self) -> float:
        """A symmetric number around 0 with variance 1, cheaper than a normal one."""
        return (self._random() + self._random() + self._random() - 1.5) * 2

    def bar_before(self, end_s: int, length_s: int, move: float) -> Candle:
        close = self._ticks
        pull = _PULL * (self._end_ticks - close) / close
        opened = max(1, round(close * (1 + pull + move * self._noise())))
        wick = close * move / 2
        high = max(opened, close) + round(abs(wick * self._noise()))
        low = max(1, min(opened, close) - round(abs(wick * self._noise())))
        self._ticks = opened
        quote = _QUOTE_PER_MINUTE * length_s / MINUTE_S * (0.1 + 1.8 * self._random())
        mean_ticks = (opened + close) // 2 or 1
        steps = max(1, round(quote / mean_ticks * self._steps_per_quote_tick))
        volume = self._step * steps
        return Candle(
            start_s=end_s - length_s,
            end_s=end_s,
            open=self._tick * opened,
            high=self._tick * high,
            low=self._tick * low,
            close=self._tick * close,
            volume=volume,
            quote_volume=volume * self._tick * mean_ticks,
            trades=1 + int(quote / _QUOTE_PER_TRADE),
        )
