"""Candles of Backpack's spot markets for Hummingbot's strategies.

Hummingbot's base class does the work (a deque of candles, REST for the past, a stream for the
present); this module knows Backpack's requests and replies, and asks the connector's package where
the exchange is.

Source: GET /api/v1/klines (query times in seconds), stream ``kline.<interval>.<symbol>``.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Any, override

from bidict import bidict

from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.web_assistant.ws_assistant import WSAssistant
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.logger import HummingbotLogger

KLINES_PATH = "/api/v1/klines"
STATUS_PATH = "/api/v1/status"

# The exchange allows 30 requests a minute for time ranges; candles are one of several such kinds.
RATE_LIMITS = [
    RateLimit(KLINES_PATH, limit=30, time_interval=60),
    RateLimit(STATUS_PATH, limit=60, time_interval=60),
]
# The exchange states no limit for one reply; this one keeps replies below about 200 kB.
MAX_CANDLES_PER_REQUEST = 1000

# A kline frame comes every few seconds, trades or not.
SILENCE_S = 120.0
PING_INTERVAL_S = 30.0
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0

# Hummingbot's name of an interval to the exchange's, which differs for the month only.
INTERVALS = bidict({name: name for name in CandlesBase.interval_to_seconds} | {"1M": "1month"})


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
        return web_utils.public_rest_url(STATUS_PATH)

    @property
    @override
    def candles_url(self) -> str:
        """URL of past candles."""
        return web_utils.public_rest_url(KLINES_PATH)

    @property
    @override
    def candles_endpoint(self) -> str:
        """Path of past candles; names their rate limit."""
        return KLINES_PATH

    @property
    @override
    def candles_max_result_per_rest_request(self) -> int:
        """Candles to ask for in one request."""
        return MAX_CANDLES_PER_REQUEST

    @property
    @override
    def rate_limits(self) -> list[RateLimit]:
        """Limits of the two requests made here."""
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
        status = await rest_assistant.execute_request(
            url=self.health_check_url,
            throttler_limit_id=STATUS_PATH,
        )
        working = status["status"] == "Ok"
        return NetworkStatus.CONNECTED if working else NetworkStatus.NOT_CONNECTED

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
        # Times in seconds. There is no `limit`: the range decides.
        params = {
            "symbol": self._ex_trading_pair,
            "interval": INTERVALS[self.interval],
            "startTime": start_time,
            "endTime": end_time,
        }
        return {key: value for key, value in params.items() if value is not None}

    @override
    def _parse_rest_candles(
        self,
        data: list[dict[str, Any]],
        end_time: int | None = None,
    ) -> list[list[float]]:
        """Translate the reply of ``/api/v1/klines``, oldest first.

        A period without trades comes with null prices. It is filled with the price before it (at
        the very beginning: the price after it), because Hummingbot wants candles without holes.
        """
        rows = sorted(data, key=lambda row: row["start"])
        price = next((float(row["open"]) for row in rows if row["open"] is not None), None)
        if price is None:
            return []
        candles = []
        for row in rows:
            if row["open"] is None:
                candles.append(_flat_candle(_to_seconds(row["start"]), price))
                continue
            price = float(row["close"])
            candles.append(
                [
                    _to_seconds(row["start"]),
                    float(row["open"]),
                    float(row["high"]),
                    float(row["low"]),
                    price,
                    float(row["volume"]),
                    float(row["quoteVolume"]),
                    float(row["trades"]),
                    *_NO_TAKER_VOLUMES,
                ],
            )
        return candles

    @override
    def ws_subscription_payload(self) -> dict[str, Any]:
        """Return the frame that subscribes to this feed's candles."""
        topic = f"kline.{INTERVALS[self.interval]}.{self._ex_trading_pair}"
        return {"method": "SUBSCRIBE", "params": [topic]}

    @override
    def _parse_websocket_message(self, data: dict[str, Any] | None) -> dict[str, float] | None:
        event = (data or {}).get("data") or {}
        if event.get("e") != "kline":
            return None
        timestamp_s = _to_seconds(event["t"])
        if event["o"] is not None:
            close, volume = float(event["c"]), float(event["v"])
            row = [
                timestamp_s,
                float(event["o"]),
                float(event["h"]),
                float(event["l"]),
                close,
                volume,
                # The stream has no quote volume; the REST reply has, and replaces this estimate
                # when the past is filled again.
                volume * close,
                float(event["n"]),
                *_NO_TAKER_VOLUMES,
            ]
        elif self._candles:
            row = _flat_candle(timestamp_s, float(self._candles[-1][_CLOSE]))
        else:
            return None
        return dict(zip(self.columns, row, strict=True))

    @override
    async def _connected_websocket_assistant(self) -> WSAssistant:
        ws = await self._api_factory.get_ws_assistant()
        await ws.connect(
            ws_url=self.wss_url,
            ping_timeout=PING_INTERVAL_S,
            message_timeout=SILENCE_S,
        )
        return ws

    @override
    async def listen_for_subscriptions(self) -> None:
        """Follow the stream for ever, reconnecting with growing pauses.

        Overridden because the base class reconnects without any pause.
        """
        delay_s = FIRST_DELAY_S
        while True:
            ws: WSAssistant | None = None
            try:
                ws = await self._connected_websocket_assistant()
                await self._subscribe_channels(ws)
                await self._process_websocket_messages_task(ws)
            except asyncio.CancelledError:
                raise
            except Exception as e:  # noqa: BLE001 - whatever happened, the cure is a new connection
                if self._candles:
                    delay_s = FIRST_DELAY_S  # candles came, so this connection was a good one
                self.logger().warning(
                    f"The candle stream of {self._trading_pair} broke off "
                    f"({type(e).__name__}: {e}). Reconnecting in about {delay_s:g} s.",
                )
            finally:
                await self._on_order_stream_interruption(websocket_assistant=ws)
            await self._sleep(delay_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)


# The exchange does not tell which part of the volume takers bought.
_NO_TAKER_VOLUMES = (0.0, 0.0)
_CLOSE = CandlesBase.columns.index("close")


def _flat_candle(timestamp_s: int, price: float) -> list[float]:
    return [timestamp_s, price, price, price, price, 0.0, 0.0, 0.0, *_NO_TAKER_VOLUMES]


def _to_seconds(text: str) -> int:
    """Parse ``2026-09-01 16:52:00`` (REST) or ``2026-09-02T16:44:00`` (stream), both UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
