"""A client of the local exchange: raw HTTP and WebSocket, signed with our own wire layer."""

import asyncio
import json
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side
from hummingbot.connector.exchange.backpack.api.signing import Signer
from hummingbot.connector.exchange.backpack.simulator.local import (
    AccountSettings,
    LiquidityKind,
    LocalExchange,
    Settings,
)

REPOSITORY = Path(__file__).resolve().parents[6]
PATIENCE_S = 10.0
JSON = "application/json; charset=utf-8"


@dataclass
class Answer:
    """One HTTP reply."""

    status: int
    content_type: str
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Stream:
    """One WebSocket connection that keeps every frame it has not given away."""

    def __init__(self, socket, signer):
        self.socket = socket
        self._signer = signer
        self._kept = []

    def signature(self, timestamp_ms=None, window_ms=5000):
        return self._signer.subscription(
            timestamp_ms=timestamp_ms or time.time_ns() // 1_000_000, window_ms=window_ms
        )

    async def subscribe(self, *topics, signature=None, method="SUBSCRIBE"):
        frame = {"method": method, "params": list(topics)}
        if signature is None and any(topic.startswith("account.") for topic in topics):
            signature = self.signature()
        if signature is not None:
            frame["signature"] = signature
        await self.socket.send_str(json.dumps(frame))

    async def unsubscribe(self, *topics):
        await self.socket.send_str(json.dumps({"method": "UNSUBSCRIBE", "params": list(topics)}))

    async def receive(self):
        message = await asyncio.wait_for(self.socket.receive(), PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return message.data

    async def take(self, wanted=lambda frame: True):
        """The next frame that `wanted` accepts (or of a stream, by name); others are kept."""
        accepts = wanted if callable(wanted) else lambda frame: frame.get("stream") == wanted
        for index, frame in enumerate(self._kept):
            if accepts(frame):
                return self._kept.pop(index)
        while True:
            frame = json.loads(await self.receive())
            if accepts(frame):
                return frame
            self._kept.append(frame)

    async def data(self, topic):
        return (await self.take(topic))["data"]

    async def error(self):
        return (await self.take(lambda frame: "error" in frame))["error"]

    async def settled(self):
        """Wait until everything sent so far has been dealt with, and give what has arrived."""
        # The exchange acknowledges nothing, but it answers what it cannot read, in order.
        await self.socket.send_str("not json")
        await self.take(lambda frame: frame.get("error", {}).get("code") == 4002)
        kept, self._kept = self._kept, []
        return kept


class Client:
    """Somebody who trades on an exchange."""

    def __init__(self, exchange, session, account=0):
        self.exchange = exchange
        self.account = exchange.accounts[account]
        self.signer = Signer(self.account.api_key, self.account.api_secret)
        self.session = session

    async def send(self, method, path, *, headers=None, body=None, query=None):
        """Send anything."""
        url = f"{self.exchange.rest_url}{path}"
        async with self.session.request(
            method, url, params=query, data=body, headers=headers
        ) as reply:
            content_type = reply.headers.get("Content-Type", "")
            return Answer(reply.status, content_type, dict(reply.headers), await reply.read())

    async def get(self, path, **query):
        return await self.send("GET", path, query={key: str(v) for key, v in query.items()})

    def headers(self, endpoint, *, timestamp_ms=None, window_ms=5000):
        now_ms = time.time_ns() // 1_000_000
        signed = self.signer.headers(
            endpoint,
            timestamp_ms=now_ms if timestamp_ms is None else timestamp_ms,
            window_ms=window_ms,
        )
        return signed | ({"Content-Type": JSON} if endpoint.body() is not None else {})

    async def call(self, endpoint, **signing):
        """Send a request of the wire layer, signed as it should be."""
        return await self.send(
            endpoint.method.value,
            endpoint.path,
            query=endpoint.query(),
            body=endpoint.body(),
            headers=self.headers(endpoint, **signing),
        )

    async def place(self, side, price, quantity, *, symbol="SOL_USDC", **more):
        """Place a limit order; prices and quantities as text."""
        return await self.call(limit_order(side, price, quantity, symbol=symbol, **more))


def limit_order(side, price, quantity, *, symbol="SOL_USDC", **more):
    """A limit order to be placed; prices and quantities as text."""
    return ExecuteOrder(
        symbol=symbol,
        side=Side(side),
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        **more,
    )


@pytest.fixture
def quiet():
    """Settings of an exchange where nothing happens but what a test does."""

    def build(**more):
        settings = {
            "markets": ("SOL_USDC", "BTC_USDC"),
            "liquidity": LiquidityKind.NONE,
            "accounts": (AccountSettings(), AccountSettings(name="other")),
        }
        return Settings(**(settings | more))

    return build


@pytest.fixture
async def open_exchange(quiet):
    """Start an exchange: ``await open_exchange(seed=1)``; it is closed after the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings):
            return await stack.enter_async_context(LocalExchange(quiet(**settings)))

        yield start


@pytest.fixture
async def exchange(open_exchange):
    """A quiet exchange with two accounts, ``main`` and ``other``."""
    return await open_exchange()


@pytest.fixture
async def session():
    """One HTTP session."""
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.fixture
def client_of(session):
    """A client of any exchange: ``client_of(exchange, account=1)``."""
    return lambda exchange, account=0: Client(exchange, session, account)


@pytest.fixture
def client(exchange, client_of):
    """The first account of the quiet exchange."""
    return client_of(exchange)


@pytest.fixture
def other(exchange, client_of):
    """The second account of the quiet exchange."""
    return client_of(exchange, 1)


@pytest.fixture
async def open_stream(session):
    """Open a WebSocket connection: ``await open_stream(client)``."""
    async with AsyncExitStack() as stack:

        async def start(client, **options):
            socket = await stack.enter_async_context(
                session.ws_connect(client.exchange.ws_url, **options)
            )
            return Stream(socket, client.signer)

        yield start


@pytest.fixture
async def stream(client, open_stream):
    """A connection of the first account."""
    return await open_stream(client)


@pytest.fixture
def order():
    """Build a limit order: ``order("Bid", "99.00", "1")``."""
    return limit_order


@pytest.fixture
def eventually():
    """Wait until a condition holds."""

    async def wait(condition):
        deadline_s = time.monotonic() + PATIENCE_S
        while not (holds := condition()):
            assert time.monotonic() < deadline_s, "did not come true in time"
            await asyncio.sleep(0.005)
        return holds

    return wait


@pytest.fixture
def fingerprint():
    """Everything that a request could have changed, of every account and book."""

    def take(exchange):
        engine = exchange.engine
        names = [account.name for account in exchange.accounts]
        return repr(
            [
                (
                    engine.balances(name),
                    engine.open_orders(name),
                    engine.order_history(name, limit=1000),
                    engine.fills(name, limit=1000),
                )
                for name in names
            ]
            + [
                (engine.depth(symbol, 1000), engine.trades(symbol, 1000))
                for symbol in ("SOL_USDC", "BTC_USDC")
            ]
        )

    return take


@pytest.fixture(scope="session")
def shared():
    """The folder with what was recorded from the exchange; skips the test where there is none."""
    folder = Path(os.environ.get("BACKPACK_SHARED") or REPOSITORY.parent / "shared") / "exchange"
    if not folder.is_dir():
        pytest.skip("no recordings of the exchange at hand (set BACKPACK_SHARED)")
    return folder


@pytest.fixture(scope="session")
def sample(shared):
    """The payload of one sample file."""
    return lambda name: json.loads((shared / "samples" / f"{name}.json").read_text())["payload"]


@pytest.fixture(scope="session")
def watch_fills():
    """Check what each trade of a mirrored market's source does to orders of these accounts.

    ``watch_fills(engine, market, names)`` counts the fills it has seen, by kind.
    """

    def watch(engine, market, names):
        on_trade, seen = market.on_trade, Counter()

        def executed():
            return {
                order.order_id: order
                for name in names
                for order in engine.order_history(name, limit=200)[0]
            }

        def watched(trade):
            side = Side.ASK if trade.taker_side is Side.BID else Side.BID
            before = executed()
            desk = engine.outside(trade.symbol)
            queue = [part.order_id for part in desk.queue(side, trade.price)]
            on_trade(trade)
            left = {part.order_id for part in desk.queue(side, trade.price)}
            filled = Decimal(0)
            for order_id, order in executed().items():
                gained = order.executed_quantity - before[order_id].executed_quantity
                if not gained:
                    continue
                filled += gained
                sign = 1 if side is Side.BID else -1
                assert order.side is side
                assert sign * order.price >= sign * trade.price
                if order.price == trade.price:
                    seen["at the price"] += 1
                    ahead = queue[: queue.index(order_id)]
                    assert left.isdisjoint(ahead), "everything before it has to be gone"
                else:
                    seen["through"] += 1
            assert filled <= trade.quantity

        market.on_trade = watched
        return seen

    return watch
