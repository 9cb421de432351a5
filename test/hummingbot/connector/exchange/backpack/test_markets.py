"""The market list: what is known of markets outlives an answer that lists none."""

import asyncio
import json
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.simulator import wire
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
MARKETS = "GET /api/v1/markets"
UNREADABLE = json.dumps([{"symbol": "SOL_USDC"}, {"symbol": "BTC_USDC"}])


@pytest.mark.parametrize("body", ["[]", UNREADABLE])
async def test_answer_without_a_market_that_can_be_read_takes_none_away(
    quick_reconnects, trader, exchange, calls, eventually, body
):
    """It is asked again, and orders go on meanwhile."""
    connector = trader.connector
    calls.all.clear()
    with exchange.faults.answer(200, body, MARKETS, times=None):
        connector.refresh_markets()
        await eventually(lambda: calls.count(MARKETS) >= 2)
        assert connector.ready
        order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
        await trader.open(order_id)
    async with asyncio.timeout(10):
        await connector._markets_refresh
    assert trader.events.names(order_id) == ["Created"]


async def test_empty_list_at_the_start_is_asked_for_again(quick_reconnects, exchange, start_trader):
    """And not half an hour later, when Hummingbot asks for the rules the next time."""
    with exchange.faults.answer(200, "[]", MARKETS, times=5) as empty:
        await start_trader(exchange)
        assert empty.hits == 5


async def test_market_that_is_missing_from_a_list_takes_no_orders(trader, exchange):
    """A list of other markets is believed."""
    others = json.dumps([wire.market(exchange.engine.markets["BTC_USDC"])])
    with exchange.faults.answer(200, others, MARKETS):
        await trader.connector._update_trading_rules()
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Failure"]
