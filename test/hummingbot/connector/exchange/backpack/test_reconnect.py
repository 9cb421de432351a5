"""Connections break: no fill is lost or counted twice, and no wrong book is shown as right."""

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import (
    backpack_api_order_book_data_source,
    backpack_stream,
)
from hummingbot.connector.exchange.backpack.api.models import Side
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.network_iterator import NetworkStatus

PAIR = "SOL-USDC"
DEPTH = "GET /api/v1/depth"
FIVE_PAIRS = ["SOL-USDC", "BTC-USDC", "ETH-USDC", "PYTH-USDC", "JTO-USDC"]

pytestmark = pytest.mark.usefixtures("quick_reconnects")


def book_of(trader, pair=PAIR):
    """Hummingbot's book as sorted levels ``(price, amount)`` of bids and of asks."""
    book = trader.connector.get_order_book(pair)
    return tuple(
        sorted((Decimal(str(row.price)), Decimal(str(row.amount))) for row in rows)
        for rows in (book.bid_entries(), book.ask_entries())
    )


def true_book(exchange, pair=PAIR):
    """The exchange's own book in the same form."""
    bids, asks, _ = exchange.engine.depth(pair.replace("-", "_"), 1000)
    return bids, asks


def is_right(trader, exchange, *pairs):
    return all(book_of(trader, pair) == true_book(exchange, pair) for pair in pairs or [PAIR])


def set_level(exchange, side, price, quantity, symbol="SOL_USDC"):
    """Change what others offer at one price."""
    exchange.engine.set_level(symbol, Side(side), Decimal(price), Decimal(quantity))


def connects(trader):
    """How often the streams of market data and of the account have been connected."""
    connector = trader.connector
    data_source = connector._user_stream_tracker.data_source
    return connector._orderbook_ds.stream.connects, data_source.stream.connects


async def resting(trader, price, amount=2):
    order_id = trader.connector.buy(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))
    await trader.open(order_id)
    return order_id


# === both streams


async def test_streams_dropped_come_back_with_what_happened_meanwhile(
    trader, exchange, quote, agree, eventually
):
    """Not ready during the outage; afterwards fills and book are the exchange's."""
    filled, half_filled, kept = [
        await resting(trader, price) for price in ("99.97", "99.96", "99.50")
    ]
    with exchange.faults.refuse_websockets():
        assert exchange.faults.drop_websockets() == 2
        await eventually(lambda: not trader.connector.ready)
        quote("Ask", "99.96", "3")
        quote("Bid", "99.80", "7")
        assert not trader.connector.ready
    await trader.ready()

    order = await trader.done(filled)
    assert order.is_filled
    await eventually(lambda: trader.order(half_filled).executed_amount_base == 1)
    await eventually(lambda: is_right(trader, exchange))
    assert trader.events.names(filled) == ["Created", "Filled", "Completed"]
    assert trader.events.names(half_filled) == ["Created", "Filled"]
    assert trader.events.names(kept) == ["Created"]
    await agree(trader)

    quote("Ask", "99.96", "1")  # and the new streams carry on
    await trader.done(half_filled)
    await eventually(lambda: is_right(trader, exchange))
    assert trader.events.names(half_filled) == ["Created", "Filled", "Filled", "Completed"]
    await agree(trader)


async def test_streams_dropped_again_and_again_lose_nothing(
    trader, exchange, quote, agree, eventually
):
    """Ten drops with a fill right before and right after each."""
    order_id = await resting(trader, "99.97", amount=20)
    for _ in range(10):
        quote("Ask", "99.97", "0.5")
        exchange.faults.drop_websockets()
        quote("Ask", "99.97", "0.5")
        await eventually(lambda: not trader.connector.ready)
        await trader.ready()
    order = trader.order(order_id)
    await eventually(lambda: order.executed_amount_base == 10)

    assert trader.events.names(order_id) == ["Created", *["Filled"] * 20]
    await eventually(lambda: is_right(trader, exchange))
    await agree(trader)


async def test_exchange_that_is_down_at_the_start_is_waited_for(
    exchange, quote, start_trader, agree, caplog
):
    """Nothing can be loaded yet: a line for each attempt, no traceback, and ready in the end."""
    caplog.set_level(logging.DEBUG)
    port = int(exchange.rest_url.rpartition(":")[2])
    exchange.settings = replace(exchange.settings, port=port)
    quote("Bid", "99.90", "50")
    await exchange.stop()
    trader = await start_trader(exchange, ready=False)
    await asyncio.sleep(0.5)  # several attempts of everything that is loaded at the start
    assert not trader.connector.ready
    await exchange.start()
    await trader.ready()

    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert is_right(trader, exchange)
    assert trader.connector.trading_rules
    await agree(trader)


async def test_network_stopped_and_started_as_hummingbot_does_goes_on(
    trader, exchange, quote, agree, eventually
):
    """Hummingbot stops a connector while the network check fails, and starts the same one again."""
    order_id = await resting(trader, "99.97")
    await trader.stop()
    assert not trader.connector.ready
    quote("Ask", "99.97", "1")
    quote("Bid", "99.80", "1")
    await trader.start()
    await trader.ready()

    order = trader.order(order_id)
    await eventually(lambda: order.executed_amount_base == 1)
    await eventually(lambda: is_right(trader, exchange))
    quote("Ask", "99.97", "1")
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Filled", "Filled", "Completed"]
    await agree(trader)


async def test_network_stopped_sends_nothing_any_more(trader, exchange, calls, eventually):
    """A stopped connector leaves neither a connection nor a task that goes on asking."""
    with exchange.faults.server_error(DEPTH, times=None):
        exchange.faults.drop_websockets()
        await eventually(lambda: calls.count(DEPTH) >= 2)
        await trader.stop()
        await eventually(lambda: exchange.connections == 0)
        calls.all.clear()
        await asyncio.sleep(0.5)  # the pauses between the attempts are up to a quarter of this
    assert calls.all == []


async def test_batch_under_way_survives_a_stop_of_the_network(trader, exchange, agree):
    """A batch was sent, the network was stopped before its reply: its orders are found again."""
    from hummingbot.core.data_type.limit_order import LimitOrder

    wanted = [
        LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(price), Decimal(1))
        for price in ("99.50", "99.60")
    ]
    with (
        exchange.faults.delay_replies(0.3, "POST /api/v1/orders") as fault,
        exchange.faults.skip_frames("account.orderUpdate", times=None),
    ):
        orders = trader.connector.batch_order_create(wanted)
        await fault.wait_hit()
        await trader.stop()
    await trader.start()
    await trader.ready()

    for order in orders:
        await trader.open(order.client_order_id)
        assert trader.events.names(order.client_order_id) == ["Created"]
    await agree(trader)


# === the account's stream


async def test_fill_that_the_stream_lost_is_found_by_the_poll(
    trader, exchange, quote, agree, monkeypatch
):
    """An event that never came, on a connection that stands: the next poll tells."""
    order_id = await resting(trader, "99.97")
    monkeypatch.setattr(trader.connector, "LONG_POLL_INTERVAL", 0.3)
    with exchange.faults.skip_frames("account.orderUpdate", times=None):
        quote("Ask", "99.97", "2")
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    await agree(trader)


async def test_fill_that_the_stream_lost_does_not_delay_the_next_ones(
    little_patience, trader, exchange, quote, agree, eventually
):
    """A lost first fill is noticed by the second, which counts both."""
    order_id = await resting(trader, "99.97", amount=3)
    order = trader.order(order_id)
    with exchange.faults.skip_frames("account.orderUpdate"):
        quote("Ask", "99.97", "1")
    quote("Ask", "99.97", "1")

    await eventually(lambda: order.executed_amount_base == 2)
    assert trader.events.names(order_id) == ["Created", "Filled", "Filled"]
    await agree(trader)


async def test_balance_told_by_an_event_is_not_undone_by_an_older_reply(
    trader, exchange, agree, eventually
):
    """The reply to a balance request was computed before an order locked funds, and came after."""
    with exchange.faults.delay_replies(0.3, "GET /api/v1/capital", times=1) as fault:
        trader.connector.request_reconciliation()
        await fault.wait_hit()
        await resting(trader, "99.50")
        await eventually(lambda: trader.connector.available_balances["USDC"] == 99801)
        polls = trader.connector._last_poll_timestamp
        await eventually(lambda: trader.connector._last_poll_timestamp > polls)

    assert trader.connector.available_balances["USDC"] == 99801
    await agree(trader)


# === market data


async def test_gap_makes_the_book_unready_until_it_is_loaded_again(
    trader, exchange, calls, eventually
):
    """One frame was lost: the next one shows it, and the book is not trusted until it is right."""
    with exchange.faults.skip_frames("depth.SOL_USDC") as lost:
        set_level(exchange, "Bid", "99.70", "5")
        assert lost.hits == 1
    assert trader.connector.ready  # nobody can know yet
    loads = calls.count(DEPTH)
    with exchange.faults.delay_replies(0.2, DEPTH):
        set_level(exchange, "Ask", "100.30", "6")
        await eventually(lambda: not trader.connector.ready)
        set_level(exchange, "Bid", "99.60", "7")
        await trader.ready()

    assert is_right(trader, exchange)
    assert calls.count(DEPTH) == loads + 1
    assert trader.connector._orderbook_ds.gaps == 1


async def test_gap_of_one_pair_reloads_that_pair_only(exchange, start_trader, calls, eventually):
    """Of five pairs one lost a frame; the books of the others go on."""
    trader = await start_trader(exchange, trading_pairs=FIVE_PAIRS)
    calls.all.clear()
    with exchange.faults.skip_frames("depth.PYTH_USDC"):
        set_level(exchange, "Bid", "0.05", "1000", "PYTH_USDC")
    for symbol, price in (("PYTH_USDC", "0.049"), ("BTC_USDC", "77000"), ("ETH_USDC", "2400")):
        set_level(exchange, "Bid", price, "1000", symbol)

    await eventually(lambda: calls.count(DEPTH) == 1)
    await trader.ready()
    assert "symbol=PYTH_USDC" in calls.of(DEPTH)[0].query
    await eventually(lambda: is_right(trader, exchange, *FIVE_PAIRS))


async def test_five_pairs_are_right_again_after_a_drop(exchange, start_trader, calls, eventually):
    """All five change during the outage; one request each brings them back."""
    trader = await start_trader(exchange, trading_pairs=FIVE_PAIRS)
    symbols = [pair.replace("-", "_") for pair in FIVE_PAIRS]
    for number, symbol in enumerate(symbols):
        set_level(exchange, "Bid", 1 + number, "10", symbol)
    calls.all.clear()
    with exchange.faults.refuse_websockets():
        exchange.faults.drop_websockets()
        await eventually(lambda: not trader.connector.ready)
        for number, symbol in enumerate(symbols):
            set_level(exchange, "Bid", 1 + number, "0", symbol)
            set_level(exchange, "Ask", 100_000 + number, "20", symbol)
    await trader.ready()

    assert is_right(trader, exchange, *FIVE_PAIRS)
    assert calls.count(DEPTH) == 5
    set_level(exchange, "Bid", "3", "10", "JTO_USDC")
    await eventually(lambda: is_right(trader, exchange, *FIVE_PAIRS))


async def test_snapshot_that_fails_is_asked_again(trader, exchange, eventually):
    """Errors while a book is loaded delay it; it is not ready before it is right."""
    with exchange.faults.server_error(DEPTH, times=3) as fault:
        exchange.faults.drop_websockets()
        await eventually(lambda: fault.hits == 3)
        assert not trader.connector.ready
    set_level(exchange, "Bid", "99.70", "5")
    await trader.ready()
    await eventually(lambda: is_right(trader, exchange))


async def test_book_stays_right_while_it_changes_and_breaks(exchange, start_trader, eventually):
    """Hundreds of changes with lost frames and drops among them end in the exchange's book."""
    trader = await start_trader(exchange)
    for number in range(300):
        side, price = ("Bid", 99) if number % 2 else ("Ask", 101)
        offset = Decimal(number * 7 % 40) / 100
        price = price - offset if side == "Bid" else price + offset
        if number % 60 == 59:
            exchange.faults.drop_websockets()
        with exchange.faults.skip_frames("depth.SOL_USDC", times=int(number % 25 == 24)):
            set_level(exchange, side, price, number * 13 % 17)
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    set_level(exchange, "Bid", "97.50", "1")  # the next frame shows a gap, if there is one
    await eventually(lambda: trader.connector.ready and is_right(trader, exchange))
    assert trader.connector._orderbook_ds.gaps > 0


async def test_connection_that_answers_no_ping_is_given_up_and_made_anew(
    trader, exchange, agree, eventually, monkeypatch
):
    """Half open: the socket stands, and nothing comes any more."""
    monkeypatch.setattr(backpack_stream, "STREAM_HEARTBEAT_S", 0.2)
    exchange.faults.drop_websockets()
    await eventually(lambda: connects(trader) == (2, 2))
    with exchange.faults.half_open():
        await eventually(lambda: connects(trader) == (3, 3))
        await trader.ready()
        await agree(trader)


async def test_quiet_connection_that_answers_pings_is_kept(
    trader, exchange, eventually, monkeypatch
):
    """Nothing happens in the market for a long time."""
    monkeypatch.setattr(backpack_stream, "STREAM_HEARTBEAT_S", 0.1)
    exchange.faults.drop_websockets()
    await eventually(lambda: connects(trader) == (2, 2))
    began_s = trader.connector.current_timestamp
    await eventually(lambda: trader.connector.current_timestamp > began_s + 1)
    assert connects(trader) == (2, 2)
    assert trader.connector.ready


async def test_closing_frame_is_followed_by_a_new_connection(trader, exchange, eventually):
    """A planned end (close code 1001) is no failure to stop at."""
    for session in list(exchange._server._sessions.values()):
        await session.close(code=1001)
    await eventually(lambda: connects(trader) == (2, 2))
    await trader.ready()
    assert is_right(trader, exchange)


async def test_snapshot_of_a_lost_connection_does_not_make_the_next_one_ready(
    trader, exchange, eventually
):
    """It arrived between two connections, so the book is old when the second one stands."""
    with exchange.faults.delay_replies(0.3, DEPTH) as late:
        exchange.faults.drop_websockets()
        await late.wait_hit()
        with exchange.faults.refuse_websockets():
            exchange.faults.drop_websockets()
            await asyncio.sleep(0.4)  # the reply comes into the outage
            set_level(exchange, "Bid", "99.70", "5")
        await eventually(lambda: trader.connector.ready)
        assert is_right(trader, exchange)


async def test_snapshot_older_than_the_stream_is_not_used(trader, exchange, calls, eventually):
    """A reply from before the subscription cannot be continued by the diffs that came since."""
    connector = trader.connector
    async with (await Connections().session()).get(
        f"{exchange.rest_url}/api/v1/depth?symbol=SOL_USDC&limit=1000"
    ) as reply:
        old = await reply.text()
    set_level(exchange, "Bid", "99.70", "5")  # the snapshot does not know this
    with (
        exchange.faults.answer(200, old, DEPTH),
        exchange.faults.delay_replies(0.2, DEPTH, times=1) as late,
    ):
        calls.all.clear()
        exchange.faults.drop_websockets()
        await late.wait_hit()
        await eventually(lambda: connector._orderbook_ds.stream.connects == 2)
        set_level(exchange, "Ask", "100.40", "3")  # nor what the stream tells meanwhile
        await trader.ready()
    assert calls.count(DEPTH) == 2
    assert is_right(trader, exchange)


async def test_message_that_cannot_be_read_costs_no_connection(trader, exchange, eventually):
    """If it was a diff, the next one shows the gap."""
    data_source = trader.connector._orderbook_ds
    for payload in ("garbage", "{}", '{"data":{"e":"depth"},"stream":"depth.SOL_USDC"}'):
        data_source.on_message(payload)
    assert trader.connector.ready
    set_level(exchange, "Bid", "99.70", "5")
    await eventually(lambda: is_right(trader, exchange))
    assert data_source.stream.connects == 1


async def test_message_of_a_pair_that_is_not_followed_is_ignored(trader, exchange):
    """A frame may still come after its pair was given back."""
    trader.connector._orderbook_ds.on_message(
        '{"data":{"E":1,"T":1,"U":5,"a":[["1","1"]],"b":[],"e":"depth","s":"BTC_USDC","u":5},'
        '"stream":"depth.BTC_USDC"}'
    )
    assert trader.connector.ready
    assert is_right(trader, exchange)


async def test_books_without_streams_are_there_but_not_ready(
    exchange, quote, start_trader, eventually, monkeypatch
):
    """Only the WebSocket server is down: books are loaded once, and not shown as ready."""
    monkeypatch.setattr(backpack_api_order_book_data_source, "_SUBSCRIBE_PATIENCE_S", 0.1)
    quote("Bid", "99.90", "50")
    with exchange.faults.refuse_websockets():
        trader = await start_trader(exchange, ready=False)
        await eventually(lambda: PAIR in trader.connector.order_books)
        assert is_right(trader, exchange)
        assert not trader.connector.ready
        quote("Ask", "100.10", "50")
    await trader.ready()
    assert is_right(trader, exchange)


async def test_maintenance_is_a_lost_network_to_hummingbot(trader, exchange):
    """Hummingbot then stops the connector and strategies wait."""
    connector = trader.connector
    assert await connector.check_network() is NetworkStatus.CONNECTED
    with exchange.faults.maintenance():
        assert await connector.check_network() is NetworkStatus.NOT_CONNECTED
    assert await connector.check_network() is NetworkStatus.CONNECTED
