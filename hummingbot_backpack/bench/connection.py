"""Connections of the server: HTTP with keep-alive, and WebSockets."""

import asyncio
import base64
import hashlib
import time
from typing import TYPE_CHECKING, override

import msgspec

if TYPE_CHECKING:
    from .server import Exchange

_WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_LARGE = 126
PING = bytes((0x80 | _PING, 0))
"""A WebSocket ping from a server."""


class Connection(asyncio.Protocol):
    """One connection: HTTP with keep-alive, or a WebSocket after an upgrade."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.is_stream = False
        self.upgraded_s = 0.0
        self._is_new = True

    @property
    def socket_number(self) -> int:
        """File descriptor, for writes that do not pass the event loop."""
        assert self._transport is not None  # noqa: S101 (asked of connections that listen)
        return int(self._transport.get_extra_info("socket").fileno())

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (TCP)
        self._transport = transport
        self._exchange.accepted += 1
        self._exchange.connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange.connections.discard(self)

    @override
    def data_received(self, data: bytes) -> None:
        arrived_s = time.perf_counter()
        self._buffer += data
        while self._take_frame() if self.is_stream else self._take_request(arrived_s):
            pass

    def send(self, data: bytes) -> None:
        """Write now, or after the round trip that is to be imitated."""
        delay_s = self._exchange.round_trip_s
        if delay_s > 0:
            # A new connection costs a round trip of its own, which loopback does not have.
            delay_s *= 1 + self._is_new
            asyncio.get_running_loop().call_later(delay_s, self._write, data)
        else:
            self._write(data)
        self._is_new = False

    def abort(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _take_request(self, arrived_s: float) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = head.split(b"\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            return False
        self._buffer = rest[length:]
        method, target, _ = first.decode().split(" ")
        self._exchange.requests += 1
        if b"sec-websocket-key" in headers:
            digest = hashlib.sha1(headers[b"sec-websocket-key"] + _WEBSOCKET_KEY).digest()  # noqa: S324 (of the WebSocket standard)
            self.send(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %s\r\n\r\n" % base64.b64encode(digest)
            )
            self.is_stream = True
            self.upgraded_s = arrived_s
            return bool(self._buffer)
        if method == "POST":
            self._exchange.arrivals_s.append(arrived_s)
        self.send(self._exchange.replies.reply(method, target, rest[:length]))
        return bool(self._buffer)

    def _take_frame(self) -> bool:
        data = self._buffer
        if len(data) < 2:  # noqa: PLR2004 (the header of a frame)
            return False
        operation, size = data[0] & 0x0F, data[1] & 0x7F
        start = 2
        if size >= _LARGE:
            width = 2 if size == _LARGE else 8
            size = int.from_bytes(data[2 : 2 + width])
            start += width
        end = start + 4 + size
        if len(data) < end:
            return False
        mask = data[start : start + 4]
        payload = bytes(b ^ mask[i & 3] for i, b in enumerate(data[start + 4 : end]))
        self._buffer = data[end:]
        if operation == _PING:
            self.send(bytes((0x80 | _PONG, len(payload))) + payload)
        elif operation == _CLOSE and self._transport is not None:
            self._transport.close()
        elif operation == _TEXT:
            request = msgspec.json.decode(payload)
            if request["method"] == "SUBSCRIBE":
                self._exchange.subscribe(self, request)
            else:
                self._exchange.unsubscribe(request)
        return bool(self._buffer)
