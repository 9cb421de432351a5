"""A recorded stream goes through a real socket into a book, which must be the exchange's.

The recording lies in a folder next to the checkout, or where the environment variable
``BACKPACK_SHARED`` points to; the tests skip when it is absent.
"""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hummingbot.connector.exchange.backpack.simulator.local import LiquidityKind
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import OrderBookEvent

REPOSITORY = Path(__file__).resolve().parents[5]
SHARED = Path(os.environ.get("BACKPACK_SHARED") or REPOSITORY.parent / "shared")
RECORDING = SHARED / "exchange" / "recordings" / "sol_usdc_2026-09-02.jsonl"
PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"

pytestmark = pytest.mark.skipif(
    not RECORDING.is_file(), reason="no recordings of the exchange at hand (set BACKPACK_SHARED)"
)


@pytest.fixture(scope="module")
def frames():
    """Every recorded frame as it was sent, with its parsed form."""
    lines = RECORDING.read_text().splitlines()
    return [(line, json.loads(line)) for line in lines if line.strip()]


def diffs_of(frames):
    return [frame["data"] for _, frame in frames if frame["data"]["e"] == "depth"]


class Recorder:
    """A WebSocket server that sends recorded frames of the topics it was asked for."""

    def __init__(self):
        self.topics = set()
        self._socket = None
        self._runner = None
        self.url = ""

    async def start(self):
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}"

    async def _serve(self, request):
        self._socket = web.WebSocketResponse()
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.topics |= set(json.loads(message.data)["params"])
        return self._socket

    async def send(self, line, frame):
        """Send one raw frame, if its topic was asked for; whether it was."""
        if frame["stream"] not in self.topics:
            return False
        await self._socket.send_str(line)
        return True

    async def stop(self):
        if self._socket is not None:
            await self._socket.close()
        await self._runner.cleanup()


@pytest.fixture
async def recorder():
    """The server of the recording's frames."""
    server = Recorder()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def connector(exchange, recorder, frames, monkeypatch, start_trader, eventually):
    """A connector whose book starts, empty, right before the first recorded diff."""
    exchange.engine.set_next_update_id(SYMBOL, diffs_of(frames)[0]["U"])
    started = await start_trader(
        exchange, ready=False, ws_url=recorder.url, trading_pairs=[PAIR], trading_required=False
    )
    await eventually(lambda: recorder.topics)
    return started.connector


def apply(levels, diff):
    """What a diff makes of plain dictionaries: the reference."""
    for key in "ab":
        for price, quantity in diff[key]:
            levels[key][Decimal(price)] = Decimal(quantity)
            if not Decimal(quantity):
                del levels[key][Decimal(price)]


def best(book, key):
    """Hummingbot's best level of a side, ``None`` if it is empty."""
    entries = book.ask_entries() if key == "a" else book.bid_entries()
    row = next(entries, None)
    return row and (row.price, row.amount)


def all_levels(book):
    return {
        key: {Decimal(str(row.price)): Decimal(str(row.amount)) for row in rows}
        for key, rows in (("a", book.ask_entries()), ("b", book.bid_entries()))
    }


async def test_recorded_stream_gives_the_book_that_each_book_ticker_states(
    connector, recorder, frames, eventually
):
    """After each update, Hummingbot's best levels are those of the recorded bookTicker frame.

    There is no snapshot to the recording, so a side can be compared once the diffs have named its
    best price; 164 sides can.
    """
    await eventually(lambda: connector.ready)
    book = connector.get_order_book(PAIR)
    stated = {f["data"]["u"]: f["data"] for _, f in frames if f["data"]["e"] == "bookTicker"}
    known = {"a": {}, "b": {}}
    compared = 0
    for line, frame in frames:
        if not await recorder.send(line, frame) or frame["data"]["e"] != "depth":
            continue
        update_id = frame["data"]["u"]
        while book.last_diff_uid < update_id:
            await asyncio.sleep(0)
        apply(known, frame["data"])
        ticker = stated.get(update_id)
        for price, quantity in ("a", "A"), ("b", "B"):
            if ticker is not None and Decimal(ticker[price]) in known[price]:
                compared += 1
                assert best(book, price) == (float(ticker[price]), float(ticker[quantity]))
    assert compared == 164
    assert all_levels(book) == known
    assert connector.ready
    assert connector._orderbook_ds.gaps == 0


async def test_recorded_stream_before_its_snapshot_gives_the_same_book(
    exchange, recorder, frames, start_trader, eventually
):
    """All frames arrive while the snapshot is still under way."""
    exchange.engine.set_next_update_id(SYMBOL, diffs_of(frames)[0]["U"])
    with exchange.faults.delay_replies(0.3, "GET /api/v1/depth") as late:
        started = await start_trader(
            exchange, ready=False, ws_url=recorder.url, trading_pairs=[PAIR], trading_required=False
        )
        await eventually(lambda: recorder.topics)
        await late.wait_hit()
        for line, frame in frames:
            await recorder.send(line, frame)
        await eventually(lambda: started.connector.ready)

    known = {"a": {}, "b": {}}
    for diff in diffs_of(frames):
        apply(known, diff)
    assert all_levels(started.connector.get_order_book(PAIR)) == known


async def test_recorded_trade_is_told_with_its_side_and_time(
    connector, recorder, frames, eventually
):
    """The one recorded trade: a buyer took 5.14 SOL at 98.98, 39 s after the start."""
    await eventually(lambda: connector.ready)
    trades = []
    listener = EventForwarder(trades.append)
    connector.get_order_book(PAIR).add_listener(OrderBookEvent.TradeEvent, listener)
    for line, frame in frames:
        if frame["data"]["e"] == "trade":
            await recorder.send(line, frame)
    await eventually(lambda: trades)

    (trade,) = trades
    assert (trade.price, trade.amount, trade.type) == (98.98, 5.14, TradeType.BUY)
    assert trade.timestamp == 1788367469.345


@pytest.mark.parametrize(
    "exchange_settings",
    [{"liquidity": LiquidityKind.REPLAY, "replay_file": RECORDING, "replay_speed": 30.0}],
)
async def test_replayed_stream_keeps_both_books_the_same(exchange, start_trader):
    """The simulator plays the recording as a market of its own; at each rest the books agree."""
    trader = await start_trader(exchange)
    book, engine = trader.connector.get_order_book(PAIR), exchange.engine
    compared = set()
    while len(compared) < 200:
        await asyncio.sleep(0)
        bids, asks, last_update_id = engine.depth(SYMBOL, 1000)
        if book.last_diff_uid == last_update_id:
            compared.add(last_update_id)
            assert all_levels(book) == {"a": dict(asks), "b": dict(bids)}
    assert trader.connector._orderbook_ds.gaps == 0
