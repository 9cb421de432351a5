"""Each named fault does what it says, to whom it says, and nothing once its block has ended."""

import asyncio
import time
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    CancelOrders,
    GetCapital,
)
from hummingbot.connector.exchange.backpack.api.models import Side

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
    from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange

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
