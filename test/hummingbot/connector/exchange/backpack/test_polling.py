"""How often the exchange is asked: quickly in danger, rarely when all is well, never in a storm."""

import asyncio
import time
from decimal import Decimal

import pytest

from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
CAPITAL = "GET /api/v1/capital"
OPEN_ORDERS = "GET /api/v1/orders"
ORDER = "GET /api/v1/order"
ORDER_HISTORY = "GET /wapi/v1/history/orders"
FILLS = "GET /wapi/v1/history/fills"
CALM_S, DANGER_S = 60.0, 5.0
LEAST_INTERVAL_S = 0.2


def interval_s(trader):
    return trader.connector._get_poll_interval(time.time())


async def test_polls_are_rare_while_all_is_well(trader):
    assert interval_s(trader) == CALM_S


async def test_polls_are_quick_while_the_accounts_stream_is_down(
    quick_reconnects, trader, exchange, eventually
):
    """And while the exchange refuses what is needed for it."""
    with exchange.faults.refuse_subscriptions(times=None):
        exchange.faults.drop_websockets()
        await eventually(lambda: interval_s(trader) == DANGER_S)
        assert not trader.connector.ready
    await eventually(lambda: interval_s(trader) == CALM_S)


async def test_polls_are_quick_while_the_fate_of_an_order_is_unknown(
    little_patience, trader, exchange, eventually
):
    with exchange.faults.cut_before_arrival(PLACE):
        order_id = trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
        await eventually(lambda: interval_s(trader) == DANGER_S)
        assert trader.events.names(order_id) == []
    await trader.done(order_id)
    assert interval_s(trader) == CALM_S


async def test_intervals_are_kept(
    quick_reconnects, trader, exchange, calls, eventually, monkeypatch
):
    """With nobody else to tell of orders, they are asked for again and again."""
    monkeypatch.setattr(trader.connector, "SHORT_POLL_INTERVAL", 0.05)
    order_id = trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)
    with exchange.faults.refuse_websockets():
        exchange.faults.drop_websockets()
        calls.all.clear()
        await eventually(lambda: calls.count(OPEN_ORDERS) >= 5)


@pytest.mark.parametrize("orders", [1, 20])
async def test_a_poll_is_one_request_for_all_open_orders(trader, calls, orders):
    """Neither single orders nor the history are asked for what that one tells."""
    for number in range(orders):
        price = Decimal(99) + number / Decimal(100)
        await trader.open(trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, price))
    calls.all.clear()
    await trader.connector._update_order_status()
    assert calls.count(OPEN_ORDERS) == 1
    assert [calls.count(other) for other in (ORDER, ORDER_HISTORY, FILLS)] == [0, 0, 0]


async def test_any_number_of_reasons_to_ask_makes_few_polls(trader, calls, monkeypatch):
    """Each event that cannot be read is a reason, and there may be hundreds of them."""
    poll = type(trader.connector)._status_polling_loop_fetch_updates
    monkeypatch.setitem(poll.__globals__, "_LEAST_POLL_INTERVAL_S", LEAST_INTERVAL_S)
    await trader.open(trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50")))
    calls.all.clear()
    began_s = time.monotonic()
    while calls.count(OPEN_ORDERS) < 4:
        trader.connector.request_reconciliation()
        await asyncio.sleep(0.001)
    # The first may have been due already.
    assert time.monotonic() - began_s >= 2 * LEAST_INTERVAL_S


async def test_question_that_got_no_answer_is_asked_again_soon(
    trader, exchange, agree, monkeypatch
):
    """A cancellation of unknown outcome; to ask what became of it fails as well, twice."""
    monkeypatch.setattr(trader.connector, "SHORT_POLL_INTERVAL", 0.1)
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)
    with (
        exchange.faults.skip_frames("account.orderUpdate", times=None),
        exchange.faults.server_error(OPEN_ORDERS, times=2),
        exchange.faults.server_error("DELETE /api/v1/order", executed=True),
    ):
        trader.connector.cancel(PAIR, order_id)
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)
    assert interval_s(trader) == CALM_S


async def test_polls_are_quick_until_a_question_about_funds_is_answered(
    trader, exchange, eventually
):
    with exchange.faults.server_error(CAPITAL):
        await trader.connector._update_all_balances()
    assert interval_s(trader) == DANGER_S
    trader.connector.request_reconciliation()
    await eventually(lambda: interval_s(trader) == CALM_S)
