"""Candles of Backpack's spot markets for Hummingbot's strategies.

Hummingbot's base class fetches the past and keeps the candles; the connector's package supplies
what concerns the exchange: where it is, its requests and replies, its rate limits, and a stream
that stays up. This module joins the two.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, override

import msgspec
from bidict import bidict

from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.connector.exchange.backpack.api.endpoints import GetKlines, GetStatus
from hummingbot.connector.exchange.backpack.api.models import Kline, Status, SystemStatus
from hummingbot.connector.exchange.backpack.api.streams import (
    KlineUpdate,
    frame_decoder,
    kline_topic,
    parse_frame,
)
from hummingbot.connector.exchange.backpack.backpack_constants import RATE_LIMITS
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.utils.async_utils import safe_ensure_future
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.logger import HummingbotLogger

# Hummingbot's name of an interval to the exchange's, which differs for the month only.
INTERVALS = bidict({name: name for name in CandlesBase.interval_to_seconds} | {"1M": "1month"})
# The exchange states no limit for one reply; this many make about 200 kB.
CANDLES_A_REQUEST = 1000

# The exchange does not tell which part of a volume takers bought.
_TAKER_VOLUMES = (0.0, 0.0)
_CLOSE = CandlesBase.columns.index("close")
_DECODER = frame_decoder(KlineUpdate)

type Row = list[float]
"""One candle in the order of Hummingbot's columns; the time in seconds, UTC."""


class BackpackSpotCandles(CandlesBase):
    """Candle feed of one spot market and one interval."""

    _logger: HummingbotLogger | None = None

    @classmethod
    @override
    def logger(cls) -> HummingbotLogger:
        """Return this module's logger."""
        if cls._logger is None:
            cls._logger = logging.getLogger(__name__)
        return cls._logger

    @property
    @override
    def name(self) -> str:
        """Name of the feed; also names the file of saved candles."""
        return f"backpack_{self._trading_pair}"

    @property
    @override
    def rest_url(self) -> str:
        """REST host."""
        return web_utils.public_rest_url("")

    @property
    @override
    def wss_url(self) -> str:
        """Stream host."""
        return web_utils.wss_url()

    @property
    @override
    def health_check_url(self) -> str:
        """URL that tells whether the exchange works."""
        return web_utils.public_rest_url(GetStatus.path)

    @property
    @override
    def candles_url(self) -> str:
        """URL of past candles."""
        return web_utils.public_rest_url(GetKlines.path)

    @property
    @override
    def candles_endpoint(self) -> str:
        """Path of past candles; names their rate limit."""
        return GetKlines.path

    @property
    @override
    def candles_max_result_per_rest_request(self) -> int:
        """Candles to ask for in one request."""
        return CANDLES_A_REQUEST

    @property
    @override
    def rate_limits(self) -> list[RateLimit]:
        """The connector's limits, so that both draw on the same budgets when they share them."""
        return RATE_LIMITS

    @property
    @override
    def intervals(self) -> bidict[str, str]:
        """Supported intervals: Hummingbot's name to the exchange's."""
        return INTERVALS

    @property
    @override
    def _is_last_candle_not_included_in_rest_request(self) -> bool:
        # Whether the end of the range is inclusive is not documented. One interval more is asked
        # for, and the base class drops what it did not want.
        return True

    @override
    async def check_network(self) -> NetworkStatus:
        """Ask the exchange whether it works."""
        rest_assistant = await self._api_factory.get_rest_assistant()
        reply = await rest_assistant.execute_request(
            url=self.health_check_url,
            throttler_limit_id=GetStatus.path,
        )
        status = msgspec.convert(reply, Status).status
        return NetworkStatus.CONNECTED if status is SystemStatus.OK else NetworkStatus.NOT_CONNECTED

    @override
    def get_exchange_trading_pair(self, trading_pair: str) -> str:
        """Return the exchange's symbol of a pair; an attached connector's word is preferred."""
        return trading_pair.replace("-", "_")

    @override
    def _get_rest_candles_params(
        self,
        start_time: int | None = None,
        end_time: int | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        request = GetKlines(
            symbol=self._ex_trading_pair,
            interval=INTERVALS[self.interval],
            start_time_s=start_time,
            end_time_s=end_time,
        )
        return dict(request.query())

    @override
    def _parse_rest_candles(self, data: list[Any], end_time: int | None = None) -> list[Row]:
        return candles_of(msgspec.convert(data, list[Kline], strict=False))

    @override
    async def listen_for_subscriptions(self) -> None:
        """Follow the stream for ever. The base class would reconnect without any pause."""
        stream = BackpackStream(
            f"{self._trading_pair} candle", lambda: self.wss_url, self, self.logger()
        )
        await stream.run()

    async def on_open(self, stream: BackpackStream) -> None:
        """Subscribe on a new connection."""
        topic = kline_topic(self._ex_trading_pair, INTERVALS[self.interval])
        await stream.subscribe([topic])

    def on_message(self, payload: str) -> None:
        """Take over one update of the candle in progress, or the first of the next one."""
        event = parse_frame(payload, _DECODER)
        last = self._candles[-1] if self._candles else None
        row = row_of(event, price_before=None if last is None else float(last[_CLOSE]))
        if row is None:
            return
        if last is None:
            self._candles.append(row)
            self._ws_candle_available.set()
            self._fill_candles_task = safe_ensure_future(self.fill_historical_candles())
        elif row[0] > last[0]:
            self._candles.append(row)
        elif row[0] == last[0]:
            self._candles[-1] = row

    def on_lost(self) -> None:
        """Forget all candles: what the connection missed would be a hole."""
        if self._fill_candles_task is not None:
            self._fill_candles_task.cancel()
            self._fill_candles_task = None
        self._reset_candles()


def candles_of(klines: Iterable[Kline]) -> list[Row]:
    """Translate candles of the REST interface, oldest first, without holes.

    A period without trades has no prices. It gets the price before it (at the very beginning: the
    price after it), because Hummingbot throws candles away that are not equidistant.
    """
    klines = sorted(klines, key=lambda kline: kline.start_utc)
    price = next((float(kline.open) for kline in klines if kline.open is not None), None)
    if price is None:
        return []
    rows = []
    for kline in klines:
        rows.append(_row(kline, price, kline.quote_volume))
        price = rows[-1][_CLOSE]
    return rows


def row_of(event: KlineUpdate, price_before: float | None) -> Row | None:
    """Translate a candle of the stream; ``None`` while no price is known at all.

    The stream has no quote volume; the base volume at the last price stands for it.
    """
    if event.open is not None:
        volume, close = event.volume or Decimal(0), event.close or event.open
        return _row(event, float(event.open), volume * close)
    return None if price_before is None else _row(event, price_before, Decimal(0))


def _row(candle: Kline | KlineUpdate, price: float, quote_volume: Decimal) -> Row:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        _seconds(candle.start_utc),
        *(price if value is None else float(value) for value in prices),
        float(candle.volume or 0),
        float(quote_volume),
        candle.trades,
        *_TAKER_VOLUMES,
    ]


def _seconds(moment_utc: datetime) -> int:
    return int(moment_utc.replace(tzinfo=UTC).timestamp())
