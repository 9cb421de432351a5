"""A WebSocket in virtual time: aiohttp's end of it for the client, the transport for the server."""

import asyncio

import aiohttp

from hummingbot.connector.exchange.backpack.simulator.connections import Connection
from hummingbot.connector.exchange.backpack.simulator.sessions import Session

LATENCY_S = 0.005
_MEDIUM, _LARGE = 126, 127


class Socket:
    """The client's end of a WebSocket, and a transport for the exchange's end."""

    def __init__(self, network, exchange, loop):
        self._network = network
        self._loop = loop
        self._received = asyncio.Queue()
        self.late = []
        self.closed = False
        connection = Connection(self, window_bits=0, max_buffered_bytes=1 << 30)
        self._session = Session(connection, exchange.streams, exchange.authenticator)
        connection.keep_alive(10.0, 60.0, 120.0)

    # --- the client's end

    async def receive(self):
        return await self._received.get()

    async def send_str(self, text):
        self._loop.call_later(LATENCY_S, self._handle, text)

    async def ping(self):
        self._loop.call_later(2 * LATENCY_S, self._push, aiohttp.WSMsgType.PONG, b"")

    async def pong(self, _):
        self._session.connection.saw_pong()

    async def close(self):
        self.drop()

    # --- the exchange's end

    def write(self, data):
        while data:
            kind, length, start = data[0] & 0x0F, data[1], 2
            if length in (_MEDIUM, _LARGE):
                start += 2 if length == _MEDIUM else 8
                length = int.from_bytes(data[2:start])
            self._send(aiohttp.WSMsgType(kind), data[start : start + length])
            data = data[start + length :]

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 0

    def abort(self):
        self.drop()

    def _handle(self, text):
        if not self.closed:
            self._session.handle(text)

    def _send(self, kind, payload):
        if kind is not aiohttp.WSMsgType.TEXT:
            self._push(kind, payload)
        elif self._network.holds_events and b'"account.' in payload:
            self.late.append(payload)
        else:
            self._loop.call_later(LATENCY_S, self.deliver, payload)

    def deliver(self, payload):
        self._push(aiohttp.WSMsgType.TEXT, payload.decode())

    def _push(self, kind, data):
        if not self.closed:
            self._received.put_nowait(aiohttp.WSMessage(kind, data, None))

    def drop(self):
        """The connection is gone, with all that was on its way."""
        if self.closed:
            return
        self._received = _moved(self._received)
        self._push(aiohttp.WSMsgType.CLOSED, None)
        self.late.clear()
        self.closed = True
        self._session.end()


def _moved(queue):
    while not queue.empty():
        queue.get_nowait()
    return queue
