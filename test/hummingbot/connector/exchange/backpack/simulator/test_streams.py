"""The streams over a socket: who gets what, in which order, and how a connection ends."""

import asyncio
import json
import socket
import zlib
from decimal import Decimal

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.depth import DepthSequence
from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder
from hummingbot.connector.exchange.backpack.api.models import OrderBookState, Side
from hummingbot.connector.exchange.backpack.api.streams import (
    PRIVATE_EVENTS,
    PUBLIC_EVENTS,
    frame_decoder,
    parse_frame,
)
from hummingbot.connector.exchange.backpack.simulator.connections import Connection
from hummingbot.connector.exchange.backpack.simulator.events import DepthEvent
from hummingbot.connector.exchange.backpack.simulator.frames import Frame
from hummingbot.connector.exchange.backpack.simulator.local import LiquidityKind
from hummingbot.connector.exchange.backpack.simulator.topics import (
    StreamFault,
    StreamKind,
    parse_topic,
)


def names(frames):
    return [(frame["stream"], frame["data"]["e"]) for frame in frames]


# --- names ---


@pytest.mark.parametrize(
    ("name", "kind", "symbol", "detail"),
    [
        ("depth.SOL_USDC", StreamKind.DEPTH, "SOL_USDC", ""),
        ("depth.200ms.SOL_USDC", StreamKind.DEPTH, "SOL_USDC", "200ms"),
        ("depth.MU.US_USDC_PERP", StreamKind.DEPTH, "MU.US_USDC_PERP", ""),
        ("kline.1month.MU.US_USDC", StreamKind.KLINE, "MU.US_USDC", "1month"),
        ("liquidation", StreamKind.LIQUIDATION, None, ""),
        ("account.orderUpdate", StreamKind.ORDER_UPDATE, None, ""),
        ("account.orderUpdate.SOL_USDC", StreamKind.ORDER_UPDATE, "SOL_USDC", ""),
        ("account.balanceUpdate", StreamKind.BALANCE_UPDATE, None, ""),
    ],
)
def test_a_name_has_its_parts(name, kind, symbol, detail):
    topic = parse_topic(name)

    assert (topic.kind, topic.symbol, topic.detail) == (kind, symbol, detail)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("depth.100ms.SOL_USDC", 4008),
        ("nonsense.SOL_USDC", 4006),
        ("depth", 4006),
        ("account.nonsense", 4006),
        ("kline.1H.SOL_USDC", 4006),
        ("", 4006),
    ],
)
def test_a_name_that_does_not_exist_has_its_error(name, code):
    with pytest.raises(StreamFault) as caught:
        parse_topic(name)
    assert caught.value.code == code


@given(st.text())
def test_any_name_is_a_topic_or_a_fault(name):
    try:
        code = None if parse_topic(name) else 0
    except StreamFault as e:
        code = e.code
    assert code in {None, 4006, 4008}


# --- frames ---


@given(st.binary(max_size=100_000), st.sampled_from([9, 12, 15]))
def test_a_frame_is_read_by_a_client_plain_and_compressed(payload, window_bits):
    for bits in (0, window_bits):
        encoded = Frame(payload).encoded(bits)
        length = encoded[1]
        at = {126: 4, 127: 10}.get(length, 2)
        if at > 2:
            length = int.from_bytes(encoded[2:at])
        body = encoded[at:]
        assert len(body) == length
        assert encoded[0] == (0xC1 if bits else 0x81)
        if bits:
            body = zlib.decompressobj(-bits).decompress(body + b"\x00\x00\xff\xff")
        assert body == payload


# --- public streams ---


async def test_nothing_is_acknowledged_and_data_follows(stream, other):
    await stream.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC", "trade.SOL_USDC")
    assert await stream.settled() == []

    await other.place("Bid", "99.50", "2")
    frames = await stream.settled()

    assert sorted(names(frames)) == [
        ("bookTicker.SOL_USDC", "bookTicker"),
        ("depth.SOL_USDC", "depth"),
    ]
    by_name = {frame["stream"]: frame["data"] for frame in frames}
    depth, ticker = by_name["depth.SOL_USDC"], by_name["bookTicker.SOL_USDC"]
    assert (depth["b"], depth["a"], depth["U"]) == ([["99.50", "2.00"]], [], depth["u"])
    assert ticker["u"] == depth["u"]
    assert depth["E"] >= depth["T"]
    for frame in frames:
        parse_frame(json.dumps(frame), frame_decoder(PUBLIC_EVENTS))


async def test_a_trade_comes_before_the_books_change(stream, client, other):
    await other.place("Ask", "100.00", "1")
    await stream.subscribe("trade.SOL_USDC", "depth.SOL_USDC")
    await stream.settled()
    await client.place("Bid", "100.00", "1")

    trade, depth = await stream.settled()

    assert (trade["stream"], depth["stream"]) == ("trade.SOL_USDC", "depth.SOL_USDC")
    assert (trade["data"]["m"], trade["data"]["p"], trade["data"]["q"]) == (False, "100.00", "1.00")
    assert int(trade["data"]["b"]) > int(trade["data"]["a"]), "the buyer came later"
    assert trade["data"]["T"] % 1000 == 0
    assert depth["data"]["a"] == [["100.00", "0.00"]]


async def test_subscribing_twice_does_not_double_the_data(stream, other):
    await stream.subscribe("depth.SOL_USDC")
    await stream.subscribe("depth.SOL_USDC", "depth.SOL_USDC")
    await stream.settled()
    await other.place("Bid", "99.50", "2")

    assert len(await stream.settled()) == 1


async def test_unsubscribing_ends_the_data(stream, other):
    await stream.subscribe("depth.SOL_USDC", "trade.SOL_USDC")
    await stream.unsubscribe("depth.SOL_USDC", "depth.BTC_USDC")
    await stream.settled()
    await other.place("Bid", "99.50", "2")

    assert await stream.settled() == []


async def test_unknown_and_closed_markets_are_silent(stream, exchange):
    exchange.engine.set_order_book_state("BTC_USDC", OrderBookState.CLOSED)
    await stream.subscribe("depth.NOPE_USDC", "ticker.NOPE_USDC", "ticker.BTC_USDC")
    await stream.subscribe("kline.1m.BTC_USDC", "markPrice.SOL_USDC", "liquidation")

    assert await stream.settled() == []


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        ("not json", 4002, "Parse error"),
        ("[]", 4002, "Parse error"),
        ("[" * 100_000, 4002, "Parse error"),
        ('{"method":"NOPE","params":[]}', 4002, "Parse error"),
        ('{"method":"SUBSCRIBE"}', 4002, "Parse error"),
        ('{"method":"SUBSCRIBE","params":"depth.SOL_USDC"}', 4002, "Parse error"),
        ('{"method":"SUBSCRIBE","params":[1]}', 4002, "Parse error"),
        ('{"method":"SUBSCRIBE","params":["account.orderUpdate"]}', 4003, "Invalid signature"),
        (
            '{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["a","b","c"]}',
            4003,
            "Invalid signature",
        ),
        (
            '{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["a","b","c","d"]}',
            4003,
            "Invalid signature",
        ),
        ('{"method":"SUBSCRIBE","params":["nope.SOL_USDC"]}', 4006, "Invalid stream"),
        ('{"method":"SUBSCRIBE","params":["depth.100ms.SOL_USDC"]}', 4008, "Invalid depth window"),
    ],
)
async def test_errors_leave_the_socket_open(stream, other, sent, code, message):
    await stream.socket.send_str(sent)
    assert await stream.error() == {"code": code, "message": message}

    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()
    await other.place("Bid", "99.50", "2")
    assert len(await stream.settled()) == 1


async def test_a_snapshot_and_the_stream_make_the_book(stream, client, exchange, other):
    await stream.subscribe("depth.SOL_USDC")
    await stream.settled()
    await other.place("Bid", "99.50", "2")
    await other.place("Ask", "100.50", "2")
    snapshot = (await client.get("/api/v1/depth", symbol="SOL_USDC", limit=1000)).json
    await other.place("Bid", "99.50", "1")
    await client.place("Ask", "99.50", "2.5")

    sequence = DepthSequence("SOL_USDC")
    decoder = frame_decoder(PUBLIC_EVENTS)
    for frame in await stream.settled():
        sequence.accept(parse_frame(json.dumps(frame), decoder))
    book = {side: {Decimal(p): Decimal(q) for p, q in snapshot[side]} for side in ("bids", "asks")}
    for diff in sequence.start(int(snapshot["lastUpdateId"])):
        for side in ("bids", "asks"):
            for level in getattr(diff, side):
                book[side][level.price] = level.quantity

    bids, asks, update_id = exchange.engine.depth("SOL_USDC", 1000)
    assert sequence.last_update_id == update_id
    assert {p: q for p, q in book["bids"].items() if q} == dict(bids)
    assert {p: q for p, q in book["asks"].items() if q} == dict(asks)


@pytest.mark.parametrize("window", ["200ms", "600ms", "1000ms"])
async def test_aggregated_depth_is_contiguous(stream, exchange, window):
    topic = f"depth.{window}.SOL_USDC"
    await stream.subscribe(topic)
    await stream.settled()
    engine = exchange.engine
    frames = []
    for round_ in range(2):
        for step in range(5):
            price = Decimal(f"99.{50 + step}")
            engine.set_level("SOL_USDC", Side.BID, price, Decimal(round_ + 1))
            quantity = Decimal(step + 1 + 10 * round_)
            engine.set_level("SOL_USDC", Side.BID, Decimal("99.00"), quantity)
        frames.append(await stream.data(topic))

    first, second = frames
    assert first["U"] < first["u"]
    assert second["U"] == first["u"] + 1
    assert second["u"] == engine.depth("SOL_USDC", 5)[2]
    assert [price for price, _ in first["b"]] == [
        "99.00",
        "99.50",
        "99.51",
        "99.52",
        "99.53",
        "99.54",
    ]
    assert first["b"][0][1] == "5.00", "each level once, as it is at the end"


async def test_ticker_comes_every_second_even_unchanged(stream):
    await stream.subscribe("ticker.SOL_USDC", "kline.1m.SOL_USDC")
    first = await stream.data("ticker.SOL_USDC")
    second = await stream.data("ticker.SOL_USDC")

    assert 0.5e6 < second["E"] - first["E"] < 1.8e6
    assert {key: first[key] for key in "ohlcvVn"} == {key: second[key] for key in "ohlcvVn"}
    assert isinstance(first["n"], int)
    assert "T" not in first


async def test_candles_run_and_close(stream, client, other):
    await other.place("Ask", "100.00", "10")
    await stream.subscribe("kline.1s.SOL_USDC")

    async def trade():
        while True:
            await client.place("Bid", "100.00", "0.01")
            await asyncio.sleep(0.05)

    trading = asyncio.create_task(trade())
    running = await stream.take(lambda frame: frame["data"]["X"] is False)
    closed = await stream.take(lambda frame: frame["data"]["X"] is True and frame["data"]["n"])
    trading.cancel()

    assert list(running["data"]) == list("EesTXchlnotv")
    assert running["data"]["c"] == "100"
    assert closed["data"]["t"] < closed["data"]["T"]
    parse_frame(json.dumps(closed), frame_decoder(PUBLIC_EVENTS))


# --- private streams ---


async def test_own_orders_and_balances_come_in_the_recorded_order(stream, client):
    await stream.subscribe("account.orderUpdate", "account.balanceUpdate")
    await stream.settled()
    placed = (await client.place("Bid", "99.50", "2", client_id=5)).json
    await client.call(CancelOrder(symbol="SOL_USDC", client_id=5))

    frames = await stream.settled()

    assert names(frames) == [
        ("account.orderUpdate", "orderAccepted"),
        ("account.balanceUpdate", "balanceUpdate"),
        ("account.orderUpdate", "orderCancelled"),
        ("account.balanceUpdate", "balanceUpdate"),
    ]
    accepted, locked, cancelled, freed = (frame["data"] for frame in frames)
    assert (accepted["i"], accepted["c"], accepted["X"]) == (placed["id"], 5, "New")
    assert (locked["a"], locked["A"], locked["L"]) == ("USDC", "99801", "199")
    assert cancelled["X"] == "Cancelled"
    assert (freed["A"], freed["L"]) == ("100000", "0")
    for frame in frames:
        parse_frame(json.dumps(frame), frame_decoder(PRIVATE_EVENTS))


async def test_a_market_order_is_accepted_and_then_filled(stream, client, other):
    await other.place("Ask", "100.00", "10")
    await stream.subscribe("account.orderUpdate.SOL_USDC")
    await stream.settled()
    await client.place("Bid", "100.00", "1")

    accepted, filled = await stream.settled()

    assert accepted["stream"] == filled["stream"] == "account.orderUpdate.SOL_USDC"
    assert (accepted["data"]["e"], filled["data"]["e"]) == ("orderAccepted", "orderFill")
    assert (filled["data"]["z"], filled["data"]["n"], filled["data"]["N"]) == (
        "1.00",
        "0.001",
        "SOL",
    )


async def test_private_streams_are_for_their_account_only(open_stream, client, other):
    theirs = await open_stream(other)
    await theirs.subscribe("account.orderUpdate", "account.balanceUpdate")
    await theirs.settled()
    await client.place("Bid", "99.50", "2")

    assert await theirs.settled() == []


async def test_one_refused_name_subscribes_nothing(stream, other):
    await stream.subscribe("depth.SOL_USDC", "nope.SOL_USDC")
    assert (await stream.error())["code"] == 4006
    await other.place("Bid", "99.50", "2")

    assert await stream.settled() == []


async def test_both_names_of_a_private_stream_are_served(stream, client):
    await stream.subscribe("account.orderUpdate", "account.orderUpdate.SOL_USDC")
    await stream.settled()
    await client.place("Bid", "99.50", "2")

    first, second = await stream.settled()

    assert first["data"] == second["data"]
    assert {first["stream"], second["stream"]} == {
        "account.orderUpdate",
        "account.orderUpdate.SOL_USDC",
    }


# --- connections ---


async def test_compression_is_used_only_if_offered(client, open_stream, other):
    plain = await open_stream(client)
    packed = await open_stream(client, compress=15)
    for reader in (plain, packed):
        await reader.subscribe("depth.SOL_USDC", "account.orderUpdate")
        await reader.settled()
    await other.place("Bid", "99.50", "2")

    assert (await plain.settled()) == (await packed.settled())
    assert (plain.socket.compress, packed.socket.compress) == (0, 15)


async def test_a_client_that_answers_no_pings_is_cut_off(
    open_exchange, client_of, open_stream, eventually
):
    exchange = await open_exchange(ping_interval_s=0.05, pong_patience_s=0.2)
    client = client_of(exchange)
    patient, silent = await open_stream(client), await open_stream(client, autoping=False)
    listening = asyncio.create_task(patient.socket.receive())  # aiohttp answers while it listens

    kinds = set()
    while not silent.socket.closed:
        kinds.add((await asyncio.wait_for(silent.socket.receive(), 10)).type)

    assert kinds == {aiohttp.WSMsgType.PING, aiohttp.WSMsgType.CLOSED}
    assert exchange.connections == 1
    await patient.socket.send_str("not json")
    assert json.loads((await asyncio.wait_for(listening, 10)).data)["error"]["code"] == 4002


async def test_a_pong_carries_what_the_ping_said(client, open_stream):
    stream = await open_stream(client, autoping=False)
    await stream.socket.ping(b"hello")

    message = await asyncio.wait_for(stream.socket.receive(), 10)

    assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"hello")


async def test_a_frame_too_large_ends_the_connection_and_no_other(client, open_stream, other):
    loud, quiet = await open_stream(client), await open_stream(client)
    await quiet.subscribe("depth.SOL_USDC")
    await loud.socket.send_str("x" * (2 << 20))
    message = await asyncio.wait_for(loud.socket.receive(), 10)

    assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    await quiet.settled()
    await other.place("Bid", "99.50", "2")
    assert len(await quiet.settled()) == 1


async def test_a_reader_that_does_not_read_is_cut_off(open_exchange, client_of, eventually):
    exchange = await open_exchange(max_buffered_bytes=200_000)
    host, port = exchange.ws_url.removeprefix("ws://").split(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (host, int(port)))
        subscribe = b'{"method":"SUBSCRIBE","params":["depth.SOL_USDC"]}'
        await loop.sock_sendall(raw, HANDSHAKE + masked(subscribe))
        await eventually(lambda: exchange.connections == 1)

        for number in range(100_000):
            quantity = Decimal(number % 9 + 1)
            exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), quantity)
            if number % 100 == 0:
                await asyncio.sleep(0)
                if not exchange.connections:
                    break
        await eventually(lambda: exchange.connections == 0)

    assert (await client_of(exchange).get("/api/v1/ping")).status == 200


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(payload):
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


async def test_frames_of_one_turn_leave_in_one_write():
    class Transport:
        def __init__(self):
            self.written, self.aborted, self.waiting = [], False, 0

        def write(self, data):
            self.written.append(data)

        def is_closing(self):
            return self.aborted

        def get_write_buffer_size(self):
            return self.waiting

        def abort(self):
            self.aborted = True

    transport = Transport()
    connection = Connection(transport, window_bits=0, max_buffered_bytes=10)
    for text in (b"a", b"b"):
        connection.send(Frame(text))
    await asyncio.sleep(0)
    assert transport.written == [b"\x81\x01a\x81\x01b"]

    transport.waiting = 11
    connection.send(Frame(b"c"))
    await asyncio.sleep(0)
    assert transport.aborted
    connection.send(Frame(b"d"))
    await asyncio.sleep(0)
    assert len(transport.written) == 2


async def test_an_event_is_encoded_once_for_all_readers(client, open_stream, other, monkeypatch):
    from hummingbot.connector.exchange.backpack.simulator import wire_streams

    readers = [await open_stream(client) for _ in range(5)]
    for reader in readers:
        await reader.subscribe("depth.SOL_USDC")
        await reader.settled()
    encoded = []
    original = wire_streams.depth

    def counted(event: DepthEvent, *rest):
        encoded.append(event)
        return original(event, *rest)

    monkeypatch.setattr(wire_streams, "depth", counted)
    await other.place("Bid", "99.50", "2")

    for reader in readers:
        assert len(await reader.settled()) == 1
    assert len(encoded) == 1


async def test_stopping_says_goodbye(quiet, client_of, open_stream):
    from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange

    exchange = LocalExchange(quiet())
    await exchange.start()
    stream = await open_stream(client_of(exchange))
    stopping = asyncio.create_task(exchange.stop())
    message = await asyncio.wait_for(stream.socket.receive(), 10)
    await stopping

    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    await exchange.stop()


async def test_a_lively_market_sends_about_as_many_frames_as_asked(
    open_exchange, client_of, open_stream
):
    exchange = await open_exchange(liquidity=LiquidityKind.SYNTHETIC, frames_per_second=100)
    stream = await open_stream(client_of(exchange))
    await stream.subscribe("depth.SOL_USDC")
    first = await stream.data("depth.SOL_USDC")
    last = first
    for _ in range(100):
        data = await stream.data("depth.SOL_USDC")
        assert data["U"] == last["u"] + 1
        last = data

    assert 0.2e6 < last["E"] - first["E"] < 5e6


async def test_the_same_seed_gives_the_same_market(open_exchange):
    async def start(seed):
        exchange = await open_exchange(
            seed=seed,
            liquidity=LiquidityKind.SYNTHETIC,
            clock_us=lambda: 1_788_285_244_000_000,
        )
        # Looked at before the event loop lets anybody trade.
        return [exchange.engine.depth(symbol, 50)[:2] for symbol in ("SOL_USDC", "BTC_USDC")]

    first, second, other = await start(3), await start(3), await start(4)

    assert first == second != other
