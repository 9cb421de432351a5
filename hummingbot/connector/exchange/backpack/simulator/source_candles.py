"""The past of a mirrored market: candles of the source as bars of our statistics.

Minutes for half a day, hours for a month, days for a year: three requests, because the exchange
allows 30 requests for history a minute. Times in SECONDS since the epoch.
"""

import datetime
from typing import Final

from ..api.endpoints import GetKlines
from ..api.models import Kline, Symbol
from .source_client import SourceClient
from .statistics import DAY_S, HOUR_S, MINUTE_S, Candle

# Interval and length of a bar, how far back such bars reach, and the grid on which they begin: that
# of the next coarser ones, so that no bar reaches into another.
_TIERS: Final = (
    ("1m", MINUTE_S, 15 * HOUR_S, HOUR_S),
    ("1h", HOUR_S, 31 * DAY_S, DAY_S),
    ("1d", DAY_S, 365 * DAY_S, DAY_S),
)


async def fetch_history(client: SourceClient, symbol: Symbol, now_s: int) -> list[Candle]:
    """Finished bars of a market up to `now_s`, oldest first.

    Raises:
        BackpackError: the source does not answer, or with an error.
    """
    bars: list[Candle] = []
    end_s = now_s // MINUTE_S * MINUTE_S
    for interval, length_s, reach_s, grid_s in _TIERS:
        begin_s = (now_s - reach_s) // grid_s * grid_s
        rows = await client.fetch(
            GetKlines(symbol=symbol, interval=interval, start_time_s=begin_s, end_time_s=end_s)
        )
        found = [_bar(row, length_s) for row in rows]
        bars[:0] = [bar for bar in found if begin_s <= bar.start_s and bar.end_s <= end_s]
        end_s = begin_s
    return bars


def _bar(row: Kline, length_s: int) -> Candle:
    start_s = int(row.start_utc.replace(tzinfo=datetime.UTC).timestamp())
    return Candle(
        start_s=start_s,
        # What the exchange gives as the end is sometimes the last second and sometimes the next.
        end_s=start_s + length_s,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trades=row.trades,
    )
