"""Orders that the exchange denied, poll after poll, and that were there all the same."""

from contextlib import ExitStack
from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
OPEN_ORDERS = "GET /api/v1/orders"
HISTORY = "GET /wapi/v1/history/orders"


@pytest.fixture(autouse=True)
def _quick_loops(monkeypatch):
    """Let Hummingbot look after lost orders five times a second instead of every five."""
    monkeypatch.setattr(BackpackExchange, "SHORT_POLL_INTERVAL", 0.2)
    monkeypatch.setattr(backpack_constants, "ABSENCE_PAUSE_S", 0.05)


@pytest.fixture
async def lost(trader, exchange, monkeypatch):
    """An order that Hummingbot has given up after four empty answers, although it rests.

    ``lost.order`` is that order; ``lost.end_faults()`` lets the exchange answer properly again.
    """
    connector = trader.connector
    order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    order = await trader.open(order_id)
    monkeypatch.setattr(connector, "LONG_POLL_INTERVAL", 0.1)
    with ExitStack() as faults:
        asked = faults.enter_context(exchange.faults.answer(200, "[]", OPEN_ORDERS, times=None))
        faults.enter_context(exchange.faults.answer(200, "[]", HISTORY, times=None))
        faults.enter_context(exchange.faults.server_error("DELETE /api/v1/order", times=None))
        await trader.done(order_id)
        assert asked.hits == 4
        assert trader.events.names(order_id) == ["Created", "Failure"]
        assert order_id in connector._order_tracker.lost_orders
        monkeypatch.setattr(connector, "LONG_POLL_INTERVAL", 60)
        yield SimpleNamespace(order=order, end_faults=faults.close)


async def forgotten(trader, order, eventually):
    await eventually(
        lambda: order.client_order_id not in trader.connector._order_tracker.lost_orders
    )


async def test_lost_order_that_rests_is_cancelled(trader, exchange, lost, eventually):
    """Nobody would look after it any more."""
    lost.end_faults()
    await forgotten(trader, lost.order, eventually)
    assert exchange.engine.open_orders("main") == []
    assert trader.events.names(lost.order.client_order_id) == ["Created", "Failure"]


async def test_lost_order_that_fills_has_its_fills_recorded(
    trader, exchange, quote, lost, eventually
):
    """The stream tells them; they count for the balance and the profit."""
    quote("Ask", "99.95", "0.5")
    await eventually(lambda: lost.order.executed_amount_base == Decimal("0.5"))
    lost.end_faults()
    await forgotten(trader, lost.order, eventually)
    assert trader.events.names(lost.order.client_order_id) == ["Created", "Failure", "Filled"]
    assert exchange.engine.open_orders("main") == []


async def test_lost_order_that_filled_unseen_is_found_in_the_history(
    trader, exchange, quote, lost, eventually
):
    """No event came; the fills are asked for before the order is forgotten."""
    with exchange.faults.skip_frames("account.orderUpdate", times=None):
        quote("Ask", "99.95", "2")
    lost.end_faults()
    await forgotten(trader, lost.order, eventually)
    assert lost.order.executed_amount_base == 2
    assert trader.events.names(lost.order.client_order_id) == ["Created", "Failure", "Filled"]
