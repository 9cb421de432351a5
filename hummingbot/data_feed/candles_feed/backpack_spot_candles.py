"""Candles of Backpack's spot markets for Hummingbot's strategies.

Hummingbot's base class fetches the past and keeps the candles; the connector's package supplies
what concerns the exchange: where it is, its requests and replies, its rate limits, and a stream
that stays up. This module joins the two.
"""

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import override

import numpy as np
from bidict import bidict

from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.connector.exchange.backpack.api.endpoints import GetKlines, GetStatus
from hummingbot.connector.exchange.backpack.api.errors import BackpackError
from hummingbot.connector.exchange.backpack.api.models import Kline, Symbol, SystemStatus
from hummingbot.connector.exchange.backpack.api.streams import (
    KlineUpdate,
    frame_decoder,
    kline_topic,
    parse_frame,
)
from hummingbot.connector.exchange.backpack.backpack_constants import RATE_LIMITS
from hummingbot.connector.exchange.backpack.backpack_environments import (
    Environment,
    outside_environment,
)
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
# Loaded, with the simulator, only by a connector that trades on it.
_DEMO_MODULE = "hummingbot.connector.exchange.backpack.backpack_demo"
_DECODER = frame_decoder(KlineUpdate)

type Row = list[float]
"""One candle in the order of Hummingbot's columns; the time in seconds, UTC."""


class BackpackSpotCandles(CandlesBase):
    """Candle feed of one spot market and one interval."""

    _logger: HummingbotLogger | None = None

    # Under the name of the real exchange a demo's candles are wanted only while it is traded on.
    _only_traded_demo = True

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

    @override
    async def check_network(self) -> NetworkStatus:
        """Ask the exchange whether it works."""
        try:
            reply = await self._rest_client().send(GetStatus())
        except BackpackError as e:
            # Hummingbot would log it as an error with its traceback, every few seconds.
            self.logger().debug("No candles now: %s", e)
            return NetworkStatus.NOT_CONNECTED
        working = reply.status is SystemStatus.OK
        return NetworkStatus.CONNECTED if working else NetworkStatus.NOT_CONNECTED

    @override
    def get_exchange_trading_pair(self, trading_pair: str) -> str:
        """Return the exchange's symbol of a pair; an attached connector's word is preferred."""
        return trading_pair.replace("-", "_")

    @override
    async def fetch_candles(
        self,
        start_time: int | None = None,
        end_time: int | None = None,
        limit: int | None = None,
    ) -> np.ndarray:
        """Fetch candles of the past.

        Args:
            start_time: first second wanted; counts when there is no end.
            end_time: last second wanted.
            limit: how many candles.

        Returns:
            One row for each candle, oldest first; there may be one more than asked for, because
            the exchange does not document whether the end of a range belongs to it.

        Raises:
            ValueError: neither start nor end is given.
            BackpackError: the exchange did not answer, or with an error.
        """
        await self.initialize_exchange_data()
        span_s = self.interval_in_seconds * min(
            max(limit or CANDLES_A_REQUEST, 1), CANDLES_A_REQUEST
        )
        if end_time is not None:
            start_time = end_time - span_s
        elif start_time is not None:
            end_time = start_time + span_s
        else:
            raise ValueError("Either the start time or the end time of the candles must be given.")
        request = GetKlines(
            symbol=Symbol(self._ex_trading_pair),
            interval=INTERVALS[self.interval],
            start_time_s=int(start_time),
            end_time_s=int(end_time) + self.interval_in_seconds,
        )
        rows = candles_of(await self._rest_client().send(request))
        return np.array(rows, dtype=float).reshape(-1, len(self.columns))

    def _environment(self) -> Environment:
        """Where the connector trades; without one of ours, where a demo of this process does."""
        attached = getattr(self._connector, "environment", None)
        if attached is not None:
            return attached
        demo_module = sys.modules.get(_DEMO_MODULE)
        if demo_module is not None:
            demo = demo_module.demo_of_candles(
                self._trading_pair, only_traded=self._only_traded_demo
            )
            if demo is not None:
                return demo
        return outside_environment()

    async def _stream_url(self) -> str:
        environment = self._environment()
        await environment.start()
        return environment.ws_url

    def _rest_client(self) -> web_utils.RestClient:
        # A connector of ours lends its own; other ones (paper trade) have none.
        attached = getattr(self._connector, "rest", None)
        return attached or web_utils.RestClient(self._environment(), web_utils.create_throttler())

    @override
    async def listen_for_subscriptions(self) -> None:
        """Follow the stream for ever. The base class would reconnect without any pause."""
        name = f"{self._trading_pair} candle"
        stream = BackpackStream(name, self._stream_url, self, self.logger())
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


class BackpackDemoCandles(BackpackSpotCandles):
    """The same under the demo connector's name: a demo's, whoever trades."""

    _only_traded_demo = False

    @property
    @override
    def name(self) -> str:
        """Name of the feed; also names the file of saved candles."""
        return f"backpack_demo_{self._trading_pair}"


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
