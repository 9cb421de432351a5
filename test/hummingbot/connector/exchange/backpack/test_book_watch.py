"""Books that are wrong though no message shows it: silent topics, wrong content, closed markets."""

import asyncio
import logging
import math
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_book_watch as watch
from hummingbot.connector.exchange.backpack.api.models import OrderBookState
from hummingbot.connector.exchange.backpack.backpack_book_feed import BookRow
from hummingbot.core.data_type.common import OrderType

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"
DEPTH = "GET /api/v1/depth"
MARKETS = "GET /api/v1/markets"


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch):
    """Look ten times a second, and doubt after tenths of seconds."""
    monkeypatch.setattr(watch, "TICK_S", 0.05)
    monkeypatch.setattr(watch, "SILENCE_S", 0.3)
    monkeypatch.setattr(watch, "LAG_S", 0.1)
    monkeypatch.setattr(watch, "COMPARISON_S", 0.2)
    monkeypatch.setattr(watch, "HALTED_RETRY_S", 0.2)
    monkeypatch.setattr(watch, "MARKETS_RETRY_S", 0.2)


@pytest.fixture
def source(trader):
    return trader.connector._orderbook_ds


def best_prices(trader, pair=PAIR):
    book = trader.connector.get_order_book(pair)
    return book.get_price(False), book.get_price(True)


async def test_topic_that_fell_silent_is_found_and_the_book_not_ready_until_it_speaks(
    exchange, trader, source, quote, eventually, caplog
):
    """The connection lives and other pairs move, so nothing else would ever show it."""
    assert await trader.connector.add_trading_pair("BTC-USDC")
    quote("Bid", "77000", "1", "BTC_USDC")
    await trader.ready()
    with exchange.faults.skip_frames(f"depth.{SYMBOL}", times=None) as silence:
        quote("Bid", "99.95", "1")
        assert silence.hits == 1
        await eventually(lambda: not trader.connector.ready)
        assert f"The stream of {PAIR} has fallen silent" in caplog.text
        # A snapshot alone is no proof that the topic speaks again.
        await eventually(lambda: best_prices(trader) == (99.95, 100.1))
        quote("Bid", "99.96", "1")
        await eventually(lambda: source.silences >= 2)
        assert not trader.connector.ready
    quote("Bid", "99.97", "1")
    await trader.ready()
    assert best_prices(trader) == (99.97, 100.1)


async def test_topic_that_stays_silent_gets_a_new_connection(
    quick_reconnects, exchange, trader, source, quote, eventually, caplog
):
    """Subscribing anew has not helped three times; the log does not blame the exchange."""
    with exchange.faults.skip_frames(f"depth.{SYMBOL}", times=None):
        for n in range(400):
            quote("Bid", f"{99 + n % 90 / 100:.2f}", "1")
            await asyncio.sleep(0.01)
            if source.stream.connects > 1:
                break
    assert source.stream.connects > 1
    assert "is down (its topics had fallen silent)" in caplog.text
    assert "closed by the exchange" not in caplog.text
    quote("Bid", "99.97", "1")
    await trader.ready()


async def test_quiet_market_is_asked_and_stays_ready(trader, source, calls, eventually):
    """Nothing happens in it: that is no fault, and costs one small request now and then."""
    before, loads = calls.count(DEPTH), source.resyncs
    await eventually(lambda: calls.count(DEPTH) >= before + 3)
    assert trader.connector.ready
    assert (source.silences, source.differences, source.resyncs) == (0, 0, loads)


async def test_no_answer_to_the_question_changes_nothing(exchange, trader, source, eventually):
    """No evidence either way."""
    with exchange.faults.server_error(DEPTH, times=None) as fault:
        await eventually(lambda: fault.hits >= 3)
        assert trader.connector.ready
    assert source.silences == 0


async def test_wrong_content_of_a_quiet_book_is_found(trader, source, eventually, caplog):
    """A level that the exchange does not have."""
    feed = source.feeds[0]
    feed.book.apply_diffs([BookRow(99.97, 1.0, 1)], [], 1)
    await eventually(lambda: source.differences == 1)
    await trader.ready()
    assert best_prices(trader) == (99.9, 100.1)
    assert "was not the exchange's" in caplog.text


async def test_wrong_content_of_a_busy_book_is_found_by_its_best_prices(
    trader, source, quote, eventually, monkeypatch
):
    """A market that is never quiet is compared by the stream of best prices."""
    monkeypatch.setattr(watch, "SILENCE_S", math.inf)
    feed = source.feeds[0]
    feed.book.apply_diffs([BookRow(99.97, 1.0, 1)], [], 1)
    for n in range(400):
        quote("Ask", f"{100.09 - n / 100_000:.2f}", "0.5")
        quote("Bid", f"{99 + n % 90 / 100:.2f}", "0.5")
        await asyncio.sleep(0.01)
        if source.differences:
            break
    assert source.differences == 1
    await trader.ready()


async def test_right_book_agrees_with_every_best_price(
    trader, source, place, quote, exchange, monkeypatch
):
    """The comparison itself must never doubt a right book."""
    monkeypatch.setattr(watch, "COMPARISON_S", 0.0)
    compared = []
    compare = source._watch.compare
    monkeypatch.setattr(source._watch, "compare", lambda *a: compared.append(a) or compare(*a))
    for n in range(1, 150):
        quote("Ask", f"{100.09 - n / 1000:.2f}", "0.5")
        quote("Bid", f"{99.91 + n / 2500:.2f}", "0.5")
        if n % 7 == 0:
            place("maker", "Bid" if n % 2 else "Ask", None, "0.7")
        await asyncio.sleep(0.005)
    assert len(compared) > 20
    assert (source.differences, source.gaps, source.crossings) == (0, 0, 0)


async def test_comparison_is_given_up_when_the_exchange_refuses_it(
    trader, source, eventually, monkeypatch, caplog
):
    """Best prices are only a check; without them the books go on."""
    monkeypatch.setattr(watch, "SILENCE_S", math.inf)
    await eventually(lambda: any(s.compares_until_s for s in source._watch._sights.values()))
    source.on_message('{"error":{"code":4006,"message":"Invalid stream"},"id":null}')
    assert trader.connector.ready
    assert "Best prices are not compared" in caplog.text
    assert source.stream.connects == 1


async def test_update_ids_that_start_again_are_found(
    exchange, trader, source, quote, eventually, monkeypatch
):
    """Each later diff looks old, so the book would stand still for ever and count as right."""
    exchange.engine.set_next_update_id(SYMBOL, 1)
    quote("Bid", "100.00", "1")
    await eventually(lambda: best_prices(trader) == (100.0, 100.1))
    assert (source.differences, source.silences) == (1, 0)
    await trader.ready()
    monkeypatch.setattr(watch, "SILENCE_S", math.inf)
    quote("Bid", "100.05", "1")
    await eventually(lambda: best_prices(trader) == (100.05, 100.1))
    assert source.stream.connects == 1


async def test_answer_that_the_book_has_overtaken_is_no_evidence(
    exchange, trader, source, quote, eventually, monkeypatch
):
    """The market moved while the exchange answered."""
    loads = source.resyncs
    with exchange.faults.delay_replies(0.3, DEPTH, times=1) as question:
        await question.wait_hit()
        monkeypatch.setattr(watch, "SILENCE_S", math.inf)
        quote("Bid", "99.95", "1")
        await eventually(lambda: best_prices(trader) == (99.95, 100.1))
        looking = source._watch._looking[SYMBOL]
        await eventually(lambda: source._watch._looking[SYMBOL] is not looking)
    assert (source.differences, source.silences, source.resyncs) == (0, 0, loads)
    assert trader.connector.ready


# === markets that close and open


@pytest.fixture
def two_pairs(exchange, quote):
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    quote("Bid", "77000", "1", "BTC_USDC")
    quote("Ask", "78000", "1", "BTC_USDC")
    return [PAIR, "BTC-USDC"]


async def test_market_closed_at_the_start_keeps_no_other_from_trading_and_opens(
    exchange, two_pairs, start_trader, eventually, caplog
):
    """One halted market of several."""
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.CLOSED)
    trader = await start_trader(exchange, trading_pairs=two_pairs)
    connector = trader.connector
    assert best_prices(trader, "BTC-USDC") == (77000, 78000)
    assert connector.get_price(PAIR, True).is_nan()
    assert connector.health.halted == (PAIR,)
    assert f"halted {PAIR}" in str(connector.health)
    assert f"{PAIR} does not trade at the moment" in caplog.text
    refused = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await eventually(lambda: trader.events.names(refused) == ["Failure"])
    assert "closed" in trader.events.why_failed(refused)

    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.OPEN)
    await eventually(lambda: connector.health.halted == ())
    await eventually(lambda: PAIR in connector.trading_rules)
    await trader.ready()
    assert best_prices(trader) == (99.9, 100.1)
    order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)


async def test_market_that_closes_while_it_is_traded_shows_no_price(
    exchange, two_pairs, start_trader, quote, agree, eventually, caplog
):
    """Its last prices mean nothing; its orders stay as they are, and can be cancelled."""
    trader = await start_trader(exchange, trading_pairs=two_pairs)
    connector = trader.connector
    order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.CLOSED)
    await eventually(lambda: connector.health.halted == (PAIR,))
    assert connector.ready
    assert connector.get_price(PAIR, False).is_nan()
    quote("Bid", "77500", "1", "BTC_USDC")
    await eventually(lambda: best_prices(trader, "BTC-USDC") == (77500, 78000))
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    connector.cancel(PAIR, order_id)
    await trader.done(order_id)
    await agree(trader)


async def test_only_market_that_closes_makes_the_connector_not_ready(
    exchange, trader, quote, eventually
):
    """There is nothing to trade, until it opens."""
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.CLOSED)
    await eventually(lambda: not trader.connector.ready)
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.OPEN)
    await trader.ready()
    quote("Bid", "99.95", "1")
    await eventually(lambda: best_prices(trader) == (99.95, 100.1))


async def test_market_that_takes_orders_again_is_offered_again(exchange, trader, calls, eventually):
    """Cancel-only markets show a book; their rules are asked for until they take orders."""
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.CANCEL_ONLY)
    await trader.connector._update_trading_rules()
    assert PAIR not in trader.connector.trading_rules
    assert trader.connector.ready
    exchange.engine.set_order_book_state(SYMBOL, OrderBookState.OPEN)
    await eventually(lambda: PAIR in trader.connector.trading_rules)
    asked = calls.count(MARKETS)
    await asyncio.sleep(0.5)  # several looks
    assert calls.count(MARKETS) == asked
