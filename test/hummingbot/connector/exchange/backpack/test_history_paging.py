"""Orders deep in the history are found with few requests: only 30 a minute are allowed."""

import math
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants, backpack_history
from hummingbot.connector.exchange.backpack import backpack_reconciliation as reconciliation
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

PAIR = "SOL-USDC"
HISTORY = "GET /wapi/v1/history/orders"
ORDER_EVENTS = "account.orderUpdate"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """Three rows a page instead of a thousand."""
    monkeypatch.setattr(backpack_history, "HISTORY_PAGE", 3)
    monkeypatch.setattr(reconciliation, "_CREATION_MARGIN_MS", 0)


@pytest.fixture
def busy_account(place, exchange):
    """Let the user place and cancel so many orders by hand: ``busy_account(12)``."""

    def act(orders):
        for _ in range(orders):
            placed = place("main", "Bid", "99.00", "1")
            exchange.engine.cancel("main", "SOL_USDC", order_id=placed.order_id)

    return act


async def resting(trader, price):
    order_id = trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(price))
    return await trader.open(order_id)


async def test_ended_orders_with_ids_are_asked_for_by_their_ids(
    exchange, trader, calls, busy_account
):
    """One page, and one request for each order that is not on it: not forty pages."""
    orders = [await resting(trader, "99.50"), await resting(trader, "99.60")]
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        for order in orders:
            exchange.engine.cancel("main", "SOL_USDC", order_id=int(order.exchange_order_id))
        busy_account(120)
        await trader.connector._update_order_status()
    assert all(order.is_cancelled for order in orders)
    assert calls.count(HISTORY) == 3


async def test_single_ended_order_costs_one_request(exchange, trader, calls, busy_account):
    """Nothing to page through."""
    order = await resting(trader, "99.50")
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        exchange.engine.cancel("main", "SOL_USDC", order_id=int(order.exchange_order_id))
        busy_account(30)
        await trader.connector._update_order_status()
    assert order.is_cancelled
    assert calls.count(HISTORY) == 1


@pytest.mark.parametrize("state", [OrderState.PENDING_CREATE, OrderState.OPEN])
async def test_order_without_an_id_is_looked_for_back_to_its_creation(
    exchange, start_trader, calls, busy_account, quote, eventually, monkeypatch, state
):
    """The bot died before it heard of its order; it filled, and much happened since."""
    monkeypatch.setattr(backpack_constants, "ABSENCE_PAUSE_S", 0.0)
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    busy_account(12)
    first = await start_trader(exchange)
    order = await resting(first, "99.95")
    saved = first.connector.tracking_states
    saved[order.client_order_id]["exchange_order_id"] = None
    saved[order.client_order_id]["last_state"] = str(state.value)
    await first.stop()
    quote("Ask", "99.95", "1")
    busy_account(7)

    again = await start_trader(exchange, restored=saved)
    found = await again.done(order.client_order_id)
    assert found.is_filled
    # It is the eighth newest row, so on the third page; the twelve older ones are not asked for.
    assert calls.count(HISTORY) == 3


async def test_order_of_unknown_age_does_not_stop_a_poll(exchange, trader, quote, eventually):
    """Hummingbot's clock may not have started when an order is restored."""
    order = await resting(trader, "99.95")
    order.creation_timestamp = math.nan
    others = [await resting(trader, price) for price in ("99.94", "99.93", "99.92")]
    for other in others:
        other.creation_timestamp = math.nan
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        quote("Ask", "99.92", "4")
        await trader.connector._update_order_status()
    assert all(o.is_filled for o in (order, *others))


@pytest.mark.usefixtures("little_patience", "quick_time_outs")
async def test_order_of_unknown_fate_is_looked_for_back_to_its_creation(
    exchange, trader, busy_account
):
    """Nothing could be asked for a long time, in which another bot of the account went on."""
    faults = exchange.faults
    with faults.skip_frames(ORDER_EVENTS, times=None):
        with (
            faults.server_error("GET /api/v1/order", times=None),
            faults.server_error("GET /api/v1/orders", times=None),
            faults.accept_then_hang("POST /api/v1/order") as accepted,
        ):
            order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("100.10"))
            await accepted.wait_hit()
            busy_account(8)
        await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]


@pytest.mark.usefixtures("little_patience", "quick_time_outs")
async def test_order_that_never_arrived_is_given_up_on_a_busy_account(
    exchange, trader, busy_account
):
    """However many orders others place, the history reaches back to before it was made."""
    with exchange.faults.cut_before_arrival("POST /api/v1/order") as cut:
        order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
        await cut.wait_hit()
        busy_account(12)
        await trader.done(order_id)
    assert trader.events.names(order_id) == ["Failure"]
