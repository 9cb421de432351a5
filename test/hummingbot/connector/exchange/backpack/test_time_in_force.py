"""How long an order may rest: each time in force that the exchange has, and both sides agree."""

from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import OrderStatus, TimeInForce
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"


def buy(trader, amount, price, time_in_force):
    return trader.connector.buy(
        PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price), time_in_force=time_in_force
    )


async def test_gtc_rests_with_what_was_not_filled(trader, agree):
    """The usual one, said explicitly: 50 are offered, 10 stay."""
    order = await trader.open(buy(trader, 60, "100.10", "GTC"))
    await agree(trader)
    assert (order.executed_amount_base, order.is_open) == (Decimal(50), True)


@pytest.mark.parametrize("time_in_force", ["IOC", TimeInForce.IOC])
async def test_ioc_takes_what_is_there_and_ends(trader, exchange, agree, time_in_force):
    """The rest of it expires; to Hummingbot that is the end of a cancelled order."""
    order_id = buy(trader, 60, "100.10", time_in_force)
    order = await trader.done(order_id)
    await agree(trader)
    assert order.is_cancelled
    assert order.executed_amount_base == Decimal(50)
    assert trader.events.names(order_id) == ["Created", "Filled", "Cancelled"]
    (record,), _ = exchange.engine.order_history("main")
    assert (record.status, record.time_in_force) == (OrderStatus.EXPIRED, TimeInForce.IOC)


async def test_ioc_that_finds_nothing_ends_without_a_fill(trader, agree):
    """Nothing rests and nothing is bought."""
    order_id = buy(trader, 1, "99.95", "IOC")
    order = await trader.done(order_id)
    await agree(trader)
    assert order.executed_amount_base == 0
    assert trader.events.names(order_id) == ["Created", "Cancelled"]


async def test_ioc_that_finds_nothing_needs_no_history(trader, exchange, calls):
    """It was never to rest: its end is the same, and no request is spent on the reason."""
    order_id = buy(trader, 1, "99.95", "IOC")
    order = await trader.done(order_id)
    assert order.is_cancelled
    assert calls.count("GET /wapi/v1/history/orders") == 0


async def test_fok_fills_whole(trader, agree):
    """All of it is there."""
    order_id = buy(trader, 50, "100.10", "FOK")
    order = await trader.done(order_id)
    await agree(trader)
    assert order.is_filled
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]


async def test_fok_that_cannot_fill_whole_is_refused_with_the_reason(trader, exchange, agree):
    """One less than wanted: nothing happens."""
    order_id = buy(trader, 51, "100.10", "FOK")
    order = await trader.done(order_id)
    await agree(trader)
    assert order.is_failure
    (event,) = trader.events.of(order_id)
    assert "Fill or kill" in event.error_message
    assert exchange.engine.fills("main")[1] == 0


@pytest.mark.parametrize(
    ("order_type", "wanted"),
    [(OrderType.LIMIT, "GTD"), (OrderType.LIMIT_MAKER, "IOC"), (OrderType.MARKET, "FOK")],
)
async def test_time_in_force_that_cannot_be_is_refused_at_once(trader, order_type, wanted):
    """One clear failure and no request."""
    order_id = trader.connector.buy(
        PAIR, Decimal(1), order_type, Decimal("99.50"), time_in_force=wanted
    )
    await trader.done(order_id)
    (event,) = trader.events.of(order_id)
    assert wanted in event.error_message
