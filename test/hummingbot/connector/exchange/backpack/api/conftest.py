"""Payloads for the tests of the wire layer: our own, and recorded ones where they are at hand.

The recordings are not part of this repository. They are looked for in ``shared/`` beside the
checkout, or where the environment variable ``BACKPACK_SHARED`` points to; tests that need them skip
when they are absent.
"""

import copy
import datetime
import json
import os
from pathlib import Path

import pytest
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    CancelOrders,
    ExecuteOrder,
    ExecuteOrders,
    GetAccount,
    GetBorrowLendPositions,
    GetCapital,
    GetDepth,
    GetFills,
    GetKlines,
    GetMarket,
    GetMarkets,
    GetOpenOrders,
    GetOrder,
    GetOrderHistory,
    GetStatus,
    GetTicker,
    GetTickers,
    GetTime,
    GetTrades,
    Ping,
)
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side
from hummingbot.connector.exchange.backpack.api.signing import Signer, generate_key_pair

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[5]
SYMBOL = "ABC_USDC"
SAMPLE_ENDPOINTS = {
    "rest_DELETE_api_v1_order": "CancelOrder",
    "rest_DELETE_api_v1_orders_none": "CancelOrders",
    "rest_DELETE_api_v1_orders_some": "CancelOrders",
    "rest_GET_api_v1_account": "GetAccount",
    "rest_GET_api_v1_capital": "GetCapital",
    "rest_GET_api_v1_capital_multi": "GetCapital",
    "rest_GET_api_v1_depth": "GetDepth",
    "rest_GET_api_v1_klines": "GetKlines",
    "rest_GET_api_v1_market": "GetMarket",
    "rest_GET_api_v1_markets": "GetMarkets",
    "rest_GET_api_v1_markets_partial": "GetMarkets",
    "rest_GET_api_v1_order_open": "GetOrder",
    "rest_GET_api_v1_order_open_with_client_id": "GetOrder",
    "rest_GET_api_v1_orders": "GetOpenOrders",
    "rest_GET_api_v1_ping": "Ping",
    "rest_GET_api_v1_status": "GetStatus",
    "rest_GET_api_v1_ticker": "GetTicker",
    "rest_GET_api_v1_tickers": "GetTickers",
    "rest_GET_api_v1_time": "GetTime",
    "rest_GET_api_v1_trades": "GetTrades",
    "rest_GET_wapi_v1_history_fills": "GetFills",
    "rest_GET_wapi_v1_history_orders": "GetOrderHistory",
    "rest_GET_wapi_v1_history_orders_empty": "GetOrderHistory",
    "rest_POST_api_v1_order_limit_postonly_new": "ExecuteOrder",
    "rest_POST_api_v1_order_limit_stp_rejectboth": "ExecuteOrder",
    "rest_POST_api_v1_order_market_older": "ExecuteOrder",
    "rest_POST_api_v1_order_market_perp_filled": "ExecuteOrder",
    "rest_POST_api_v1_order_market_spot_filled": "ExecuteOrder",
    "rest_POST_api_v1_order_trigger_limit": "ExecuteOrder",
    "rest_POST_api_v1_orders_batch": "ExecuteOrders",
}


def known_of_the_exchange():
    """The folder with the recordings; it need not exist."""
    return Path(os.environ.get("BACKPACK_SHARED") or REPOSITORY.parent / "shared") / "exchange"


@pytest.fixture(scope="session")
def as_sent():
    """Bytes of a payload: plain text for a string, JSON for anything else."""

    def encode(payload):
        if isinstance(payload, str):
            return payload.encode()
        return json.dumps(payload, separators=(",", ":")).encode()

    return encode


@pytest.fixture(scope="session")
def shared():
    """The folder with the recordings; skips the test where there is none."""
    folder = known_of_the_exchange()
    if not folder.is_dir():
        pytest.skip("no recordings of the exchange at hand (set BACKPACK_SHARED)")
    return folder


@pytest.fixture(scope="session")
def shared_samples():
    """All sample payloads by name; none where the samples are absent."""
    return {
        file.stem: json.loads(file.read_text())["payload"]
        for file in sorted((known_of_the_exchange() / "samples").glob("*.json"))
    }


@pytest.fixture(scope="session")
def sample(shared):
    """Read one sample file: its payload, or the whole file."""

    def read(name, *, whole=False):
        content = json.loads((shared / "samples" / f"{name}.json").read_text())
        return content if whole else content["payload"]

    return read


@pytest.fixture(scope="session")
def recording(shared):
    """Read one recorded body or stream, in bytes."""

    def read(name):
        return (shared / "recordings" / name).read_bytes()

    return read


@pytest.fixture(scope="session")
def vendor(shared):
    """The vendor's interface description."""
    yaml = pytest.importorskip("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
    return yaml.load((shared / "openapi.vendor.yml").read_text(), Loader=loader)


@pytest.fixture(scope="session")
def rest_payloads():
    """Our own reply bodies by endpoint, in the exchange's field names, padding and types."""
    return json.loads((HERE / "rest_payloads.json").read_text())


@pytest.fixture(scope="session")
def frames():
    """Our own stream frames by name, in the field names, padding and types of the exchange."""
    return json.loads((HERE / "stream_payloads.json").read_text())


@pytest.fixture(scope="session")
def requests():
    """One request of each kind, by name of its class."""
    order = ExecuteOrder(symbol=SYMBOL, side=Side.BID, order_type=OrderType.LIMIT)
    every = (
        GetStatus(),
        Ping(),
        GetTime(),
        GetMarkets(),
        GetMarket(symbol=SYMBOL),
        GetDepth(symbol=SYMBOL),
        GetTicker(symbol=SYMBOL),
        GetTickers(),
        GetTrades(symbol=SYMBOL),
        GetKlines(symbol=SYMBOL, interval="1m", start_time_s=1_795_000_000),
        GetAccount(),
        GetCapital(),
        GetBorrowLendPositions(),
        GetOrder(symbol=SYMBOL, client_id=7),
        order,
        CancelOrder(symbol=SYMBOL, client_id=7),
        GetOpenOrders(),
        ExecuteOrders(orders=(order, order)),
        CancelOrders(symbol=SYMBOL),
        GetFills(),
        GetOrderHistory(),
    )
    return {type(request).__name__: request for request in every}


@pytest.fixture(scope="session")
def sampled_replies():
    """Names of the samples that `rest_sample` goes through."""
    return set(SAMPLE_ENDPOINTS)


@pytest.fixture(params=sorted(SAMPLE_ENDPOINTS))
def rest_sample(request, requests, sample):
    """One recorded successful reply after the other: the request it answers, and its payload."""
    return requests[SAMPLE_ENDPOINTS[request.param]], sample(request.param)


@pytest.fixture(scope="session")
def draw_reply(rest_payloads, requests, shared_samples):
    """Draw the endpoint and the payload of one of all successful replies at hand."""
    replies = [(requests[name], body) for name, bodies in rest_payloads.items() for body in bodies]
    replies += [
        (requests[endpoint], shared_samples[name])
        for name, endpoint in SAMPLE_ENDPOINTS.items()
        if name in shared_samples
    ]
    return lambda draw: replies[draw(st.integers(0, len(replies) - 1))]


@pytest.fixture(scope="session")
def draw_frame(frames, shared_samples):
    """Draw one of all stream frames at hand."""
    every = list(frames.values())
    for name, payload in shared_samples.items():
        if name.startswith("ws_") and not name.startswith("ws_request"):
            every += payload if isinstance(payload, list) else [payload]
    return lambda draw: every[draw(st.integers(0, len(every) - 1))]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            *("", "NaN", "Infinity", "1e9999", "1E99999999999999999999", "-1", "null", "true"),
            *("2026-13-45T99:99:99", "2026-11-18T10:00:00+14:00", "0000-00-00", "Filled", "Limit"),
        ]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value, path=()):
    """Paths of everything inside a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


@pytest.fixture(scope="session")
def mutate():
    """Bytes of a payload with one to three places replaced or removed, and now and then damaged."""

    def bytes_of_mutated(draw, payload):
        root = [copy.deepcopy(payload)]
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from(list(places(root))[1:]))
            holder = root
            for key in path[:-1]:
                holder = holder[key]
            if len(path) > 1 and draw(st.booleans()):
                del holder[path[-1]]
            else:
                holder[path[-1]] = draw(VALUES)
        encoded = json.dumps(root[0]).encode()
        if draw(st.integers(0, 3)) == 0:
            cut = draw(st.integers(0, len(encoded)))
            encoded = encoded[:cut] + draw(st.binary(max_size=4)) + encoded[cut + 1 :]
        return encoded

    return bytes_of_mutated


@pytest.fixture(scope="session")
def key_pair():
    """API key and secret of a made-up account."""
    return generate_key_pair(bytes(range(32)))


@pytest.fixture(scope="session")
def signer(key_pair):
    """Signer of the made-up account."""
    return Signer(*key_pair)


@pytest.fixture(scope="session")
def other_key_pair():
    """A second, unrelated pair."""
    return generate_key_pair(bytes([7]) * 32)


@pytest.fixture(scope="session")
def utc():
    """Naive UTC date of a Unix time in the given fraction of a second."""

    def convert(moment, per_second):
        whole = datetime.datetime.fromtimestamp(moment // per_second, tz=datetime.UTC)
        rest = datetime.timedelta(microseconds=moment % per_second * 1_000_000 // per_second)
        return whole.replace(tzinfo=None) + rest

    return convert
