"""The network between connector and exchange: what aiohttp's session would do, in virtual time.

Requests and frames are real bytes. What becomes of each request is decided beforehand (`fates`) or
later, step by step (`held`).
"""

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from enum import Enum
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp

from hummingbot.connector.exchange.backpack.simulator.replies import (
    ACCEPTED,
    MAINTENANCE,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    Reply,
)
from hummingbot.connector.exchange.backpack.simulator.requests import Call

from .virtual_socket import LATENCY_S, Socket

LATE_S = 3.0
_ORDER_READS = frozenset(
    {
        "GET /api/v1/order",
        "GET /api/v1/orders",
        "GET /wapi/v1/history/orders",
        "GET /wapi/v1/history/fills",
    }
)
_PLACING = frozenset({"POST /api/v1/order", "POST /api/v1/orders"})
_UNREADABLE = Reply(200, b'{"clientId": 5, "createdAt": 17')
_PAGE = Reply(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = "arrives and is answered"
    HELD = "is on its way until the machine decides"
    REFUSED = "no connection, so it never leaves"
    CUT_BEFORE = "the connection breaks, and it never arrives"
    CUT_AFTER = "it arrives, and the connection breaks"
    CUT_THEN_LATE = "the connection breaks, and it arrives seconds later"
    LOST_BEFORE = "it never arrives, and nothing comes back"
    LOST_AFTER = "it arrives, and nothing comes back"
    ERROR_BEFORE = "500, not executed"
    ERROR_AFTER = "500, executed"
    PAGE_AFTER = "a page of the CDN, executed"
    MAINTENANCE = "503, not executed"
    RATE_LIMITED = "429, not executed"
    UNREADABLE = "half a reply, executed"
    LATE = "202, executed a moment later (cancellations only)"


# What is sent back instead of the exchange's answer, and whether the request is executed.
_INSTEAD = {
    Fate.ERROR_BEFORE: (SERVER_ERROR, False),
    Fate.ERROR_AFTER: (SERVER_ERROR, True),
    Fate.PAGE_AFTER: (_PAGE, True),
    Fate.MAINTENANCE: (MAINTENANCE, False),
    Fate.RATE_LIMITED: (TOO_MANY_REQUESTS, False),
    Fate.UNREADABLE: (_UNREADABLE, True),
}
FATES_OF_WRITES = tuple(Fate)
FATES_OF_READS = (
    Fate.ANSWERED,
    Fate.HELD,
    Fate.REFUSED,
    Fate.CUT_BEFORE,
    Fate.LOST_BEFORE,
    Fate.ERROR_BEFORE,
    Fate.MAINTENANCE,
    Fate.RATE_LIMITED,
    Fate.UNREADABLE,
)


class Request:
    """One HTTP request, seen from both ends."""

    def __init__(self, call, future):
        self.call = call
        self.future = future
        self.reply = None
        self.is_abandoned = False
        # Client ids of the orders it places, and those of them that were definitely refused.
        self.client_ids = frozenset(_client_ids(call))
        self.refused_ids = set()

    @property
    def is_order_read(self):
        return self.call.operation in _ORDER_READS

    @property
    def is_write(self):
        return self.call.method != "GET"

    def __repr__(self):
        return f"{self.call.operation} {self.call.query}{self.call.body.decode()}"


def _client_ids(call):
    if call.operation not in _PLACING:
        return []
    body = json.loads(call.body)
    return [order["clientId"] for order in (body if isinstance(body, list) else [body])]


class Network:
    """Stands for the connector's HTTP session."""

    closed = False

    def __init__(self, exchange, loop):
        self._exchange = exchange
        self._loop = loop
        self.fates = {"write": deque(), "read": deque()}
        self.held = []
        self.placings = []
        self.sockets = []
        self.is_down = False
        self.refuses_sockets = False
        self.holds_events = False
        self.violations = []

    # === requests, as `aiohttp.ClientSession` makes them

    @asynccontextmanager
    async def request(self, method, url, *, data, headers, timeout, allow_redirects):  # noqa: ASYNC109
        assert not allow_redirects, "a redirection would repeat a write"
        parts = urlsplit(str(url))
        call = Call(
            method=method.upper(),
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in headers.items()},
            body=data or b"",
            address="127.0.0.1",
        )
        request = Request(call, self._loop.create_future())
        self._open(request)
        try:
            async with asyncio.timeout(timeout.total):
                reply = await request.future
        finally:
            request.is_abandoned = True
        yield SimpleNamespace(status=reply.status, read=_returning(reply.body))

    def _open(self, request):
        self._check_placing(request)
        fate = self._fate_of(request)
        if fate is Fate.HELD:
            self.held.append(request)
        else:
            self._loop.call_later(LATENCY_S, self.carry_out, request, fate)

    def _fate_of(self, request):
        if self.is_down:
            return Fate.REFUSED
        kind = "write" if request.is_write else "read" if request.is_order_read else None
        fates = self.fates.get(kind)
        fate = fates.popleft() if fates else Fate.ANSWERED
        if fate is Fate.LATE and request.call.method != "DELETE":
            return Fate.ANSWERED
        return fate

    def _check_placing(self, request):
        """No client id may be on its way twice if the first could be executed."""
        for earlier in self.placings:
            for client_id in request.client_ids & earlier.client_ids - earlier.refused_ids:
                self.violations.append(f"client id {client_id} was sent again: {request}")
        if request.client_ids:
            self.placings.append(request)

    # === what becomes of a request

    def carry_out(self, request, fate):
        """Let a request meet its fate."""
        if fate in _INSTEAD:
            reply, is_executed = _INSTEAD[fate]
            if is_executed:
                self.arrive(request)
            self._answer(request, reply)
            return
        match fate:
            case Fate.ANSWERED:
                self.arrive(request)
                self._answer(request, request.reply)
            case Fate.REFUSED:
                request.refused_ids |= request.client_ids
                self._fail(request, _no_connection())
            case Fate.CUT_BEFORE:
                self.cut(request)
            case Fate.CUT_AFTER:
                self.arrive(request)
                self.cut(request)
            case Fate.CUT_THEN_LATE:
                self.cut(request)
                self._loop.call_later(LATE_S, self.arrive, request)
            case Fate.LOST_AFTER:
                self.arrive(request)
            case Fate.LATE:
                self._answer(request, ACCEPTED)
                self._loop.call_later(LATE_S / 2, self.arrive, request)
            case _:
                pass

    def arrive(self, request):
        """The exchange carries a request out, once."""
        if request.reply is None:
            request.reply = self._exchange.answer(request.call)

    def cut(self, request):
        """The connection breaks before the answer."""
        self._fail(request, aiohttp.ServerDisconnectedError())

    def _answer(self, request, reply):
        if request.future.done():
            return
        request.refused_ids |= _refused(request, reply)
        request.future.set_result(reply)

    def _fail(self, request, error):
        if not request.future.done():
            request.future.set_exception(error)

    def clear(self):
        """The network is well again: what is on its way arrives and is answered."""
        self.is_down = self.refuses_sockets = False
        for fates in self.fates.values():
            fates.clear()
        held, self.held = self.held, []
        for request in held:
            self.carry_out(request, Fate.ANSWERED)
        self.release_events()

    # === streams

    async def ws_connect(self, url, **_):
        await asyncio.sleep(LATENCY_S)
        if self.is_down or self.refuses_sockets:
            raise _no_connection()
        socket = Socket(self, self._exchange, self._loop)
        self.sockets.append(socket)
        return socket

    def late_events(self):
        """Order events that are held back, oldest first."""
        return [
            (socket, frame)
            for socket in self.sockets
            for frame in socket.late
            if b"account.orderUpdate" in frame
        ]

    def release_events(self):
        """Deliver what is held back, in its order."""
        self.holds_events = False
        for socket in self.sockets:
            while socket.late:
                socket.deliver(socket.late.pop(0))

    def drop_sockets(self):
        """Cut the streams; what was not delivered is gone."""
        for socket in self.sockets:
            socket.drop()
        self.sockets.clear()


def _no_connection():
    key = SimpleNamespace(host="exchange", port=443, ssl=True, is_ssl=True)
    return aiohttp.ClientConnectorError(key, OSError("no route to the exchange"))


def _returning(body):
    async def read():
        return body

    return read


def _refused(request, reply):
    """The client ids that a reply, delivered, definitely refuses."""
    if not request.client_ids:
        return set()
    if reply.status == 200:
        try:
            results = json.loads(reply.body)
        except ValueError:
            return set()
        if not isinstance(results, list):
            return set()
        orders = json.loads(request.call.body)
        return {
            order["clientId"]
            for order, result in zip(orders, results, strict=True)
            if result.get("operation") == "Err"
        }
    is_definite = 400 <= reply.status < 500 and reply.status not in (408, 429)
    return set(request.client_ids) if is_definite else set()
