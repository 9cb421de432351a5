"""Each named fault does what it says, to whom it says, and nothing once its block has ended."""

import asyncio
import json
import random
import time
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    CancelOrders,
    GetCapital,
    GetOpenOrders,
)
from hummingbot.connector.exchange.backpack.api.models import OrderBookState, Side
from hummingbot.connector.exchange.backpack.simulator.faults import RefusalReason
from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange

ORDER = "POST /api/v1/order"


def open_ids(exchange):
    return [order.order_id for order in exchange.engine.open_orders("main")]


async def test_websockets_are_dropped_without_a_word(stream, exchange, client, open_stream):
    await stream.settled()
    assert exchange.faults.drop_websockets() == 1

    message = await asyncio.wait_for(stream.socket.receive(), 10)
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    assert await (await open_stream(client)).settled() == []


async def test_new_websockets_are_refused(stream, exchange, client, open_stream):
    with exchange.faults.refuse_websockets():
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await open_stream(client)
        assert await stream.settled() == []
    assert await (await open_stream(client)).settled() == []


async def test_one_depth_frame_is_skipped(stream, exchange, eventually):
    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()

    def change(quantity):
        exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(quantity))

    change(1)
    with exchange.faults.skip_frames("depth.SOL_USDC") as fault:
        change(2)
        await fault.wait_hit()
        change(3)
    first, third = await stream.settled()

    assert fault.hits == 1
    assert third["data"]["U"] == first["data"]["u"] + 2


async def test_replies_are_delayed_and_requests_not(client, exchange):
    with exchange.faults.delay_replies(0.3, ORDER) as fault:
        started_s = time.monotonic()
        placing = asyncio.create_task(client.place("Bid", "99.50", "1"))
        await fault.wait_hit()
        await client.get("/api/v1/ping")
        assert len(open_ids(exchange)) == 1, "executed at once"
        assert not placing.done()
        assert (await placing).status == 200
        assert time.monotonic() - started_s >= 0.3


async def test_requests_are_delayed(client, exchange):
    with exchange.faults.delay_requests(0.2, ORDER) as fault:
        placing = asyncio.create_task(client.place("Bid", "99.50", "1"))
        await fault.wait_hit()
        assert open_ids(exchange) == []
        await placing
        assert len(open_ids(exchange)) == 1


async def test_an_order_is_accepted_and_never_answered(client, exchange):
    with exchange.faults.accept_then_hang(ORDER, times=1) as fault:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.place("Bid", "99.50", "1"), 0.2)
        assert fault.hits == 1
        assert len(open_ids(exchange)) == 1
        assert (await client.place("Bid", "99.00", "1")).status == 200, "one time only"
    assert (await client.place("Bid", "99.00", "1")).status == 200


async def test_held_requests_are_cut_when_the_block_ends(client, exchange):
    with exchange.faults.accept_then_hang(ORDER) as fault:
        placing = asyncio.create_task(client.place("Bid", "99.50", "1"))
        await fault.wait_hit()
    with pytest.raises(aiohttp.ClientError):
        await placing


async def test_a_request_is_lost_before_it_arrives(client, exchange):
    with (
        exchange.faults.cut_before_arrival(ORDER, times=1),
        pytest.raises(aiohttp.ClientError),
    ):
        await client.place("Bid", "99.50", "1")
    assert open_ids(exchange) == []


async def test_a_reply_is_lost_after_the_execution(client, exchange):
    with exchange.faults.cut_after_execution(ORDER), pytest.raises(aiohttp.ClientError):
        await client.place("Bid", "99.50", "1")
    assert len(open_ids(exchange)) == 1


async def test_an_error_is_answered_once(client, exchange):
    with exchange.faults.server_error(ORDER):
        first = await client.place("Bid", "99.50", "1")
        second = await client.place("Bid", "99.50", "1")

    assert (first.status, first.json["code"]) == (500, "SERVER_ERROR")
    assert second.status == 200
    assert len(open_ids(exchange)) == 1


async def test_an_error_may_hide_that_it_was_done(client, exchange):
    with exchange.faults.server_error(ORDER, executed=True):
        assert (await client.place("Bid", "99.50", "1")).status == 500
    assert len(open_ids(exchange)) == 1


async def test_any_answer_can_be_given(client, exchange):
    page = "<html>Bad gateway</html>"
    with exchange.faults.answer(502, page, content_type="text/html", times=None):
        for _ in range(2):
            answer = await client.get("/api/v1/ping")
            assert (answer.status, answer.text, answer.content_type) == (502, page, "text/html")
    assert (await client.get("/api/v1/ping")).text == "pong"


async def test_requests_are_rate_limited_on_demand(client, exchange):
    with exchange.faults.rate_limited("GET /api/v1/capital"):
        answer = await client.call(GetCapital())

    assert (answer.status, answer.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert (await client.call(GetCapital())).status == 200


async def test_cancels_are_accepted_and_done_later(client, exchange, eventually):
    await client.place("Bid", "99.50", "1", client_id=3)
    with exchange.faults.late_cancels(0.1):
        answer = await client.call(CancelOrder(symbol="SOL_USDC", client_id=3))
        assert (answer.status, answer.body) == (202, b"")
        assert len(open_ids(exchange)) == 1

    await eventually(lambda: open_ids(exchange) == [])


async def test_maintenance_refuses_writes_and_shows(client, exchange):
    with exchange.faults.maintenance():
        refused = await client.place("Bid", "99.50", "1")
        status = await client.get("/api/v1/status")
        assert (refused.status, refused.json["code"]) == (503, "MAINTENANCE")
        assert status.json["status"] == "Maintenance"
        assert (await client.call(GetCapital())).status == 200
    assert (await client.get("/api/v1/status")).json["status"] == "Ok"
    assert open_ids(exchange) == []


@pytest.mark.parametrize(
    ("skew_ms", "message"),
    [
        (10_000, "Request has expired"),
        (700_000, "Invalid timestamp: must be within 10 minutes of current time"),
        (-700_000, "Invalid timestamp: must be within 10 minutes of current time"),
    ],
)
async def test_the_exchanges_clock_can_be_off(client, exchange, skew_ms, message):
    with exchange.faults.clock_skew(skew_ms):
        refused = await client.call(GetCapital())
        told_ms = int((await client.get("/api/v1/time")).text)
        corrected = await client.call(GetCapital(), timestamp_ms=told_ms)

    assert refused.json == {"code": "INVALID_CLIENT_REQUEST", "message": message}
    assert abs(told_ms - time.time() * 1000 - skew_ms) < 60_000
    assert corrected.status == 200
    assert (await client.call(GetCapital())).status == 200


async def test_faults_can_be_combined(client, exchange):
    faults = exchange.faults
    with (
        faults.delay_requests(0.05),
        faults.server_error("GET /api/v1/capital") as inner,
        faults.rate_limited("GET /api/v1/ping"),
    ):
        assert (await client.call(GetCapital())).status == 500
        assert (await client.get("/api/v1/ping")).status == 429
        assert inner.hits == 1


async def test_stopping_lets_go_of_held_requests(quiet, client_of):
    exchange = LocalExchange(quiet())
    await exchange.start()
    with exchange.faults.accept_then_hang(ORDER) as fault:
        placing = asyncio.create_task(client_of(exchange).place("Bid", "99.50", "1"))
        await fault.wait_hit()
        started_s = time.monotonic()
        await exchange.stop()
        assert time.monotonic() - started_s < 5
        with pytest.raises(aiohttp.ClientError):
            await placing


async def test_frames_can_be_lost_by_stream(stream, exchange):
    await stream.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC")
    await stream.settled()
    with exchange.faults.skip_frames("bookTicker.SOL_USDC", times=None):
        exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(1))

    frames = await stream.settled()

    assert [frame["stream"] for frame in frames] == ["depth.SOL_USDC"]


async def test_all_streams_can_fall_silent(stream, exchange, client):
    await stream.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC", "account.orderUpdate")
    await stream.settled()
    with exchange.faults.silence() as fault:
        await client.place("Bid", "99.50", "1")
        assert fault.hits == 3
    assert await stream.settled() == []
    await client.place("Bid", "99.60", "1")
    assert len(await stream.settled()) == 3


async def test_a_fill_can_be_told_twice(stream, exchange, client, other):
    await other.place("Ask", "100.00", "1")
    await stream.subscribe("account.orderUpdate")
    await stream.settled()
    with exchange.faults.duplicate_frames("account.orderUpdate", times=2):
        await client.place("Bid", "100.00", "1")

    frames = await stream.settled()

    kinds = [frame["data"]["e"] for frame in frames]
    assert kinds == ["orderAccepted", "orderAccepted", "orderFill", "orderFill"]
    assert frames[2] == frames[3]


async def test_cancelling_all_can_be_late_as_well(client, exchange, eventually):
    await client.place("Bid", "99.50", "1")
    with exchange.faults.late_cancels(0.05, "DELETE /api/v1/orders"):
        answer = await client.call(CancelOrders(symbol="SOL_USDC"))
        assert answer.status == 202
    await eventually(lambda: open_ids(exchange) == [])


async def test_a_half_open_connection_is_dead_but_not_closed(
    stream, exchange, client, open_stream, eventually
):
    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()
    with exchange.faults.half_open() as fault:
        assert fault.hits == 1
        await stream.socket.ping()
        await stream.socket.send_str("not json")
        exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(1))
        fresh = await open_stream(client)
        await fresh.subscribe("depth.SOL_USDC")
        assert await fresh.settled() == [], "a new connection works"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.socket.receive(), 0.2)
        assert not stream.socket.closed

    message = await asyncio.wait_for(stream.socket.receive(), 10)
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    await eventually(lambda: exchange.connections == 1)
    assert await fresh.settled() == []


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        (RefusalReason.INVALID_SIGNATURE, 4003, "Invalid signature"),
        (RefusalReason.PARSE_ERROR, 4002, "Parse error"),
        (RefusalReason.INVALID_STREAM, 4006, "Invalid stream"),
        (RefusalReason.INVALID_DEPTH_WINDOW, 4008, "Invalid depth window"),
    ],
)
async def test_a_private_subscription_is_refused(stream, exchange, client, reason, code, message):
    with exchange.faults.refuse_subscriptions(reason=reason) as fault:
        await stream.subscribe("depth.SOL_USDC")
        await stream.subscribe("account.orderUpdate")
        assert await stream.error() == {"code": code, "message": message}
        assert fault.hits == 1
        await client.place("Bid", "99.50", "1")
        assert [frame["stream"] for frame in await stream.settled()] == ["depth.SOL_USDC"]
        await stream.subscribe("account.orderUpdate")
        await stream.settled()
        await client.place("Bid", "99.60", "1")
        assert "account.orderUpdate" in [frame["stream"] for frame in await stream.settled()]


async def test_a_public_subscription_is_refused_by_its_name(stream, exchange):
    with exchange.faults.refuse_subscriptions(
        "depth.SOL_USDC", reason=RefusalReason.INVALID_STREAM, times=None
    ):
        await stream.subscribe("account.orderUpdate")
        assert await stream.settled() == []
        await stream.subscribe("bookTicker.SOL_USDC", "depth.SOL_USDC")
        assert (await stream.error())["code"] == 4006


async def test_a_diff_crosses_its_book_without_a_gap(stream, exchange):
    engine = exchange.engine
    engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(1))
    engine.set_level("SOL_USDC", Side.ASK, Decimal("100.50"), Decimal(1))
    await stream.subscribe("depth.SOL_USDC", "depth.BTC_USDC")
    await stream.settled()
    with exchange.faults.cross_books("SOL_USDC") as fault:
        engine.set_level("BTC_USDC", Side.ASK, Decimal("77000.0"), Decimal(1))
        engine.set_level("SOL_USDC", Side.ASK, Decimal("100.50"), Decimal(0))
        engine.set_level("SOL_USDC", Side.BID, Decimal("99.40"), Decimal(2))

    other, crossed, next_ = [frame["data"] for frame in await stream.settled()]

    assert fault.hits == 1
    assert (other["s"], other["a"]) == ("BTC_USDC", [["77000.0", "1.00000"]])
    assert (crossed["a"], crossed["b"]) == ([], [["201.00", "1.00"]])
    assert next_["U"] == crossed["u"] + 1
    assert next_["b"] == [["99.40", "2.00"]]


async def test_a_snapshot_comes_late_and_is_old_by_then(stream, exchange, client):
    """What a client meets that loads a book while it reconnects."""
    engine = exchange.engine
    engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(1))
    exchange.faults.drop_websockets()
    with exchange.faults.delay_replies(0.2, "GET /api/v1/depth", times=1) as fault:
        asking = asyncio.create_task(client.get("/api/v1/depth", symbol="SOL_USDC", limit=5))
        await fault.wait_hit()
        engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(7))
        fresh = (await client.get("/api/v1/depth", symbol="SOL_USDC", limit=5)).json
        old = (await asking).json

    assert (old["bids"], fresh["bids"]) == ([["99.5", "1"]], [["99.5", "7"]])
    assert int(fresh["lastUpdateId"]) == int(old["lastUpdateId"]) + 1


async def test_two_events_change_places(stream, exchange, client):
    await stream.subscribe("account.orderUpdate", "account.balanceUpdate")
    await stream.settled()
    with exchange.faults.swap_frames("account.orderUpdate"):
        for price in ("99.50", "99.60", "99.70"):
            await client.place("Bid", price, "1")

    frames = [f for f in await stream.settled() if f["stream"] == "account.orderUpdate"]

    assert [frame["data"]["p"] for frame in frames] == ["99.60", "99.50", "99.70"]


async def test_a_swapped_event_that_nothing_follows_comes_at_the_end(stream, exchange, client):
    await stream.subscribe("account.orderUpdate")
    await stream.settled()
    with exchange.faults.swap_frames("account.orderUpdate") as fault:
        await client.place("Bid", "99.50", "1")
        assert await stream.settled() == []
        assert fault.hits == 1
    assert [frame["data"]["p"] for frame in await stream.settled()] == ["99.50"]


async def test_events_of_two_accounts_are_not_mixed(stream, exchange, client, other, open_stream):
    theirs = await open_stream(other)
    for reader in (stream, theirs):
        await reader.subscribe("account.orderUpdate")
        await reader.settled()
    with exchange.faults.swap_frames("account.orderUpdate", times=2):
        await client.place("Bid", "99.50", "1")
        await other.place("Bid", "98.50", "1")
        await other.place("Bid", "98.60", "1")

    assert [f["data"]["p"] for f in await stream.settled()] == ["99.50"]
    assert [f["data"]["p"] for f in await theirs.settled()] == ["98.60", "98.50"]


async def test_frames_come_late_and_in_order(stream, exchange, client):
    await stream.subscribe("account.orderUpdate")
    await stream.settled()
    started_s = time.monotonic()
    with exchange.faults.delay_frames(0.2, "account.orderUpdate"):
        await client.place("Bid", "99.50", "1")
        await client.place("Bid", "99.60", "1")
        assert await stream.settled() == []
        prices = [(await stream.data("account.orderUpdate"))["p"] for _ in range(2)]
        assert time.monotonic() - started_s >= 0.2
    assert prices == ["99.50", "99.60"]
    assert await stream.settled() == []


async def test_late_frames_leave_at_the_end_before_newer_ones(stream, exchange, client):
    await stream.subscribe("account.orderUpdate")
    await stream.settled()
    with exchange.faults.delay_frames(60, "account.orderUpdate"):
        await client.place("Bid", "99.50", "1")
        await client.place("Bid", "99.60", "1")
    await client.place("Bid", "99.70", "1")

    prices = [frame["data"]["p"] for frame in await stream.settled()]

    assert prices == ["99.50", "99.60", "99.70"]


async def test_a_frame_cannot_be_read(stream, exchange):
    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()
    with exchange.faults.garble_frames("depth.SOL_USDC"):
        exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(1))
    with pytest.raises(ValueError, match="line 1"):
        json.loads(await stream.receive())


async def test_an_event_tells_a_state_that_nobody_knows(stream, exchange, client):
    await stream.subscribe("account.orderUpdate")
    await stream.settled()
    with exchange.faults.unknown_order_state():
        await client.place("Bid", "99.50", "1")
        await client.place("Bid", "99.60", "1")

    first, second = [frame["data"] for frame in await stream.settled()]

    assert (first["X"], second["X"]) == ("Suspended", "New")
    assert first.keys() == second.keys()


async def test_requests_vanish(client, exchange):
    with exchange.faults.lose_requests(ORDER, times=1) as fault:
        placing = asyncio.create_task(client.place("Bid", "99.50", "1"))
        await fault.wait_hit()
        assert (await client.place("Bid", "99.00", "1")).status == 200, "one time only"
        assert not placing.done()
    with pytest.raises(aiohttp.ClientError):
        await placing
    assert len(open_ids(exchange)) == 1


@pytest.mark.parametrize("is_announced", [False, True])
async def test_the_server_goes_down_and_comes_back_as_it_was(
    exchange, client, stream, open_stream, is_announced
):
    await client.place("Bid", "99.50", "1")
    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()
    address = exchange.rest_url
    receiving = asyncio.create_task(stream.socket.receive())
    async with exchange.faults.outage(is_announced=is_announced):
        message = await asyncio.wait_for(receiving, 10)
        assert stream.socket.close_code == (1001 if is_announced else 1006)
        assert message.type is not aiohttp.WSMsgType.TEXT
        for _ in range(3):
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get("/api/v1/ping")
        exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.40"), Decimal(1))

    assert exchange.rest_url == address
    assert (await client.get("/api/v1/ping")).text == "pong"
    assert [row["price"] for row in (await client.call(GetOpenOrders())).json] == ["99.5"]
    again = await open_stream(client)
    await again.subscribe("depth.SOL_USDC")
    assert await again.settled() == []


async def test_a_request_under_way_is_cut_by_an_outage(client, exchange):
    with exchange.faults.delay_replies(60, "GET /api/v1/ping") as fault:
        asking = asyncio.create_task(client.get("/api/v1/ping"))
        await fault.wait_hit()
        async with exchange.faults.outage():
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(asking, 10)
            async with exchange.faults.outage():
                pass
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get("/api/v1/status")
        assert (await client.get("/api/v1/status")).status == 200


async def test_an_exchange_can_be_closed_during_an_outage(quiet):
    exchange = LocalExchange(quiet())
    await exchange.start()
    port = int(exchange.rest_url.rsplit(":", 1)[1])
    async with exchange.faults.outage():
        await exchange.stop()
    again = LocalExchange(quiet(port=port))
    await again.start()
    await again.stop()


async def test_one_market_is_halted(client, exchange, order):
    await client.place("Bid", "99.50", "1", client_id=3)
    with exchange.faults.halt_market("SOL_USDC"):
        refused = await client.place("Bid", "99.40", "1")
        assert (refused.status, refused.json["code"]) == (400, "TRADING_PAUSED")
        assert (await client.get("/api/v1/depth", symbol="SOL_USDC", limit=5)).status == 404
        assert (await client.place("Bid", "70000", "0.1", symbol="BTC_USDC")).status == 200
        with exchange.faults.halt_market("SOL_USDC", state=OrderBookState.POST_ONLY):
            assert (await client.call(order("Bid", "99.30", "1", post_only=True))).status == 200
        assert (await client.call(CancelOrder(symbol="SOL_USDC", client_id=3))).status == 200
    assert (await client.place("Bid", "99.40", "1")).status == 200


async def test_halts_may_end_in_any_order(exchange):
    faults, markets = exchange.faults, exchange.engine.markets
    first = faults.halt_market("SOL_USDC", state=OrderBookState.CANCEL_ONLY)
    second = faults.halt_market("SOL_USDC", state=OrderBookState.POST_ONLY)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert markets["SOL_USDC"].order_book_state is OrderBookState.POST_ONLY
    second.__exit__(None, None, None)
    assert markets["SOL_USDC"].order_book_state is OrderBookState.OPEN


async def test_maintenances_may_overlap(exchange, client):
    first, second = exchange.faults.maintenance(), exchange.faults.maintenance()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (await client.get("/api/v1/status")).json["status"] == "Maintenance"
    second.__exit__(None, None, None)
    assert (await client.get("/api/v1/status")).json["status"] == "Ok"


async def test_the_exchanges_clock_can_drift(open_exchange, client_of):
    now_us = 1_790_000_000_000_000
    moment = [now_us]
    exchange = await open_exchange(clock_us=lambda: moment[0])
    client = client_of(exchange)

    async def told_us():
        return int((await client.get("/api/v1/time")).text) * 1000 - now_us

    with exchange.faults.clock_drift(1.01), exchange.faults.clock_skew(-500):
        assert await told_us() == -500_000
        moment[0] += 100_000_000
        assert await told_us() == 101_000_000 - 500_000
    assert await told_us() == 100_000_000
    with exchange.faults.clock_drift(0.9):
        moment[0] += 100_000_000
        assert await told_us() == 190_000_000


async def test_a_fault_strikes_by_chance_only(client, exchange):
    with exchange.faults.server_error("GET /api/v1/ping", times=None) as fault:
        fault.only_sometimes(0.5, random.Random(3))
        codes = [(await client.get("/api/v1/ping")).status for _ in range(30)]

    assert fault.hits == codes.count(500)
    assert 5 < fault.hits < 25
