"""The health line: each figure against what has happened."""

import asyncio
import re
import time
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_web_utils
from hummingbot.connector.exchange.backpack.backpack_health import Health
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
CAPITAL = "GET /api/v1/capital"


def test_the_line_has_every_figure_with_its_unit():
    """One line that a trader can read."""
    health = Health(
        market_age_s=0.34,
        account_age_s=12.0,
        reconnects=1,
        gaps=2,
        silences=3,
        halted=("BTC-USDC",),
        resyncs=4,
        unknown_orders=5,
        refusals=6,
        clock_offset_ms=-7.4,
        latency_ms=8.2,
    )
    assert str(health) == (
        "market data 0.3 s ago, account 12.0 s ago, reconnects 1, gaps 2, silences 3, "
        "book loads 4, unknown orders 5, 429s 6, clock -7 ms, latency 8 ms, halted BTC-USDC"
    )


async def test_a_new_connector_is_well(trader):
    """Nothing has gone wrong; each book was loaded, and more than once if its stream was late."""
    health = trader.connector.health
    counted = (health.reconnects, health.gaps, health.silences, health.unknown_orders)
    assert counted == (0, 0, 0, 0)
    assert (health.refusals, health.halted) == (0, ())
    assert health.resyncs >= 1
    assert abs(health.clock_offset_ms) < 1_000


@pytest.mark.parametrize(
    ("figure", "topic"), [("market_age_s", "depth.SOL_USDC"), ("account_age_s", None)]
)
async def test_age_of_a_stream_is_since_its_last_message(trader, exchange, quote, figure, topic):
    """It grows, and each message makes it small again."""
    before = time.monotonic()
    while getattr(trader.connector.health, figure) < 0.1:
        await asyncio.sleep(0.01)
    assert getattr(trader.connector.health, figure) <= time.monotonic() - before + 1
    if topic is None:
        exchange.engine.deposit("main", "SOL", Decimal(1))
    else:
        quote("Bid", "99.80", "1")
    while getattr(trader.connector.health, figure) >= 0.1:
        await asyncio.sleep(0.01)


async def test_stream_that_is_down_has_no_age(quick_reconnects, trader, exchange, eventually):
    """And each time that it had to be connected again is counted."""
    with exchange.faults.refuse_websockets():
        exchange.faults.drop_websockets()
        await eventually(lambda: trader.connector.health.market_age_s is None)
        await eventually(lambda: trader.connector.health.account_age_s is None)
        assert str(trader.connector.health).startswith("market data DOWN, account DOWN, ")
    await trader.ready()
    assert trader.connector.health.reconnects == 2


async def test_gap_and_the_load_that_follows_it_are_counted(trader, exchange, quote, eventually):
    loads = trader.connector.health.resyncs
    with exchange.faults.skip_frames("depth.SOL_USDC"):
        quote("Bid", "99.80", "1")
    quote("Bid", "99.70", "1")
    await eventually(lambda: trader.connector.health.gaps == 1)
    assert trader.connector.health.resyncs == loads + 1


async def test_orders_of_unknown_fate_are_counted_while_they_are(
    little_patience, trader, exchange, eventually
):
    with exchange.faults.cut_before_arrival(PLACE, times=2):
        for price in ("99.50", "99.60"):
            trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(price))
        await eventually(lambda: trader.connector.health.unknown_orders == 2)
    await eventually(lambda: trader.connector.health.unknown_orders == 0)


async def test_answers_of_429_are_counted(trader, exchange):
    with exchange.faults.rate_limited(CAPITAL), pytest.raises(OSError, match="429"):
        await trader.connector._update_balances()
    assert trader.connector.health.refusals == 1
    assert ", 429s 1, " in str(trader.connector.health)


async def test_clock_is_told_as_the_exchange_sees_it(exchange, quote, start_trader):
    """Thirty seconds behind."""
    quote("Bid", "99.90", "50")
    with exchange.faults.clock_skew(30_000):
        trader = await start_trader(exchange)
        assert trader.connector.health.clock_offset_ms == pytest.approx(30_000, abs=1_000)
        assert re.search(r"clock \+(29|30)\d{3} ms", str(trader.connector.health))


async def test_latency_is_the_median_from_sending_to_reply(trader, exchange, monkeypatch):
    """In ms, of the last hundred; before the first there is none."""
    connector = trader.connector
    connector.rest.latencies_s.clear()
    assert connector.health.latency_ms is None
    assert "latency -" in str(connector.health)
    with exchange.faults.delay_replies(0.1, CAPITAL):
        for _ in range(3):
            await connector._update_balances()
    connector.rest.latencies_s.extend([0.0, 9.0])  # what is far off on both sides changes nothing
    told = sorted(connector.rest.latencies_s)
    assert connector.health.latency_ms == pytest.approx(told[len(told) // 2] * 1000, rel=0.5)
    connector.rest.latencies_s.extend([0.1] * 2 * backpack_web_utils._LATENCY_SAMPLES)
    assert connector.health.latency_ms == pytest.approx(100)
