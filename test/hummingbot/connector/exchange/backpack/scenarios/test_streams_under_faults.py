"""Fills and readiness while connections break, hang or are refused."""

import asyncio

from ..conftest import CANCEL
from .conftest import until
from .wire import by_name, cut_account_stream, held_frames, no_names

ORDER_EVENTS = "account.orderUpdate"
DNS_FAILURE_S = 2.0


async def test_fill_while_the_user_stream_is_down_then_reconnect(trader, exchange, quote, agree):
    """What happened meanwhile is found, and the new stream carries on."""
    filled, partly = await trader.rest("99.97"), await trader.rest("99.96")
    with exchange.faults.refuse_websockets() as fault:
        cut_account_stream(exchange)
        quote("Ask", "99.96", "3")
        await until(lambda: fault.hits >= 2, "the connector did not try to connect again")
    await trader.done(filled)
    await trader.ready()
    await agree(trader)
    quote("Ask", "99.96", "1")
    await trader.done(partly)

    trader.expect(filled, "Created Filled Completed")
    trader.expect(partly, "Created Filled Filled Completed")
    await agree(trader)


async def test_duplicate_and_out_of_order_events(trader, exchange, quote, agree):
    """The last fill is told first, and everything twice."""
    with exchange.faults.duplicate_frames(ORDER_EVENTS, times=None):
        order_id, cancelled = await trader.rest("99.95"), await trader.rest("99.50")
        trader.connector.cancel("SOL-USDC", cancelled)
        await trader.done(cancelled)
    with held_frames(exchange, ORDER_EVENTS) as held:
        for _ in range(4):
            quote("Ask", "99.95", "0.5")
        assert len(held) == 4
        held[:] = [event for event in reversed(held) for _ in range(2)]
    await trader.done(order_id)

    await agree(trader)
    trader.expect(order_id, "Created Filled Filled Filled Filled Completed")
    trader.expect(cancelled, "Created Cancelled")


async def test_half_open_socket(stage, exchange, quote, start_trader, agree, calls):
    """Connections stand and nothing comes through them: they are given up and made anew."""
    stage.quicken_heartbeat()
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    trader = await start_trader(exchange)
    trader.wrong_book_limit_s = 4.0  # until a missing pong can be noticed
    order_id = await trader.rest("99.95")
    with exchange.faults.half_open() as fault:
        assert fault.hits == 2
        quote("Ask", "99.95", "2")
        quote("Bid", "99.80", "7")
        await trader.done(order_id)
        await trader.ready()
        await agree(trader)
    trader.expect(order_id, "Created Filled Completed")


async def test_refused_signature_on_subscribe(trader, exchange, quote, agree):
    """Without private events the connector is not ready; then it is, and has missed nothing."""
    order_id = await trader.rest("99.95")
    with exchange.faults.refuse_subscriptions(times=None) as fault:
        cut_account_stream(exchange)
        await until(lambda: fault.hits, "the connector did not subscribe again")
        quote("Ask", "99.95", "1")
        await asyncio.sleep(0.3)
        assert not trader.connector.ready, "ready although the private streams were refused"
    await trader.ready()
    await until(lambda: len(trader.events.fills()) == 1, "a fill was missed")
    quote("Ask", "99.95", "1")
    await trader.done(order_id)

    trader.expect(order_id, "Created Filled Filled Completed")
    await agree(trader)


async def test_server_restart(trader, exchange, quote, agree):
    """The exchange is away and comes back on the same address, with what happened meanwhile."""
    filled, kept = await trader.rest("99.97"), await trader.rest("99.50")
    async with exchange.faults.outage():
        quote("Ask", "99.97", "2")
        quote("Bid", "99.80", "1")
        await asyncio.sleep(0.5)  # several attempts find nobody
    await trader.ready()
    await trader.done(filled)

    trader.expect(filled, "Created Filled Completed")
    trader.expect(kept, "Created")
    await agree(trader)


async def test_dns_failure(exchange, quote, start_trader, agree, calls, monkeypatch):
    """No name is found for a while and all connections are gone: nothing is concluded from it."""
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    trader = await start_trader(exchange, as_seen=by_name)
    filled, kept = await trader.rest("99.95"), await trader.rest("99.50")
    with no_names(monkeypatch):
        async with exchange.faults.outage():
            pass  # all connections are cut: new ones need a name
        quote("Ask", "99.95", "2")
        quote("Bid", "99.80", "7")
        unsent = trader.buy("99.40")
        trader.connector.cancel("SOL-USDC", kept)
        await asyncio.sleep(DNS_FAILURE_S)
        assert not calls.count(CANCEL)
    await trader.done(filled)
    await trader.done(unsent)
    await trader.ready()
    await agree(trader)

    trader.expect(filled, "Created Filled Completed")
    trader.expect(unsent, "Failure")
    trader.expect(kept, "Created")
    trader.connector.cancel("SOL-USDC", kept)
    await trader.done(kept)
    trader.expect(kept, "Created Cancelled")
    await agree(trader)
