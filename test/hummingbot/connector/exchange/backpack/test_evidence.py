"""What ends an order, and what does not: only definite evidence does."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_throttler
from hummingbot.connector.exchange.backpack.api.endpoints import GetFills
from hummingbot.connector.exchange.backpack.api.errors import NotSent
from hummingbot.connector.exchange.backpack.backpack_constants import RATE_LIMITS
from hummingbot.connector.exchange.backpack.backpack_throttler import BackpackThrottler
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder

PAIR = "SOL-USDC"
PLACE, BATCH = "POST /api/v1/order", "POST /api/v1/orders"
OPEN_ORDERS, HISTORY = "GET /api/v1/orders", "GET /wapi/v1/history/orders"


async def resting(trader, price="99.50"):
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal(price))
    return await trader.open(order_id)


async def test_order_that_is_seen_again_is_not_nearer_to_being_lost(trader, exchange):
    """Single absences over a day, each followed by an answer that has the order, add up to none."""
    order = await resting(trader)
    records = trader.connector._order_tracker._order_not_found_records
    for _ in range(5):
        with (
            exchange.faults.answer(200, "[]", OPEN_ORDERS),
            exchange.faults.answer(200, "[]", HISTORY),
        ):
            await trader.connector._update_order_status()
        assert records[order.client_order_id] == 1
        await trader.connector._update_order_status()
        assert order.client_order_id not in records
    assert order.is_open


async def test_absence_counts_once_however_often_is_asked(trader, exchange):
    """A burst of polls is one question."""
    order = await resting(trader)
    with (
        exchange.faults.answer(200, "[]", OPEN_ORDERS, times=None),
        exchange.faults.answer(200, "[]", HISTORY, times=None),
    ):
        for _ in range(6):
            await trader.connector._update_order_status()
    assert trader.connector._order_tracker._order_not_found_records[order.client_order_id] == 1
    assert order.is_open


async def test_order_given_up_that_appears_is_cancelled(
    quick_lost_orders, little_patience, trader, exchange, eventually, monkeypatch
):
    """The request arrived long after anybody believed in it: nothing may rest there unwatched."""
    may_arrive = asyncio.Event()

    async def late(call, proceed):
        if call.operation == PLACE:
            await may_arrive.wait()
        return await proceed()

    exchange.faults.rest.append(late)
    monkeypatch.setattr(trader.connector.rest, "_timeout", short_timeout())
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    order = await trader.done(order_id)
    assert order.is_failure
    may_arrive.set()
    await eventually(lambda: exchange.engine.order_history("main")[1] == 1)
    await eventually(lambda: not exchange.engine.open_orders("main"))
    assert trader.events.names(order_id) == ["Failure"]


def short_timeout():
    import aiohttp

    return aiohttp.ClientTimeout(total=0.3)


async def test_small_share_of_the_limits_still_asks_the_history():
    """``rate_limits_share_pct`` of 5 leaves one history request a minute, not an exception."""
    throttler = BackpackThrottler(RATE_LIMITS, Decimal(5), clock_s=lambda: 0.0)
    assert throttler.wait_s(GetFills.path, is_order=False) == 0
    assert throttler.wait_s(GetFills.path, is_order=False) > 0


async def test_patience_of_an_order_is_for_all_its_waits(monkeypatch):
    """Several short waits are as late as one long one."""
    slept_s = []

    async def sleep(seconds):
        slept_s.append(seconds)

    throttler = BackpackThrottler(RATE_LIMITS)
    monkeypatch.setattr(throttler, "wait_s", lambda *_, **__: 0.9)
    monkeypatch.setattr(backpack_throttler.asyncio, "sleep", sleep)
    with pytest.raises(NotSent):
        async with throttler.execute_task(GetFills.path, is_order=True, patience_s=2.0):
            pytest.fail("must not be sent")
    assert sum(slept_s) <= 2.0


def limit_order(price):
    return LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(price), Decimal(1))


async def test_order_of_a_batch_with_an_unknown_result_is_looked_up(
    trader, exchange, agree, little_patience
):
    """One result says TIMEOUT though the order rests: it is found and not failed."""
    body = '[{"operation": "Err", "code": "TIMEOUT", "message": "Timed out"}]'
    with exchange.faults.answer(200, body, BATCH, executed=True):
        (order,) = trader.connector.batch_order_create([limit_order("99.50")])
    tracked = await trader.open(order.client_order_id)
    assert tracked.is_open
    assert len(exchange.engine.open_orders("main")) == 1
    await agree(trader)


async def test_batch_with_too_few_results_is_looked_up(trader, exchange, agree, little_patience):
    """A reply that does not fit says nothing of any order."""
    with exchange.faults.answer(200, "[]", BATCH, executed=True):
        orders = trader.connector.batch_order_create([limit_order("99.50"), limit_order("99.40")])
    for order in orders:
        assert (await trader.open(order.client_order_id)).is_open
    await agree(trader)


async def test_order_of_a_market_that_is_gone_hinders_no_other(trader, exchange, quote, agree):
    """A restored order of a delisted pair must not stop the reconciliation of all others."""
    order = await resting(trader, "99.95")
    trader.connector.start_tracking_order(
        order_id="gone",
        exchange_order_id="1",
        trading_pair="GONE-USDC",
        trade_type=order.trade_type,
        price=Decimal(1),
        amount=Decimal(1),
        order_type=OrderType.LIMIT,
    )
    with exchange.faults.silence():
        quote("Ask", "99.95", "2")
        await trader.connector._update_order_status()
        await trader.done(order.client_order_id)
    assert order.is_filled
    results = await trader.connector.cancel_all(2)
    assert [result.order_id for result in results] == ["gone"]
