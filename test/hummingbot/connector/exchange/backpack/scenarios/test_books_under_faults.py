"""A book is right, or its pair is not shown as ready."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import MarketType, OrderBookState, Side
from hummingbot.connector.exchange.backpack.simulator.markets import reference_price

from .conftest import until

DEPTH = "GET /api/v1/depth"
DEPTH_EVENTS = "depth.SOL_USDC"


async def test_gap_in_depth(trader, exchange, quote, agree):
    """One change of the book got lost: the next one shows it, and the book is loaded again."""
    with exchange.faults.skip_frames(DEPTH_EVENTS):
        quote("Bid", "99.95", "5")
    quote("Ask", "100.30", "6")
    await agree(trader)

    await trader.ready()


async def test_reconnect_during_snapshot(trader, exchange, quote, agree):
    """The connection breaks again while the book is being loaded for it."""
    with exchange.faults.delay_replies(0.3, DEPTH):
        exchange.faults.drop_websockets()
        quote("Bid", "99.95", "5")
        await until(lambda: exchange.connections, "the connector did not connect again")
        await asyncio.sleep(0.1)
        exchange.faults.drop_websockets()
        quote("Bid", "99.96", "5")
        await until(lambda: exchange.connections == 2, "the connector did not connect again")
        quote("Ask", "100.30", "6")
        await agree(trader)

    await trader.ready()


async def test_crossed_diff(trader, exchange, quote, agree):
    """A change with the right number bids more than the best ask: the book is loaded again."""
    with exchange.faults.cross_books("SOL_USDC") as fault:
        quote("Bid", "99.80", "5")
    assert fault.hits == 1
    quote("Bid", "99.70", "5")
    await agree(trader)

    await trader.ready()


def open_spot_markets(exchange, number):
    """Markets with an order on each side, and the pairs they are to Hummingbot."""
    markets = [
        market
        for market in exchange.engine.markets.values()
        if market.market_type is MarketType.SPOT and market.order_book_state is OrderBookState.OPEN
    ][:number]
    assert len(markets) == number
    for market in markets:
        tick, step = market.filters.price.tick_size, market.filters.quantity.step_size
        middle = reference_price(market.symbol) // tick * tick
        for side, away in ((Side.BID, -tick), (Side.ASK, tick)):
            exchange.engine.set_level(market.symbol, side, middle + away, 100 * step)
    return {f"{market.base_symbol}-{market.quote_symbol}": market.symbol for market in markets}


@pytest.mark.parametrize("when", ["while running", "from the start"])
async def test_50_pairs_with_one_symbol_halted(exchange, quote, start_trader, agree, when):
    """Trading goes on in all other pairs, and the halted one comes back."""
    symbols = open_spot_markets(exchange, 50)
    halted = next(symbol for symbol in reversed(symbols.values()) if symbol != "SOL_USDC")
    bid, _ = exchange.engine.best("SOL_USDC")
    price = bid + Decimal("0.01")

    trader = None
    if when == "while running":
        trader = await start_trader(exchange, trading_pairs=list(symbols))
    with exchange.faults.halt_market(halted):
        trader = trader or await start_trader(exchange, trading_pairs=list(symbols))
        order_id = await trader.rest(price)
        quote("Ask", price, "2")
        await trader.done(order_id)
        trader.expect(order_id, "Created Filled Completed")
        await agree(trader)
        await trader.ready()

    exchange.engine.set_level(halted, Side.BID, exchange.engine.best(halted)[0], Decimal(1000))
    await agree(trader)
    assert len(trader.connector.order_books) == len(symbols)
    await trader.ready()
