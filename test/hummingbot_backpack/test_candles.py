"""The candle feed: translation of both interfaces, and a feed filled by the local exchange."""

import asyncio
import time
from datetime import UTC, datetime

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api.models import Kline
from hummingbot.connector.exchange.backpack.api.streams import KlineUpdate
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange, Settings
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.data_feed.candles_feed.backpack_spot_candles import (
    INTERVALS,
    BackpackSpotCandles,
    candles_of,
    row_of,
)
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig, HistoricalCandlesConfig

START_S = int(datetime(2026, 9, 1, 16, 52, tzinfo=UTC).timestamp())
NO_PRICES = dict.fromkeys(("open", "high", "low", "close"))


def kline(minute: int, **changes):
    row = {
        "start": f"2026-09-01 16:{minute:02}:00",
        "end": f"2026-09-01 16:{minute + 1:02}:00",
        "open": "101.05",
        "high": "101.06",
        "low": "101.02",
        "close": "101.03",
        "volume": "0.44",
        "quoteVolume": "44.4554",
        "trades": "3",
    }
    return msgspec.convert(row | changes, Kline, strict=False)


def update(**changes):
    event = {
        "e": "kline",
        "E": 1788367500510451,
        "s": "SOL_USDC",
        "t": "2026-09-01T16:52:00",
        "T": "2026-09-01T16:53:00",
        "o": "98.98",
        "h": "99.10",
        "l": "98.90",
        "c": "99.00",
        "v": "5.14",
        "n": 7,
        "X": False,
    }
    return msgspec.convert(event | changes, KlineUpdate, strict=False)


@pytest.fixture
async def exchange(monkeypatch):
    async with LocalExchange(Settings(markets=("SOL_USDC",))) as exchange:
        monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
        monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)
        yield exchange


def test_a_candle_of_the_rest_interface_in_hummingbots_columns():
    assert candles_of([kline(52)]) == [
        [START_S, 101.05, 101.06, 101.02, 101.03, 0.44, 44.4554, 3, 0.0, 0.0],
    ]


def test_candles_are_sorted_oldest_first():
    assert [row[0] for row in candles_of([kline(53), kline(52)])] == [START_S, START_S + 60]


def test_periods_without_trades_keep_the_price_and_leave_no_hole():
    empty = NO_PRICES | {"volume": "0", "quoteVolume": "0", "trades": "0"}
    rows = candles_of([kline(51, **empty), kline(52), kline(53, **empty), kline(54, **empty)])
    assert [row[0] for row in rows] == [START_S + 60 * minute for minute in (-1, 0, 1, 2)]
    assert rows[0][1:5] == [101.05] * 4
    assert rows[2][1:] == [101.03] * 4 + [0.0] * 5 == rows[3][1:]


def test_a_range_without_any_trade_gives_no_candles():
    assert candles_of([kline(52, **NO_PRICES)]) == []
    assert candles_of([]) == []


def test_a_candle_of_the_stream_in_hummingbots_columns():
    row = row_of(update(), price_before=None)
    assert row == [START_S, 98.98, 99.10, 98.90, 99.0, 5.14, pytest.approx(508.86), 7, 0.0, 0.0]


def test_a_candle_of_the_stream_without_trades_keeps_the_price_before_it():
    event = update(o=None, h=None, l=None, c=None, v=None, n=0)
    assert row_of(event, price_before=97.5) == [START_S] + [97.5] * 4 + [0.0] * 5
    assert row_of(event, price_before=None) is None


def test_every_interval_of_hummingbot_has_a_name_at_the_exchange():
    assert set(INTERVALS) == set(CandlesBase.interval_to_seconds)
    assert INTERVALS["1M"] == "1month"
    assert INTERVALS["1m"] == "1m"


def test_hummingbots_factory_makes_ours():
    feed = CandlesFactory.get_candle(CandlesConfig(connector="backpack", trading_pair="SOL-USDC"))
    assert type(feed) is BackpackSpotCandles
    assert feed.name == "backpack_SOL-USDC"


def test_the_feed_goes_where_the_connector_goes(monkeypatch):
    monkeypatch.delenv("BACKPACK_REST_URL", raising=False)
    monkeypatch.delenv("BACKPACK_WS_URL", raising=False)
    feed = BackpackSpotCandles("SOL-USDC")
    assert feed.candles_url == "https://api.backpack.exchange/api/v1/klines"
    assert feed.wss_url == "wss://ws.backpack.exchange"
    monkeypatch.setenv("BACKPACK_REST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("BACKPACK_WS_URL", "ws://127.0.0.1:1")
    assert feed.candles_url == "http://127.0.0.1:1/api/v1/klines"
    assert feed.wss_url == "ws://127.0.0.1:1"


async def test_the_exchange_is_asked_whether_it_works(exchange):
    assert await BackpackSpotCandles("SOL-USDC").check_network() is NetworkStatus.CONNECTED


async def test_a_range_of_the_past(exchange):
    feed = BackpackSpotCandles("SOL-USDC", interval="1m")
    end_s = int(time.time()) // 60 * 60 - 60
    config = HistoricalCandlesConfig(
        connector_name="backpack",
        trading_pair="SOL-USDC",
        interval="1m",
        start_time=end_s - 30 * 60,
        end_time=end_s,
    )
    candles = await feed.get_historical_candles(config)
    times_s = list(candles["timestamp"])
    assert times_s == list(range(end_s - 30 * 60, end_s + 60, 60))
    assert (candles[["open", "high", "low", "close"]] > 0).all(axis=None)
    assert (candles["high"] >= candles["low"]).all()


async def test_a_feed_uses_the_requests_and_the_symbols_of_an_attached_connector(exchange):
    connector = BackpackExchange("", "", trading_pairs=["SOL-USDC"], trading_required=False)
    config = CandlesConfig(connector="backpack", trading_pair="SOL-USDC", interval="1m")
    feed = CandlesFactory.get_candle(config, connector)
    assert feed._rest_client() is connector.rest
    end_s = int(time.time()) // 60 * 60
    candles = await feed.fetch_candles(end_time=end_s, limit=10)
    assert candles.shape[1] == len(feed.columns)
    assert 10 <= len(candles) <= 12


async def test_a_feed_fills_itself_and_starts_again_after_a_lost_connection(exchange):
    feed = BackpackSpotCandles("SOL-USDC", interval="1m", max_records=50)
    await feed.start_network()
    try:
        await full(feed)
        first = feed.candles_df
        assert set(first["timestamp"].diff().dropna()) == {60.0}
        assert (first["close"] > 0).all()

        feed.on_lost()
        assert len(feed.candles_df) == 0
        await full(feed)
    finally:
        await feed.stop_network()


async def full(feed):
    async with asyncio.timeout(30):
        while not feed.ready:
            await asyncio.sleep(0.02)
