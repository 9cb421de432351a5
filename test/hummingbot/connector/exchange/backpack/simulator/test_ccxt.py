"""A client of somebody else, unchanged but for its addresses, trades on the local exchange."""

import asyncio
from contextlib import AsyncExitStack, suppress
from itertools import pairwise

import pytest

from hummingbot.connector.exchange.backpack.simulator.local import LiquidityKind

ccxt = pytest.importorskip("ccxt.pro")

PAIR = "SOL/USDC"
PATIENCE_S = 20


def client_with(exchange, *, account=0):
    """ccxt's own Backpack client; the urls are all that is different."""
    keys = exchange.accounts[account]
    client = ccxt.backpack({"apiKey": keys.api_key, "secret": keys.api_secret})
    client.urls["api"]["public"] = client.urls["api"]["private"] = exchange.rest_url
    client.urls["api"]["ws"] = {"public": exchange.ws_url, "private": exchange.ws_url}
    return client


@pytest.fixture
async def lively(open_exchange):
    """An exchange with other people in it."""
    return await open_exchange(liquidity=LiquidityKind.SYNTHETIC, frames_per_second=60)


@pytest.fixture
async def connect():
    """Start clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def start(exchange, **options):
            client = client_with(exchange, **options)
            stack.push_async_callback(client.close)
            return client

        yield start


@pytest.fixture
def trader(lively, connect):
    """ccxt on the lively exchange."""
    return connect(lively)


def soon(awaitable):
    """Fail instead of hanging."""
    return asyncio.wait_for(awaitable, PATIENCE_S)


async def test_markets_have_the_exchanges_rules(trader):
    markets = await trader.load_markets()

    market = markets[PAIR]
    assert (market["id"], market["type"], market["active"]) == ("SOL_USDC", "spot", True)
    assert market["precision"] == {
        **market["precision"],
        "price": 0.01,
        "amount": 0.01,
    }
    assert market["limits"]["amount"]["min"] == 0.01
    assert any(row["swap"] for row in markets.values()), "perpetual rows are listed, too"


async def test_public_data_is_understood(trader):
    book = await trader.fetch_order_book(PAIR)
    ticker = await trader.fetch_ticker(PAIR)
    tickers = await trader.fetch_tickers()
    candles = await trader.fetch_ohlcv(PAIR, "1m", limit=30)
    status = await trader.fetch_status()

    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"] == sorted(book["bids"], reverse=True)
    assert book["nonce"] > 0
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert tickers[PAIR]["symbol"] == PAIR
    assert len(candles) == 30
    assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(candles))
    assert status["status"] == "ok"


async def test_time_is_plain_text_that_its_own_parser_reads(trader):
    """ccxt's `fetch_time` wants item 0 of a bare number and falls back to its own clock."""
    assert abs(int(await trader.publicGetApiV1Time()) - trader.milliseconds()) < 60_000


async def test_limit_order_lives_and_is_cancelled(trader):
    await trader.load_markets()
    book = await trader.fetch_order_book(PAIR)
    price = trader.price_to_precision(PAIR, book["bids"][0][0] * 0.98)
    before = await trader.fetch_balance()

    placed = await trader.create_order(PAIR, "limit", "buy", 1, price)
    resting = await trader.fetch_open_orders(PAIR)
    one = await trader.fetch_open_order(placed["id"], PAIR)
    during = await trader.fetch_balance()
    cancelled = await trader.cancel_order(placed["id"], PAIR)
    after = await trader.fetch_balance()

    assert placed["status"] == "open"
    assert [row["id"] for row in resting] == [placed["id"]] == [one["id"]]
    assert during["USDC"]["used"] == pytest.approx(float(price))
    assert cancelled["status"] == "canceled"
    assert await trader.fetch_open_orders(PAIR) == []
    assert before["USDC"] == after["USDC"]


async def test_market_order_fills_and_shows_in_own_trades(trader):
    await trader.load_markets()
    before = await trader.fetch_balance()

    bought = await trader.create_order(PAIR, "market", "buy", 1)
    trades = await trader.fetch_my_trades(PAIR)
    history = await trader.fetch_orders(PAIR)
    after = await trader.fetch_balance()

    assert bought["status"] == "closed"
    assert bought["filled"] == 1
    mine = [trade for trade in trades if trade["order"] == bought["id"]]
    assert sum(trade["amount"] for trade in mine) == pytest.approx(1)
    assert {trade["fee"]["currency"] for trade in mine} == {"SOL"}
    assert bought["id"] in {row["id"] for row in history}
    gained = after["SOL"]["total"] - before["SOL"]["total"]
    assert gained == pytest.approx(1 - sum(trade["fee"]["cost"] for trade in mine))


async def test_market_order_by_cost_is_understood(trader):
    await trader.load_markets()

    bought = await trader.create_order(
        PAIR, "market", "buy", 0, None, {"cost": trader.cost_to_precision(PAIR, 250)}
    )

    assert bought["status"] == "closed"
    assert 245 < bought["cost"] <= 250


async def test_post_only_order_that_would_take_is_refused(trader):
    await trader.load_markets()
    book = await trader.fetch_order_book(PAIR)
    price = trader.price_to_precision(PAIR, book["asks"][0][0] * 1.01)

    with pytest.raises(ccxt.BaseError, match="immediately match"):
        await trader.create_order(PAIR, "limit", "buy", 1, price, {"postOnly": True})

    below = trader.price_to_precision(PAIR, book["bids"][0][0] * 0.98)
    placed = await trader.create_order(PAIR, "limit", "buy", 1, below, {"postOnly": True})
    assert placed["postOnly"] is True
    await trader.cancel_all_orders(PAIR)
    assert await trader.fetch_open_orders() == []


async def test_batch_places_every_order(trader):
    await trader.load_markets()
    book = await trader.fetch_order_book(PAIR)
    price = float(trader.price_to_precision(PAIR, book["bids"][0][0] * 0.98))

    placed = await trader.create_orders(
        [
            {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 1, "price": price},
            {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 2, "price": price},
        ]
    )

    assert [row["amount"] for row in placed] == [1, 2]
    assert len(await trader.fetch_open_orders(PAIR)) == 2


async def test_errors_become_its_own_exceptions(trader, lively):
    await trader.load_markets()

    with pytest.raises(ccxt.InsufficientFunds):
        await trader.create_order(PAIR, "limit", "buy", 900_000, 99)
    trader.secret = lively.accounts[1].api_secret
    with pytest.raises(ccxt.BaseError, match="Invalid signature"):
        await trader.fetch_balance()


async def test_streamed_order_book_equals_the_exchanges(trader, lively):
    await soon(trader.watch_order_book(PAIR))
    for _ in range(50):
        book = await soon(trader.watch_order_book(PAIR))

    assert book["bids"][0][0] < book["asks"][0][0]

    # Both must have seen the same update; without yielding in between the exchange cannot move.
    def agrees():
        bids, asks, update_id = lively.engine.depth("SOL_USDC", 1000)
        book = trader.orderbooks[PAIR]
        return book["nonce"] == update_id and (
            [(float(p), float(q)) for p, q in reversed(bids)]
            == [tuple(row) for row in book["bids"]]
            and [(float(p), float(q)) for p, q in asks] == [tuple(row) for row in book["asks"]]
        )

    async def until_it_agrees():
        while not agrees():
            await trader.watch_order_book(PAIR)

    await soon(until_it_agrees())


async def test_trades_tickers_and_candles_are_streamed(trader):
    trades = await soon(trader.watch_trades(PAIR))
    ticker = await soon(trader.watch_ticker(PAIR))
    quote = await soon(trader.watch_bids_asks([PAIR]))
    candles = await soon(trader.watch_ohlcv(PAIR, "1m"))

    assert trades[-1]["side"] in {"buy", "sell"}
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert quote[PAIR]["bid"] < quote[PAIR]["ask"]
    assert candles[-1][3] <= candles[-1][4] <= candles[-1][2]


async def test_own_orders_are_streamed(trader):
    await trader.load_markets()
    book = await trader.fetch_order_book(PAIR)
    price = float(trader.price_to_precision(PAIR, book["bids"][0][0] * 0.98))
    seen = []

    async def watch():
        while True:
            seen.extend((row["id"], row["status"]) for row in await trader.watch_orders(PAIR))

    watcher = asyncio.create_task(watch())
    try:
        # There is no acknowledgement: order until the stream tells of one.
        while not seen:
            rested = await trader.create_order(PAIR, "limit", "buy", 1, price)
            await asyncio.sleep(0.05)
        await trader.cancel_order(rested["id"], PAIR)
        bought = await trader.create_order(PAIR, "market", "buy", 1)
        async with asyncio.timeout(PATIENCE_S):
            while (bought["id"], "closed") not in seen:
                await asyncio.sleep(0.01)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher

    assert (rested["id"], "open") in seen
    assert (rested["id"], "canceled") in seen
