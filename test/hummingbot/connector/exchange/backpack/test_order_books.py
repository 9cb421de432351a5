"""Order books as strategies and Hummingbot's paper trade see them."""

import asyncio
import math
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.connector.exchange.backpack.api.models import MarketType, OrderBookState, Side
from hummingbot.connector.exchange.backpack.api.symbols import trading_pair_of
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections
from hummingbot.connector.exchange.backpack.simulator.markets import reference_price
from hummingbot.connector.exchange.paper_trade import create_paper_trade_market
from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent, OrderBookEvent

PAIR = "SOL-USDC"
DEPTH, DEPTH_TOPIC = "GET /api/v1/depth", "depth.SOL_USDC"
STORM_S, LEAST_LOADS, MOST_LOADS = 1.0, 3, 15


def levels(book):
    """Sorted levels ``(price, amount)`` of bids and of asks."""
    return tuple(
        sorted((Decimal(str(row.price)), Decimal(str(row.amount))) for row in rows)
        for rows in (book.bid_entries(), book.ask_entries())
    )


def true_levels(exchange, pair=PAIR):
    bids, asks, _ = exchange.engine.depth(pair.replace("-", "_"), 1000)
    return bids, asks


def fill_book(exchange, market, depth):
    """Give a market some levels on each side, whose prices are on its grid."""
    tick, step = market.filters.price.tick_size, market.filters.quantity.step_size
    middle = reference_price(market.symbol) // tick * tick
    for n in range(1, depth + 1):
        exchange.engine.set_level(market.symbol, Side.BID, middle - n * tick, n * 100 * step)
        exchange.engine.set_level(market.symbol, Side.ASK, middle + n * tick, n * 100 * step)


async def test_fifty_pairs_are_ready_within_two_seconds(
    exchange, start_trader, calls, record_property, capsys
):
    """All books are loaded at once, one request each; the built-in connector takes 50 s."""
    markets = [
        market
        for market in exchange.engine.markets.values()
        if market.market_type is MarketType.SPOT and market.order_book_state is OrderBookState.OPEN
    ][:50]
    for market in markets:
        fill_book(exchange, market, depth=50)
    pairs = [trading_pair_of(market) for market in markets]
    assert len(pairs) == 50

    began_s = time.perf_counter()
    trader = await start_trader(exchange, trading_pairs=pairs)
    took_s = time.perf_counter() - began_s

    record_property("seconds_until_50_pairs_are_ready", took_s)
    with capsys.disabled():
        print(f"\n50 pairs ready after {took_s:.2f} s")  # noqa: T201 (a figure to look at)
    assert took_s < 2
    assert calls.count(DEPTH) <= 2 * 50
    for pair in pairs:
        assert levels(trader.connector.get_order_book(pair)) == true_levels(exchange, pair)


async def test_book_without_a_stream_is_a_snapshot(exchange, quote, monkeypatch):
    """Hummingbot's tools ask single books of a connector that was never started."""
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "25")
    monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
    monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)
    connector = BackpackExchange(trading_pairs=[PAIR], trading_required=False)
    began_s = time.perf_counter()
    book = await connector._orderbook_ds.get_new_order_book(PAIR)
    await Connections().close()
    assert time.perf_counter() - began_s < 1
    assert levels(book) == true_levels(exchange)
    assert (book.get_price(True), book.get_price(False)) == (100.10, 99.90)


async def test_pair_added_while_running_is_followed_and_removed_again(
    exchange, trader, quote, eventually
):
    """A pair comes and goes on the open connection."""
    connector = trader.connector
    quote("Bid", "77000", "1", "BTC_USDC")
    assert await connector.add_trading_pair("BTC-USDC")
    assert connector.trading_pairs == [PAIR, "BTC-USDC"]
    await trader.ready()
    assert levels(connector.get_order_book("BTC-USDC")) == true_levels(exchange, "BTC-USDC")
    quote("Ask", "78000", "2", "BTC_USDC")
    await eventually(
        lambda: levels(connector.get_order_book("BTC-USDC")) == true_levels(exchange, "BTC-USDC")
    )

    assert await connector.remove_trading_pair("BTC-USDC")
    assert connector.trading_pairs == [PAIR]
    assert "BTC-USDC" not in connector.order_books
    quote("Ask", "79000", "2", "BTC_USDC")
    quote("Ask", "100.20", "2")
    await eventually(lambda: levels(connector.get_order_book(PAIR)) == true_levels(exchange))
    assert connector.ready
    assert connector._orderbook_ds.stream.connects == 1


async def test_pair_added_is_followed_after_a_reconnect_too(
    quick_reconnects, exchange, trader, quote, eventually
):
    """Subscriptions are what is wanted, not what was once sent."""
    connector = trader.connector
    assert await connector.add_trading_pair("BTC-USDC")
    assert await connector.add_trading_pair("ETH-USDC")
    await asyncio.sleep(0)
    assert await connector.remove_trading_pair("ETH-USDC")
    exchange.faults.drop_websockets()
    await eventually(lambda: not connector.ready)
    await trader.ready()
    quote("Bid", "77000", "1", "BTC_USDC")
    await eventually(
        lambda: levels(connector.get_order_book("BTC-USDC")) == true_levels(exchange, "BTC-USDC")
    )


async def test_pair_whose_market_closed_can_be_removed(exchange, trader, quote):
    """The market list does not offer it any more; the connector still knows what it follows."""
    connector = trader.connector
    quote("Bid", "77000", "1", "BTC_USDC")
    assert await connector.add_trading_pair("BTC-USDC")
    exchange.engine.set_order_book_state("BTC_USDC", OrderBookState.CLOSED)
    await connector._update_trading_rules()
    assert "BTC-USDC" not in connector.trading_rules

    assert await connector.remove_trading_pair("BTC-USDC")

    assert connector.trading_pairs == [PAIR]
    assert connector.ready


async def test_unknown_pair_cannot_be_added(trader):
    """The answer is no, and what runs goes on."""
    assert not await trader.connector.add_trading_pair("NOPE-USDC")
    assert trader.connector.trading_pairs == [PAIR]
    assert trader.connector.ready


async def test_public_trades_are_told_with_side_and_seconds(exchange, trader, place, eventually):
    """The taker's side, and seconds since the epoch."""
    trades = []
    listener = EventForwarder(trades.append)
    book = trader.connector.get_order_book(PAIR)
    book.add_listener(OrderBookEvent.TradeEvent, listener)
    began_s = time.time()
    place("main", "Bid", None, "2")
    place("main", "Ask", None, "1.5")
    await eventually(lambda: len(trades) >= 2)

    told = [(t.type, t.price, t.amount) for t in trades[-2:]]
    assert told == [(TradeType.BUY, 100.10, 2.0), (TradeType.SELL, 99.90, 1.5)]
    for trade, true in zip(reversed(trades), exchange.engine.trades("SOL_USDC", 10), strict=False):
        assert trade.trade_id == str(true.trade_id)
        assert began_s - 0.01 <= trade.timestamp <= time.time()
        assert trade.timestamp == pytest.approx(true.time_us / 1e6, abs=0.001)
        assert trade.trading_pair == PAIR
    assert book.last_trade_price == 99.90


async def test_last_traded_price_is_the_exchanges(trader, place, calls):
    """Of one pair, of several, and of one that never traded."""
    connector = trader.connector
    place("main", "Bid", None, "1")
    prices = await connector.get_last_traded_prices([PAIR])
    assert prices == {PAIR: 100.10}

    calls.all.clear()
    many = await connector.get_last_traded_prices([PAIR, "BTC-USDC", "ETH-USDC", "JTO-USDC"])
    assert many[PAIR] == 100.10
    assert math.isnan(many["JTO-USDC"])
    assert len(calls.all) == 1


async def test_snapshot_as_a_message_is_for_callers_outside_the_tracker(trader, exchange):
    """Seconds, floats, and the exchange's own update id."""
    message = await trader.connector._orderbook_ds._order_book_snapshot(PAIR)
    bids, asks, last_update_id = exchange.engine.depth("SOL_USDC", 1000)
    assert message.update_id == last_update_id
    assert message.trading_pair == PAIR
    assert [(row.price, row.amount) for row in message.bids] == [
        (float(p), float(q)) for p, q in bids
    ]
    assert [(row.price, row.amount) for row in message.asks] == [
        (float(p), float(q)) for p, q in asks
    ]
    assert message.timestamp == pytest.approx(time.time(), abs=5)


async def test_book_answers_what_a_taker_would_pay(trader, quote, eventually):
    """Hummingbot's own queries work on the book that is fed directly."""
    quote("Ask", "100.20", "50")
    book = trader.connector.get_order_book(PAIR)
    await eventually(lambda: len(list(book.ask_entries())) == 2)
    connector = trader.connector
    assert connector.get_price(PAIR, True) == Decimal("100.10")
    assert connector.get_mid_price(PAIR) == Decimal("100.00")
    assert connector.get_vwap_for_volume(PAIR, True, Decimal(100)).result_price == pytest.approx(
        Decimal("100.15")
    )
    assert connector.get_price_for_volume(PAIR, True, Decimal(60)).result_price == Decimal("100.20")


# === books that break again and again


@pytest.fixture
def losing(exchange):
    """Every second message of the book gets lost, as long as ``losing.goes_on``."""
    state = SimpleNamespace(goes_on=True, seen=0)

    def lose(name, account_id, data):
        if name != DEPTH_TOPIC or not state.goes_on:
            return [data]
        state.seen += 1
        return [data] if state.seen % 2 else []

    exchange.faults.frames.append(lose)
    yield state
    exchange.faults.frames.remove(lose)


async def test_book_that_gaps_again_and_again_is_not_loaded_without_end(
    trader, exchange, quote, calls, losing, eventually
):
    """Each load costs a request that other books and orders may need; at the end it is right."""
    calls.all.clear()
    began_s = time.monotonic()
    while time.monotonic() - began_s < STORM_S:
        quote("Bid", f"99.{losing.seen % 80:02}", "1")
        await asyncio.sleep(0.005)
    assert LEAST_LOADS <= calls.count(DEPTH) <= MOST_LOADS
    losing.goes_on = False
    quote("Bid", "99.95", "1")
    await trader.ready()
    await eventually(lambda: trader.connector.get_price(PAIR, False) == Decimal("99.95"))


# === paper trade


@pytest.fixture
async def paper_market(exchange, quote, monkeypatch, eventually):
    """``backpack_paper_trade`` with funds, on a book of 50 SOL at 99.90 and at 100.10."""
    monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
    monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    market = create_paper_trade_market("backpack", [PAIR])
    market.set_balance("USDC", Decimal(10_000))
    market.set_balance("SOL", Decimal(100))
    clock = Clock(ClockMode.REALTIME, 0.1)
    clock.add_iterator(market)
    with clock:
        running = asyncio.ensure_future(clock.run())
        await eventually(lambda: market.ready)
        yield market
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await market.stop_network()
    await Connections().close()


async def test_paper_trade_fills_limit_and_market_orders_from_our_book(
    paper_market, quote, place, eventually
):
    """Hummingbot's paper trade becomes ready on our books and matches against them.

    A market order takes what our book offers (after five seconds, as paper trade delays it); a
    limit order fills when the book comes to its price, another one by a public trade beyond its
    price.
    """
    events = []
    listener = EventForwarder(events.append)
    for event in (
        MarketEvent.BuyOrderCompleted,
        MarketEvent.SellOrderCompleted,
        MarketEvent.OrderFilled,
    ):
        paper_market.add_listener(event, listener)

    def names(order_id):
        return [type(event).__name__ for event in events if event.order_id == order_id]

    market_id = paper_market.sell(PAIR, Decimal(2), OrderType.MARKET)
    buy_id = paper_market.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    sell_id = paper_market.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.05"))
    await asyncio.sleep(0.3)  # three ticks, in which nothing happens
    assert events == []

    place("main", "Bid", None, "3")  # somebody pays 100.10, more than our 100.05
    await eventually(lambda: names(sell_id) == ["OrderFilledEvent", "SellOrderCompletedEvent"])
    assert names(buy_id) == []
    quote("Ask", "99.92", "5")
    await eventually(lambda: names(buy_id) == ["OrderFilledEvent", "BuyOrderCompletedEvent"])
    await eventually(lambda: names(market_id) == ["OrderFilledEvent", "SellOrderCompletedEvent"])

    prices = {event.order_id: event.price for event in events if hasattr(event, "price")}
    assert prices[market_id] == pytest.approx(Decimal("99.90"))
    assert paper_market.get_balance("SOL") == pytest.approx(Decimal(99), abs=Decimal("0.01"))
