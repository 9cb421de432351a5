"""A write without a clear answer: the order is found or proven absent, and never sent twice."""

import asyncio
from contextlib import contextmanager
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_web_utils
from hummingbot.connector.exchange.backpack.backpack_translation import wire_client_id
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.limit_order import LimitOrder

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
PLACE_BATCH = "POST /api/v1/orders"
CANCEL = "DELETE /api/v1/order"
LOOK_UP = "GET /api/v1/order"
HISTORY = "GET /wapi/v1/history/orders"
ORDER_EVENTS = "account.orderUpdate"


@pytest.fixture(autouse=True)
def _quick(monkeypatch, little_patience, quick_reconnects):
    """Give requests up after a third of a second, and orders after half a second."""
    monkeypatch.setattr(backpack_web_utils, "REQUEST_TIMEOUT_S", 0.3)


# What may happen to a request that the exchange has carried out.
CARRIED_OUT = {
    "no reply": lambda faults, operation: faults.accept_then_hang(operation, times=1),
    "cut": lambda faults, operation: faults.cut_after_execution(operation, times=1),
    "503": lambda faults, operation: faults.refuse(
        503, "MAINTENANCE", "System under maintenance", operation, executed=True
    ),
    "500": lambda faults, operation: faults.server_error(operation, executed=True),
    "429": lambda faults, operation: faults.refuse(
        429, "TOO_MANY_REQUESTS", "Too many requests", operation, executed=True
    ),
    "web page": lambda faults, operation: faults.answer(
        502, "<html>Bad gateway</html>", operation, content_type="text/html", executed=True
    ),
    "unreadable": lambda faults, operation: faults.answer(200, "{", operation, executed=True),
}
# And to one that it never got to see.
NOT_CARRIED_OUT = {
    "cut": lambda faults, operation: faults.cut_before_arrival(operation, times=1),
    "503": lambda faults, operation: faults.refuse(
        503, "MAINTENANCE", "System under maintenance", operation
    ),
    "500": lambda faults, operation: faults.server_error(operation),
    "429": lambda faults, operation: faults.rate_limited(operation),
    "web page": lambda faults, operation: faults.answer(
        502, "<html>Bad gateway</html>", operation, content_type="text/html"
    ),
    "empty": lambda faults, operation: faults.answer(200, "", operation),
}


def each(faults):
    return pytest.mark.parametrize("fault", faults.values(), ids=faults.keys())


@contextmanager
def without_events(exchange):
    """Nothing is heard of orders but by asking."""
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        yield


def buy(trader, price="99.95", amount=2):
    return trader.connector.buy(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))


# === placing


@each(CARRIED_OUT)
async def test_order_carried_out_without_an_answer_is_adopted(
    trader, exchange, calls, agree, fault
):
    """Found among the open orders by its client id."""
    with without_events(exchange), fault(exchange.faults, PLACE) as hit:
        order_id = buy(trader)
        await hit.wait_hit()
        await trader.open(order_id)

    assert trader.events.names(order_id) == ["Created"]
    assert calls.count(PLACE) == 1
    await agree(trader)


@each(CARRIED_OUT)
async def test_order_carried_out_and_filled_without_an_answer_is_adopted(
    trader, exchange, quote, calls, agree, fault
):
    """No longer open when it is looked for: found, with its fills, in the history."""
    with without_events(exchange), fault(exchange.faults, PLACE) as hit:
        order_id = buy(trader)
        await hit.wait_hit()
        await asyncio.sleep(0)
        while not exchange.engine.open_orders("main"):
            await asyncio.sleep(0)
        quote("Ask", "99.95", "2")
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    assert calls.count(PLACE) == 1
    await agree(trader)


@each(CARRIED_OUT)
async def test_order_carried_out_without_an_answer_is_told_by_the_stream(
    trader, exchange, calls, agree, eventually, fault
):
    """The event comes first, and what the request ends with later changes nothing."""
    with fault(exchange.faults, PLACE):
        order_id = buy(trader)
        await trader.open(order_id)
        await eventually(lambda: not trader.connector._placing)

    assert trader.events.names(order_id) == ["Created"]
    assert calls.count(PLACE) == 1
    await agree(trader)


@each(NOT_CARRIED_OUT)
async def test_order_that_never_arrived_fails_on_definite_evidence_only(
    trader, exchange, calls, agree, little_patience, fault
):
    """It stays tracked while it could still arrive; then its absence is told, with the cause."""
    with fault(exchange.faults, PLACE):
        began_s = asyncio.get_running_loop().time()
        order_id = buy(trader)
        await trader.done(order_id)
        took_s = asyncio.get_running_loop().time() - began_s

    assert took_s > little_patience
    assert trader.events.names(order_id) == ["Failure"]
    reason = trader.events.why_failed(order_id)
    assert PLACE in reason
    assert "neither among the open orders nor in the history" in reason
    assert calls.count(PLACE) == 1
    await agree(trader)


async def test_order_is_not_given_up_while_nobody_can_be_asked(
    trader, exchange, calls, agree, eventually
):
    """Errors of the look-up are no evidence, however long they last."""
    with without_events(exchange), exchange.faults.server_error(LOOK_UP, times=None) as fault:
        with exchange.faults.cut_after_execution(PLACE, times=1):
            order_id = buy(trader)
            await eventually(lambda: fault.hits >= 10)  # for longer than the patience
        assert trader.events.names(order_id) == []
        assert order_id in trader.connector.in_flight_orders
    await trader.open(order_id)

    assert trader.events.names(order_id) == ["Created"]
    assert calls.count(PLACE) == 1
    await agree(trader)


async def test_order_that_could_not_be_sent_fails_at_once(trader, exchange):
    """Without a connection nothing was sent: no patience is needed."""
    port = int(exchange.rest_url.rpartition(":")[2])
    await exchange.stop()
    order_id = buy(trader)
    await trader.done(order_id, timeout_s=0.5)

    assert trader.events.names(order_id) == ["Failure"]
    assert "Check the network connection" in trader.events.why_failed(order_id)
    assert str(port) in trader.events.why_failed(order_id)


async def test_reply_that_comes_after_all_events_changes_nothing(trader, exchange, calls, agree):
    """Created, filled and completed by the stream; the POST's own reply is the last to arrive."""
    with exchange.faults.delay_replies(0.2, PLACE, times=1):
        order_id = buy(trader, price="100.50")
        await trader.done(order_id)
        await asyncio.sleep(0.4)  # until the reply is here

    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    assert calls.count(PLACE) == 1
    await agree(trader)


async def test_client_id_in_use_by_another_bot_is_replaced(trader, exchange, place, calls, agree):
    """The exchange refuses it; the other order is recognised as a stranger and left alone."""
    order_id = "HBOT-of-this-test"
    other = place("main", "Bid", "99.50", "1", client_id=wire_client_id(order_id))

    await trader.connector._create_order(
        TradeType.BUY, order_id, PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95")
    )

    order = await trader.open(order_id)
    assert order.exchange_order_id != str(other.order_id)
    assert trader.events.names(order_id) == ["Created"]
    assert exchange.engine.is_open("main", other.order_id)
    assert calls.count(PLACE) == 2
    await agree(trader, others=[other.order_id])


async def test_client_id_that_our_own_order_has_already_is_that_order(
    trader, exchange, calls, agree
):
    """The refusal says that it exists: it was accepted, and is adopted."""
    with (
        without_events(exchange),
        exchange.faults.refuse(
            400, "INVALID_ORDER", "Order with client ID already exists: 1", PLACE, executed=True
        ),
    ):
        order_id = buy(trader)
        await trader.open(order_id)

    assert trader.events.names(order_id) == ["Created"]
    assert calls.count(PLACE) == 1
    await agree(trader)


async def test_client_ids_that_are_all_in_use_fail_the_order_in_the_end(
    trader, exchange, calls, agree
):
    """Five attempts with five ids; then the refusal is told."""
    with exchange.faults.refuse(
        400, "INVALID_ORDER", "Order with client ID already exists: 1", PLACE, times=None
    ):
        order_id = buy(trader)
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Failure"]
    assert "Order with client ID already exists" in trader.events.why_failed(order_id)
    assert len({call.body for call in calls.of(PLACE)}) == calls.count(PLACE) == 5
    await agree(trader)


async def test_many_orders_without_an_answer_are_all_adopted(trader, exchange, calls, agree):
    """Fifteen at once, each looked up by itself."""
    with without_events(exchange), exchange.faults.cut_after_execution(PLACE, times=None):
        order_ids = [buy(trader, f"99.{n}", 1) for n in range(50, 65)]
        for order_id in order_ids:
            await trader.open(order_id)
            assert trader.events.names(order_id) == ["Created"]

    assert calls.count(PLACE) == 15
    await agree(trader)


async def test_many_orders_that_never_arrived_share_their_look_ups(trader, exchange, calls, agree):
    """Fifteen at once ask the history together: it may be asked 30 times a minute only."""
    with exchange.faults.cut_before_arrival(PLACE, times=None):
        order_ids = [buy(trader, f"99.{n}", 1) for n in range(50, 65)]
        for order_id in order_ids:
            await trader.done(order_id)
            assert trader.events.names(order_id) == ["Failure"]

    assert calls.count(PLACE) == 15
    assert calls.count(HISTORY) <= 20
    await agree(trader)


# === cancelling


@each(CARRIED_OUT)
async def test_cancel_carried_out_without_an_answer_is_found_out(
    trader, exchange, calls, agree, fault, monkeypatch
):
    """The order is gone from the exchange; the next question about it tells."""
    # That question may time out itself on a computer that is busy for a third of a second.
    monkeypatch.setattr(trader.connector, "SHORT_POLL_INTERVAL", 0.2)
    order_id = buy(trader)
    await trader.open(order_id)
    with without_events(exchange), fault(exchange.faults, CANCEL):
        trader.connector.cancel(PAIR, order_id)
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    assert calls.count(CANCEL) == 1
    await agree(trader)


@each(NOT_CARRIED_OUT)
async def test_cancel_that_never_arrived_leaves_the_order_open(
    trader, exchange, calls, agree, fault
):
    """Nothing is concluded from the failure; the strategy may cancel again, and does."""
    order_id = buy(trader)
    await trader.open(order_id)
    with fault(exchange.faults, CANCEL):
        await trader.connector._execute_cancel(PAIR, order_id)
    assert order_id in trader.connector.in_flight_orders
    assert trader.events.names(order_id) == ["Created"]
    assert calls.count(CANCEL) == 1
    await agree(trader)

    trader.connector.cancel(PAIR, order_id)
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


# === batches


def batch(prices):
    return [LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(p), Decimal(1)) for p in prices]


@each(CARRIED_OUT)
async def test_batch_carried_out_without_an_answer_is_adopted(
    trader, exchange, quote, calls, agree, fault
):
    """Each of its orders is looked up by itself; one has filled meanwhile."""
    with without_events(exchange), fault(exchange.faults, PLACE_BATCH) as hit:
        orders = trader.connector.batch_order_create(batch(["99.97", "99.50", "99.60"]))
        filled, *resting = [order.client_order_id for order in orders]
        await hit.wait_hit()
        while not exchange.engine.open_orders("main"):
            await asyncio.sleep(0)
        quote("Ask", "99.97", "1")
        await trader.done(filled)
        for order_id in resting:
            await trader.open(order_id)
            assert trader.events.names(order_id) == ["Created"]

    assert trader.events.names(filled) == ["Created", "Filled", "Completed"]
    assert (calls.count(PLACE_BATCH), calls.count(PLACE)) == (1, 0)
    await agree(trader)


@each(NOT_CARRIED_OUT)
async def test_batch_that_never_arrived_fails_and_is_not_sent_again(
    trader, exchange, calls, agree, fault
):
    """Absent after the patience: failed, each with the cause."""
    with fault(exchange.faults, PLACE_BATCH):
        orders = trader.connector.batch_order_create(batch(["99.50", "99.60"]))
        for order in orders:
            await trader.done(order.client_order_id)
            assert trader.events.names(order.client_order_id) == ["Failure"]
            assert PLACE_BATCH in trader.events.why_failed(order.client_order_id)

    assert (calls.count(PLACE_BATCH), calls.count(PLACE)) == (1, 0)
    await agree(trader)


async def test_order_of_another_bot_with_our_client_id_is_not_cancelled(
    exchange, trader, place, eventually, little_patience
):
    """Ours never arrived; somebody else of the same account uses its number."""
    connector = trader.connector
    with exchange.faults.cut_before_arrival(PLACE):
        order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
        order = await eventually(lambda: trader.order(order_id))
        await eventually(lambda: connector.health.unknown_orders == 1)
        client_id = connector._order_tracker.client_id_of(order)
        other = place("main", "Ask", "101.00", "1", client_id=client_id)
        await connector._execute_order_cancel(order)
        assert [o.order_id for o in exchange.engine.open_orders("main")] == [other.order_id]
        await trader.done(order_id)
    assert order.is_failure
    assert [o.order_id for o in exchange.engine.open_orders("main")] == [other.order_id]
