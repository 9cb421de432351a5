"""The connector trades on the exchange of this machine, and both sides tell the same afterwards."""

from decimal import Decimal

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState


async def test_limit_order_rests_and_is_cancelled(trader, exchange, agree):
    """A resting order locks funds, and its cancellation frees them."""
    connector = trader.connector
    order_id = connector.buy("SOL-USDC", Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    order = await trader.open(order_id)
    assert order.current_state is OrderState.OPEN

    assert exchange.engine.balances("main")["USDC"] == (Decimal(99801), Decimal(199))

    connector.cancel("SOL-USDC", order_id)
    await trader.done(order_id)

    assert order.is_cancelled
    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    agree(trader)
