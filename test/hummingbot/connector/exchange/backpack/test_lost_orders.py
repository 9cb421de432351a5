"""Orders that the exchange denied, poll after poll, and that were there all the same."""

from contextlib import ExitStack
from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
OPEN_ORDERS = "GET /api/v1/orders"
HISTORY = "GET /wapi/v1/history/orders"


pytestmark = pytest.mark.usefixtures("quick_lost_orders")


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


async def test_lost_order_that_appears_after_it_was_forgotten_is_cancelled(
    trader, exchange, lost, eventually
):
    """One more empty answer, and then the exchange lists it."""
    await forgotten(trader, lost.order, eventually)
    lost.end_faults()
    another = trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(another)
    trader.connector.request_reconciliation()
    await eventually(lambda: len(exchange.engine.open_orders("main")) == 1)


async def test_lost_order_that_is_unknown_for_good_is_forgotten(trader, exchange, lost, eventually):
    """Hummingbot would ask for it as long as the bot runs."""
    with exchange.faults.skip_frames("account.orderUpdate", times=None):
        exchange.engine.cancel("main", "SOL_USDC", order_id=int(lost.order.exchange_order_id))
    await forgotten(trader, lost.order, eventually)


async def test_lost_order_is_cancelled_at_a_stop(trader, exchange, lost):
    """It rests on the exchange, whatever the bot was told."""
    lost.end_faults()
    await trader.connector.cancel_all(5)
    assert exchange.engine.open_orders("main") == []


async def test_an_old_event_of_an_order_that_has_ended_brings_nothing_back(
    trader, exchange, caplog, calls, eventually
):
    """Its acceptance is told after its end: nothing is open, and nothing is to be cancelled."""
    connector = trader.connector
    resting = connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.05"))
    await trader.open(resting)
    with exchange.faults.swap_frames("account.orderUpdate", times=1) as swapped:
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.05"))
        await trader.done(order_id)
        await swapped.wait_hit()
    await eventually(lambda: connector.health.account_age_s < 1)
    assert order_id not in connector._order_tracker.lost_orders
    assert "taken for failed" not in caplog.text
    assert calls.count("DELETE /api/v1/order") == 0
