"""Tickers and candles: from trades, and from the history before the first one."""

import datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.candle_history import build_history
from hummingbot.connector.exchange.backpack.simulator.events import TradeEvent
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.statistics import (
    INTERVALS_S,
    MAX_CANDLES,
    Statistics,
    bucket,
)

MARKETS = {market.symbol: market for market in known_markets()}
START_S = 1_788_285_245  # 2026-09-01 17:54:05, a Tuesday
MINUTE_S = START_S // 60 * 60


def trade(time_s, price, quantity="1"):
    return TradeEvent(
        symbol="SOL_USDC",
        trade_id=1,
        price=Decimal(price),
        quantity=Decimal(quantity),
        buyer_order_id=1,
        seller_order_id=2,
        is_buyer_maker=False,
        time_us=time_s * 1_000_000,
    )


@pytest.fixture
def statistics():
    """Trades in the first and third minute."""
    made = Statistics()
    for time_s, price in ((0, "100"), (10, "102"), (59, "99"), (125, "101")):
        made.record(trade(MINUTE_S + time_s, price, "2"))
    return made


@pytest.fixture
def with_history():
    return Statistics(
        lambda symbol, price: build_history(MARKETS[symbol], price or Decimal("100.67"), START_S, 7)
    )


def utc(*parts):
    return int(datetime.datetime(*parts, tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("1m", utc(2026, 9, 1, 17, 54), utc(2026, 9, 1, 17, 55)),
        ("4h", utc(2026, 9, 1, 16), utc(2026, 9, 1, 20)),
        ("1d", utc(2026, 9, 1), utc(2026, 9, 2)),
        ("1w", utc(2026, 8, 31), utc(2026, 9, 7)),
        ("1month", utc(2026, 9, 1), utc(2026, 10, 1)),
    ],
)
def test_candles_begin_where_the_calendar_says(interval, start, end):
    assert bucket(interval, START_S) == (start, end)


@given(st.sampled_from(sorted(INTERVALS_S)), st.integers(0, 4_000_000_000))
def test_candles_of_an_interval_follow_each_other(interval, time_s):
    start, end = bucket(interval, time_s)

    assert start <= time_s < end
    assert bucket(interval, end)[0] == end


def test_a_candle_tells_what_happened_in_it(statistics):
    first, second = statistics.klines(
        "SOL_USDC", "1m", MINUTE_S + 30, MINUTE_S + 120, MINUTE_S + 130
    )

    assert (first.open, first.high, first.low, first.close) == (100, 102, 99, 99)
    assert (first.volume, first.quote_volume, first.trades) == (6, 602, 3)
    assert second.open is None, "nothing traded, and the candle is there all the same"
    assert second.trades == 0


def test_the_running_candle_is_not_among_the_finished_ones(statistics):
    now_s = MINUTE_S + 130
    rows = statistics.klines("SOL_USDC", "1m", MINUTE_S, now_s, now_s)

    assert [row.start_s - MINUTE_S for row in rows] == [0, 60]
    assert statistics.candle("SOL_USDC", "1m", now_s).close == 101


def test_seconds_are_kept_as_well(statistics):
    rows = statistics.klines("SOL_USDC", "1s", MINUTE_S + 9, MINUTE_S + 12, MINUTE_S + 130)

    assert [row.close for row in rows] == [None, 102, None]


@pytest.mark.parametrize(("start", "end"), [(-(10**17), 10**17), (10**17, 10**18), (5, -5)])
def test_absurd_times_give_no_more_than_a_page(statistics, start, end):
    for interval in INTERVALS_S:
        rows = statistics.klines("SOL_USDC", interval, start, end, MINUTE_S + 10_000)
        assert len(rows) <= MAX_CANDLES


def test_ticker_rolls(statistics):
    now = statistics.ticker("SOL_USDC", MINUTE_S + 130)
    assert (now.first_price, now.last_price, now.high, now.low) == (100, 101, 102, 99)
    assert (now.volume, now.trades) == (8, 4)

    later = statistics.ticker("SOL_USDC", MINUTE_S + 86_400 + 60)
    assert (later.first_price, later.trades) == (101, 1)
    assert statistics.ticker("SOL_USDC", MINUTE_S + 86_400 + 180) is None
    assert statistics.ticker("BTC_USDC", MINUTE_S) is None


def test_ticker_counts_the_running_minute_once(statistics):
    statistics.ticker("SOL_USDC", MINUTE_S + 130)
    statistics.record(trade(MINUTE_S + 131, "105"))

    assert statistics.ticker("SOL_USDC", MINUTE_S + 131).trades == 5
    assert statistics.ticker("SOL_USDC", MINUTE_S + 185).trades == 5


def test_history_is_the_same_for_the_same_seed():
    build = lambda seed: build_history(MARKETS["SOL_USDC"], Decimal(100), START_S, seed)  # noqa: E731

    assert build(1) == build(1)
    assert build(1) != build(2)


@pytest.mark.parametrize("symbol", ["SOL_USDC", "BTC_USDC", "BONK_USDC", "USDT_USDC"])
def test_history_is_whole_and_ends_at_the_price(symbol):
    market = MARKETS[symbol]
    price = market.filters.price.tick_size * 12345
    bars = build_history(market, price, START_S, 7)

    assert bars[-1].end_s == MINUTE_S
    assert bars[-1].close == price
    for earlier, later in pairwise(bars):
        assert earlier.end_s == later.start_s
        assert earlier.close == later.open
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
        assert bar.low % market.filters.price.tick_size == 0
        assert bar.volume % market.filters.quantity.step_size == 0


def test_every_interval_has_candles_before_the_start(with_history):
    for interval, length_s in INTERVALS_S.items():
        rows = with_history.klines("SOL_USDC", interval, START_S - 20 * length_s, START_S, START_S)
        if interval == "1s":
            assert rows == []  # seconds are kept of real trades only
        else:
            assert len(rows) >= 9
            assert all(row.open is not None for row in rows)


def test_coarse_candles_hold_the_fine_ones(with_history):
    end_s = START_S // 3600 * 3600
    fine = with_history.klines("SOL_USDC", "1m", end_s - 3600, end_s, START_S)
    (coarse,) = with_history.klines("SOL_USDC", "1h", end_s - 3600, end_s, START_S)

    assert (coarse.open, coarse.close) == (fine[0].open, fine[-1].close)
    assert coarse.high == max(row.high for row in fine)
    assert coarse.volume == sum(row.volume for row in fine)


def test_history_meets_the_first_trade(with_history):
    with_history.record(trade(MINUTE_S + 70, "123.45"))
    figures = with_history.ticker("SOL_USDC", MINUTE_S + 80)

    assert figures.last_price == Decimal("123.45")
    before, *_ = with_history.klines("SOL_USDC", "1m", MINUTE_S - 60, MINUTE_S + 60, MINUTE_S + 120)
    assert before.close == Decimal("123.45")


def test_history_that_comes_later_stands_before_the_first_trade(statistics):
    """The minute in which trading began, and all after it, are what was seen here."""
    past = build_history(MARKETS["SOL_USDC"], Decimal(90), MINUTE_S + 120, 7)
    statistics.ticker("SOL_USDC", MINUTE_S + 180)
    statistics.add_history("SOL_USDC", past)

    rows = statistics.klines("SOL_USDC", "1m", MINUTE_S - 120, MINUTE_S + 180, MINUTE_S + 200)
    starts = [row.start_s for row in rows]
    assert starts == list(range(MINUTE_S - 120, MINUTE_S + 180, 60))
    assert [row.close for row in rows[2:]] == [99, None, 101]
    assert rows[0].close == next(bar for bar in past if bar.start_s == MINUTE_S - 120).close
    assert statistics.ticker("SOL_USDC", MINUTE_S + 180).trades > 4


def test_history_of_a_market_in_which_nobody_traded_yet():
    statistics = Statistics()
    assert statistics.ticker("SOL_USDC", MINUTE_S) is None
    statistics.add_history("SOL_USDC", build_history(MARKETS["SOL_USDC"], Decimal(90), MINUTE_S, 7))
    assert statistics.ticker("SOL_USDC", MINUTE_S).last_price == 90
