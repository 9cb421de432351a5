"""Names, environments, rate limits and times of the connector."""

import os
from dataclasses import dataclass

from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit

from .api.endpoints import ENDPOINTS, Bucket

EXCHANGE_NAME = "backpack"
DEFAULT_DOMAIN = EXCHANGE_NAME
DEMO_DOMAIN = "demo"

LIVE_REST_URL = "https://api.backpack.exchange"
LIVE_WS_URL = "wss://ws.backpack.exchange"
REST_URL_VARIABLE = "BACKPACK_REST_URL"
WS_URL_VARIABLE = "BACKPACK_WS_URL"

# Hummingbot's own broker id at Backpack; the header is optional and not signed.
BROKER_HEADERS = {"X-Broker-Id": "2200"}

ORDER_ID_PREFIX = "HBOT"
# Long enough for the time in microseconds and 56 bits that tell one bot instance from another.
ORDER_ID_MAX_LENGTH = 36

REQUEST_TIMEOUT_S = 10.0
WINDOW_MS = 5_000
# An order whose fate is unknown can still be accepted until its window has passed; only after that,
# and this much longer for the exchange to list it, is its absence evidence.
UNKNOWN_ORDER_PATIENCE_S = WINDOW_MS * 1e-3 + 5.0
UNKNOWN_ORDER_RETRY_S = (0.25, 0.5, 1.0, 2.0, 4.0)

STREAM_SILENCE_LIMIT_S = 120.0
STREAM_HEARTBEAT_S = 30.0
STREAM_CONNECT_TIMEOUT_S = 10.0
BACKOFF_FIRST_S = 1.0
BACKOFF_LIMIT_S = 60.0
BACKOFF_RESET_AFTER_S = 60.0

SNAPSHOT_LEVELS = 1000
HISTORY_PAGE = 1000

# Pseudo assets that the exchange lists among the funds but nobody can trade.
PSEUDO_ASSETS = frozenset({"POINTS"})

REQUESTS_A_MINUTE = 2000
HISTORY_REQUESTS_A_MINUTE = 30
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Environment:
    """Where an exchange is: a value, so that no code asks which one it talks to."""

    name: str
    rest_url: str
    ws_url: str


def live_environment() -> Environment:
    """The live exchange, or the pair of addresses in ``BACKPACK_REST_URL`` and ``BACKPACK_WS_URL``.

    Raises:
        ValueError: only one of the two variables is set, which would split reads and writes between
            exchanges.
    """
    rest_url = os.environ.get(REST_URL_VARIABLE, "").rstrip("/")
    ws_url = os.environ.get(WS_URL_VARIABLE, "").rstrip("/")
    if bool(rest_url) != bool(ws_url):
        missing = WS_URL_VARIABLE if rest_url else REST_URL_VARIABLE
        msg = (
            f"{missing} is not set although the other address is. Set both {REST_URL_VARIABLE} and "
            f"{WS_URL_VARIABLE} to use another exchange, or neither to use the live one."
        )
        raise ValueError(msg)
    if rest_url:
        return Environment("custom", rest_url, ws_url)
    return Environment("live", LIVE_REST_URL, LIVE_WS_URL)


RATE_LIMITS = [
    RateLimit(Bucket.GENERAL, REQUESTS_A_MINUTE, MINUTE_S),
    RateLimit(Bucket.HISTORY, HISTORY_REQUESTS_A_MINUTE, MINUTE_S),
    *(
        RateLimit(
            path,
            REQUESTS_A_MINUTE,
            MINUTE_S,
            linked_limits=[
                LinkedLimitWeightPair(bucket) for bucket in dict.fromkeys((Bucket.GENERAL, bucket))
            ],
        )
        for path, bucket in {e.path: e.bucket for e in ENDPOINTS}.items()
    ),
]
"""A limit for each path, all drawing on 2000 requests a minute, history also on 30 a minute."""
