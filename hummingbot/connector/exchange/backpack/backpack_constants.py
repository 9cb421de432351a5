"""Names, rate limits and times of the connector."""

from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit

from .api.endpoints import ENDPOINTS, Bucket

EXCHANGE_NAME = "backpack"
DEFAULT_DOMAIN = EXCHANGE_NAME
DEMO_DOMAIN = "demo"
DEMO_NAME = "backpack_demo"

# Hummingbot's own broker id at Backpack; the header is optional and not signed.
BROKER_HEADERS = {"X-Broker-Id": "2200"}

ORDER_ID_PREFIX = "HBOT"
# Long enough for the time in microseconds and 56 bits that tell one bot instance from another.
ORDER_ID_MAX_LENGTH = 36

REQUEST_TIMEOUT_S = 10.0
# An order that had to wait longer for the request limit would be sent at an old price.
LONGEST_ORDER_WAIT_S = 2.0
WINDOW_MS = 5_000
# An order whose fate is unknown can still be accepted until its window has passed; only after that,
# and this much longer for the exchange to list it, is its absence evidence.
UNKNOWN_ORDER_PATIENCE_S = WINDOW_MS * 1e-3 + 5.0
# An order is lost after it was found absent four times, this far apart.
ABSENCE_PAUSE_S = 10.0
UNKNOWN_ORDER_RETRY_S = (0.25, 0.5, 1.0, 2.0, 4.0)

# So long a stream may be silent before it is asked for a sign of life, which may take half as long.
# The exchange itself closes a connection after two minutes.
STREAM_HEARTBEAT_S = 30.0
STREAM_CONNECT_TIMEOUT_S = 10.0

SNAPSHOT_LEVELS = 1000
HISTORY_PAGE = 1000

# Pseudo assets that the exchange lists among the funds but nobody can trade.
PSEUDO_ASSETS = frozenset({"POINTS"})

REQUESTS_A_MINUTE = 2000
HISTORY_REQUESTS_A_MINUTE = 30
MINUTE_S = 60.0


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
