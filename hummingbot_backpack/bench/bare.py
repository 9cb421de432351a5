"""The limit: the same work with aiohttp, msgspec and Hummingbot's order book, and nothing else.

It is no connector: it has no request limits, no retries, no checks of sequences and no events.
"""

import asyncio
import base64
import os
import time
from decimal import Decimal

import aiohttp
import msgspec
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from hummingbot.core.data_type.order_book import OrderBook

from .contender import AMOUNT, PRICE, SYMBOL

_KEEP_ALIVE_S = 75.0
_SEED_BYTES = 32
_SIGNATURE_BYTES = 64
_WINDOW_MS = 5000


class Row(msgspec.Struct, array_like=True, gc=False):
    """A level, decoded straight into what the order book reads."""

    price: float
    amount: float
    update_id: int = 0


class Diff(msgspec.Struct, gc=False):
    """The part of a message that is used."""

    s: str
    u: int
    a: list[Row]
    b: list[Row]


class Message(msgspec.Struct, gc=False):
    """A message of the depth stream."""

    data: Diff


class Snapshot(msgspec.Struct, rename="camel"):
    """Reply of the depth operation."""

    asks: list[Row]
    bids: list[Row]
    last_update_id: int


class Market(msgspec.Struct, rename="camel"):
    """A row of the market list."""

    symbol: str
    base_symbol: str
    quote_symbol: str


class Order(msgspec.Struct, rename="camel"):
    """An order."""

    id: str
    status: str
    client_id: int
    executed_quantity: Decimal


class Funds(msgspec.Struct):
    """Funds of one asset."""

    available: Decimal
    locked: Decimal


_message = msgspec.json.Decoder(Message, strict=False)
_snapshot = msgspec.json.Decoder(Snapshot, strict=False)
_markets = msgspec.json.Decoder(list[Market])
_order = msgspec.json.Decoder(Order, strict=False)
_orders = msgspec.json.Decoder(list[Order], strict=False)
_funds = msgspec.json.Decoder(dict[str, Funds])


class Requests:
    """The bare requests: signed, sent by aiohttp, decoded by msgspec.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._rest_url = f"http://127.0.0.1:{port}"
        public_key, self._secret_key = crypto_sign_seed_keypair(os.urandom(_SEED_BYTES))
        self._api_key = base64.b64encode(public_key).decode()
        self._client_id = 0

    def open(self) -> None:
        """Make the session, in the running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S, limit=0)
        )

    def _headers(self, text: str) -> dict[str, str]:
        now_ms = int(time.time() * 1000)
        return {
            "X-API-Key": self._api_key,
            "X-Signature": self._signature(f"{text}&timestamp={now_ms}&window={_WINDOW_MS}"),
            "X-Timestamp": str(now_ms),
            "X-Window": str(_WINDOW_MS),
        }

    def _signature(self, text: str) -> str:
        signed = crypto_sign(text.encode(), self._secret_key)
        return base64.b64encode(signed[:_SIGNATURE_BYTES]).decode()

    async def post(self) -> Order:
        """Place one order."""
        self._client_id += 1
        headers = self._headers(
            f"instruction=orderExecute&clientId={self._client_id}&orderType=Limit&price={PRICE}"
            f"&quantity={AMOUNT}&side=Bid&symbol={SYMBOL}&timeInForce=GTC"
        )
        headers["Content-Type"] = "application/json; charset=utf-8"
        body = msgspec.json.encode(
            {
                "clientId": self._client_id,
                "orderType": "Limit",
                "price": PRICE,
                "quantity": AMOUNT,
                "side": "Bid",
                "symbol": SYMBOL,
                "timeInForce": "GTC",
            }
        )
        async with self._session.post(
            f"{self._rest_url}/api/v1/order", data=body, headers=headers
        ) as reply:
            return _order.decode(await reply.read())


class Bare(Requests):
    """The bare work.

    Args:
        port: of the server.
        symbols: markets to follow.
    """

    def __init__(self, port: int, symbols: list[str]) -> None:
        super().__init__(port)
        self.books: dict[str, OrderBook] = {}
        self.book_type: type[OrderBook] = OrderBook
        self.skips_pauses = True
        self._symbols = symbols
        self._ws_url = f"ws://127.0.0.1:{port}"
        self._orders: dict[int, Order] = {}
        self._readers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open both streams, load everything at once."""
        self.open()
        self.books = {symbol: self.book_type() for symbol in self._symbols}
        await asyncio.gather(
            self._follow_account(),
            self._follow_books(),
            self._load_markets(),
            self._load_funds(),
            self._get("/api/v1/account", "accountQuery"),
            self._get("/api/v1/borrowLend/positions", "borrowLendPositionQuery"),
        )

    async def _follow_books(self) -> None:
        stream = await self._session.ws_connect(self._ws_url, max_msg_size=0)
        topics = [f"{kind}.{s}" for s in self._symbols for kind in ("depth", "trade")]
        await stream.send_json({"method": "SUBSCRIBE", "params": topics})
        await asyncio.gather(*(self._load_book(symbol) for symbol in self._symbols))
        self._readers.append(asyncio.ensure_future(self._read_books(stream)))

    async def _read_books(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        books, decode = self.books, _message.decode
        while True:
            message = await stream.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            if '"e":"depth"' not in message.data:
                continue
            diff = decode(message.data).data
            update_id = diff.u
            for row in diff.b:
                row.update_id = update_id
            for row in diff.a:
                row.update_id = update_id
            books[diff.s].apply_diffs(diff.b, diff.a, update_id)

    async def _follow_account(self) -> None:
        stream = await self._session.ws_connect(self._ws_url)
        now_ms = int(time.time() * 1000)
        signature = self._signature(f"instruction=subscribe&timestamp={now_ms}&window=5000")
        await stream.send_json(
            {
                "method": "SUBSCRIBE",
                "params": ["account.orderUpdate", "account.balanceUpdate"],
                "signature": [self._api_key, signature, str(now_ms), str(_WINDOW_MS)],
            }
        )
        self._readers.append(asyncio.ensure_future(self._read_account(stream)))

    async def _read_account(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in stream:
            pass

    async def _load_book(self, symbol: str) -> None:
        async with self._session.get(
            f"{self._rest_url}/api/v1/depth?symbol={symbol}&limit=1000"
        ) as reply:
            snapshot = _snapshot.decode(await reply.read())
        for row in snapshot.bids:
            row.update_id = snapshot.last_update_id
        for row in snapshot.asks:
            row.update_id = snapshot.last_update_id
        self.books[symbol].apply_snapshot(snapshot.bids, snapshot.asks, snapshot.last_update_id)

    async def _load_markets(self) -> None:
        async with self._session.get(f"{self._rest_url}/api/v1/markets") as reply:
            _markets.decode(await reply.read())

    async def _load_funds(self) -> None:
        _funds.decode(await self._get("/api/v1/capital", "balanceQuery"))

    async def _get(self, path: str, instruction: str) -> bytes:
        headers = self._headers(f"instruction={instruction}")
        async with self._session.get(self._rest_url + path, headers=headers) as reply:
            return await reply.read()

    async def place(self) -> float:
        """One order."""
        asked_s = time.perf_counter()
        await self._place()
        return asked_s

    async def place_at_once(self, count: int) -> float:
        """Several orders."""
        asked_s = time.perf_counter()
        await asyncio.gather(*(self._place() for _ in range(count)))
        return asked_s

    async def _place(self) -> None:
        order = await self.post()
        self._orders[order.client_id] = order

    async def make_requests(self, count: int) -> None:
        """The exchange's time, again and again."""
        for _ in range(count):
            async with self._session.get(f"{self._rest_url}/api/v1/time") as reply:
                await reply.read()

    async def sign(self, count: int) -> None:
        """One call of libsodium, and its base64."""
        for i in range(count):
            self._signature(
                f"instruction=orderExecute&clientId={i}&orderType=Limit&price={PRICE}&quantity="
                f"{AMOUNT}&side=Bid&symbol={SYMBOL}&timeInForce=GTC&timestamp={i}&window=5000"
            )

    async def sign_as_sent(self, count: int) -> None:
        """The same."""
        await self.sign(count)

    async def reconcile(self) -> None:
        """One request for all open orders, brought into a dictionary."""
        for order in _orders.decode(await self._get("/api/v1/orders", "orderQueryAll")):
            self._orders[order.client_id] = order
