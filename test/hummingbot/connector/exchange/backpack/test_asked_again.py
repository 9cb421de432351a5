"""A question that got no answer is asked again soon, not a minute later."""

from decimal import Decimal

from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
CANCEL = "DELETE /api/v1/order"
OPEN_ORDERS = "GET /api/v1/orders"


async def test_poll_that_failed_is_repeated_quickly(
    trader, exchange, agree, monkeypatch
):
    """A cancellation of unknown outcome; the question what became of it fails as well, twice."""
    monkeypatch.setattr(trader.connector, "SHORT_POLL_INTERVAL", 0.1)
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)
    with (
        exchange.faults.skip_frames("account.orderUpdate", times=None),
        exchange.faults.server_error(OPEN_ORDERS, times=2),
        exchange.faults.server_error(CANCEL, executed=True),
    ):
        trader.connector.cancel(PAIR, order_id)
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)
