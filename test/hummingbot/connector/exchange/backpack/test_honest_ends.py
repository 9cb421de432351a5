"""Why an order ended, to the log and to the event, whichever way it becomes known."""

import logging
from decimal import Decimal

import pytest

from hummingbot.core.data_type.common import OrderType

from .model.virtual_exchange import expire

PAIR = "SOL-USDC"
ORDER_EVENTS = "account.orderUpdate"
# Of the interface description, the way its examples of events spell one, and one of tomorrow.
REASONS = (
    "PostOnlyTaker",
    "InsufficientLiquidity",
    "PriceOutOfBounds",
    "PriceImpact",
    "PRICE_BAND",
    "SelfTradePrevention",
    "Liquidation",
    "InsufficientFunds",
    "AccountTradingSuspended",
    "SolarFlare",
)


@pytest.fixture(params=["event", "poll"])
def source(request, exchange, trader, monkeypatch):
    """Expire an order of the connector: ``source(order, reason)``."""

    def end(order, reason):
        expire(exchange.engine, "main", "SOL_USDC", int(order.exchange_order_id), reason)

    if request.param == "event":
        yield end
        return
    monkeypatch.setattr(trader.connector, "LONG_POLL_INTERVAL", 0.1)
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        yield end


def warnings(caplog, order_id):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and order_id in record.getMessage()
    ]


@pytest.mark.parametrize("reason", REASONS)
async def test_order_that_expired_untouched_has_failed_for_a_reason(
    trader, source, agree, caplog, reason
):
    """The strategy's event carries it, and the log tells it once."""
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    source(await trader.open(order_id), reason)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Failure"]
    assert reason in trader.events.why_failed(order_id)
    assert sum(reason in line for line in warnings(caplog, order_id)) == 1
    await agree(trader)


@pytest.mark.parametrize("reason", REASONS)
async def test_order_that_expired_partly_filled_keeps_what_it_got(
    trader, quote, source, agree, eventually, caplog, reason
):
    """It has ended like a cancelled one, whose event has no room for a reason; the log has."""
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    order = await trader.open(order_id)
    quote("Ask", "99.95", "0.5")
    await eventually(lambda: order.executed_amount_base == Decimal("0.5"))
    source(order, reason)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Cancelled"]
    assert sum(reason in line for line in warnings(caplog, order_id)) == 1
    await agree(trader)
