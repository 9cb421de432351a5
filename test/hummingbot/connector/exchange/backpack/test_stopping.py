"""What Hummingbot does at ``stop``: one ``cancel_all``, then it lets go of the connector."""

from decimal import Decimal

from hummingbot.connector.exchange.backpack import backpack_unknown_orders
from hummingbot.core.data_type.common import OrderType

from .conftest import CANCEL, PLACE

PAIR = "SOL-USDC"


def bid(trader, price="99.50", amount=1):
    return trader.connector.buy(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))


async def test_an_order_on_its_way_is_cancelled_when_it_has_arrived(trader, exchange, agree):
    """Its cancellation must not overtake it: nobody would cancel it afterwards."""
    with exchange.faults.delay_requests(0.3, PLACE) as fault:
        order_id = bid(trader)
        await fault.wait_hit()
        results = await trader.connector.cancel_all(5)

    assert exchange.engine.open_orders("main") == []
    assert [(result.order_id, result.success) for result in results] == [(order_id, True)]
    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


async def test_an_order_that_takes_too_long_does_not_keep_the_others_in_the_market(
    trader, exchange
):
    """What is on the exchange is cancelled at once, whatever else is being waited for."""
    quick = bid(trader)
    await trader.open(quick)
    with exchange.faults.delay_requests(1.0, PLACE) as fault:
        slow = bid(trader, "99.40")
        await fault.wait_hit()
        results = await trader.connector.cancel_all(0.4)
        assert exchange.engine.open_orders("main") == []
        assert {result.order_id: result.success for result in results} == {quick: True, slow: False}
        await trader.open(slow)


async def test_the_fill_of_an_order_that_was_faster_than_its_cancellation_is_recorded(
    trader, exchange, place, agree
):
    """The stream would tell it, but nobody listens after the stop."""
    order_id = bid(trader, "99.95")
    await trader.open(order_id)
    with exchange.faults.skip_frames("account.orderUpdate", times=None):
        place("maker", "Ask", "99.95", "1")
        results = await trader.connector.cancel_all(5)
        assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    assert [(result.order_id, result.success) for result in results] == [(order_id, False)]
    await agree(trader)


async def test_a_cancellation_that_is_only_accepted_is_waited_for(trader, exchange, agree):
    """202: the order may still trade until it is gone."""
    order_id = bid(trader)
    await trader.open(order_id)
    with exchange.faults.late_cancels(0.3):
        await trader.connector.cancel_all(5)
        assert exchange.engine.open_orders("main") == []
        assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


async def test_a_refused_cancellation_is_reported_and_does_not_hold_the_stop_up(trader, exchange):
    """One answer is enough; Hummingbot shows the orders that are left."""
    order_id = bid(trader)
    await trader.open(order_id)
    with exchange.faults.server_error(operation=CANCEL):
        results = await trader.connector.cancel_all(5)
    assert [(result.order_id, result.success) for result in results] == [(order_id, False)]


async def test_an_order_of_unknown_fate_that_the_stop_cancels_is_reported(
    trader, exchange, agree, monkeypatch, little_patience
):
    """It rests, and nobody has told so yet."""
    monkeypatch.setattr(backpack_unknown_orders, "UNKNOWN_ORDER_RETRY_S", (1.5,))
    with exchange.faults.skip_frames("account.orderUpdate", times=None):
        with exchange.faults.server_error(PLACE, executed=True) as accepted:
            order_id = bid(trader)
            await accepted.wait_hit()
        results = await trader.connector.cancel_all(10)
    assert [(result.order_id, result.success) for result in results] == [(order_id, True)]
    assert exchange.engine.open_orders("main") == []
    await agree(trader)
