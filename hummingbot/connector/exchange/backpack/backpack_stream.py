"""One WebSocket connection that is kept up for ever, for either of the two data sources."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import aiohttp

from hummingbot.logger import HummingbotLogger

from .api.errors import StreamError
from .api.streams import subscribe_frame, unsubscribe_frame
from .backpack_backoff import new_backoff
from .backpack_constants import (
    STREAM_CONNECT_TIMEOUT_S,
    STREAM_HEARTBEAT_S,
)
from .backpack_web_utils import Connections

# Messages that are already in aiohttp's buffer are read without a pause; this many may pass before
# others get a turn.
_MESSAGES_A_TURN = 256
# A dead connection does not answer a close frame; the next one must not wait long for that.
_TIMEOUT = aiohttp.ClientWSTimeout(ws_close=0.5)


class StreamHandler(Protocol):
    """What a data source does with the connection."""

    async def on_open(self, stream: "BackpackStream") -> None:
        """The connection stands: subscribe."""

    def on_message(self, payload: str) -> None:
        """One text message. Raising `StreamError` drops the connection and connects again."""

    def on_lost(self) -> None:
        """The connection is gone; messages were or will be missed."""


class BackpackStream:
    """Connects, reads, and connects again with backoff.

    Args:
        name: for the log.
        ws_url: address, asked at each attempt.
        handler: gets the messages.
        logger: of the data source.
    """

    def __init__(
        self,
        name: str,
        ws_url: Callable[[], Awaitable[str]],
        handler: StreamHandler,
        logger: HummingbotLogger,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._ws_url = ws_url
        self._handler = handler
        self._logger = logger
        self._sleep = sleep
        self._backoff = new_backoff()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._why_closed = ""
        self.last_message_s = -math.inf
        self.connects = 0

    @property
    def is_connected(self) -> bool:
        """Whether a connection stands."""
        return self._socket is not None and not self._socket.closed

    @property
    def age_s(self) -> float | None:
        """Seconds since the last message, ``None`` while there is no connection."""
        return time.monotonic() - self.last_message_s if self.is_connected else None

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        while True:
            try:
                await self._run_once()
            except (aiohttp.ClientError, OSError, TimeoutError, StreamError) as e:
                reason = str(e) or type(e).__name__
            except asyncio.CancelledError:
                raise
            # The outermost loop: whatever a handler does wrong must not end the stream for good.
            except Exception as e:
                self._logger.exception("Unexpected error in the %s stream.", self._name)
                reason = str(e)
            else:
                reason = self._why_closed
            delay_s = self._backoff.next_delay_s()
            self._logger.warning(
                "The %s stream of Backpack is down (%s); connecting again in %.1f s.",
                self._name,
                reason,
                delay_s,
            )
            await self._sleep(delay_s)

    async def subscribe(
        self, topics: Sequence[str], signature: Sequence[str] | None = None
    ) -> None:
        """Ask for topics.

        The exchange does not acknowledge; without a connection nothing is sent.
        """
        if self._socket is not None and topics:
            await self._socket.send_str(subscribe_frame(topics, signature))

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """Give topics back."""
        if self._socket is not None and topics:
            await self._socket.send_str(unsubscribe_frame(topics))

    async def ping(self) -> None:
        """Ask for a sign of life."""
        if self._socket is not None:
            await self._socket.ping()

    async def close(self, why: str = "closed by the connector") -> None:
        """Close the connection; `run` will open another one unless it is cancelled.

        Args:
            why: for the log.
        """
        self._why_closed = why
        await self._drop()

    async def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _run_once(self) -> None:
        session = await Connections().session()
        self._socket = await asyncio.wait_for(
            session.ws_connect(
                await self._ws_url(), autoping=False, max_msg_size=0, timeout=_TIMEOUT
            ),
            STREAM_CONNECT_TIMEOUT_S,
        )
        self._why_closed = "closed by the exchange"  # unless it is closed here
        watchdog = asyncio.ensure_future(self._watch(self._socket))
        try:
            self.last_message_s = time.monotonic()
            self.connects += 1
            self._backoff.succeeded()
            await self._handler.on_open(self)
            await self._read(self._socket)
        finally:
            watchdog.cancel()
            self._handler.on_lost()
            with suppress(aiohttp.ClientError, OSError):
                await self._drop()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        receive, on_message, now_s = socket.receive, self._handler.on_message, time.monotonic
        text = aiohttp.WSMsgType.TEXT
        turn = 0
        while True:
            message = await receive()
            self.last_message_s = now_s()
            if message.type is text:
                on_message(message.data)
            elif not await self._answer(socket, message):
                return
            turn += 1
            if turn >= _MESSAGES_A_TURN:
                turn = 0
                await asyncio.sleep(0)

    async def _answer(
        self, socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage
    ) -> bool:
        """Do what a message of the protocol asks for; False if it ends the connection."""
        match message.type:
            case aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            case aiohttp.WSMsgType.ERROR:
                raise aiohttp.ClientConnectionError(str(message.data))
            case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSED | aiohttp.WSMsgType.CLOSING:
                return False
            case _:
                pass
        return True

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ping a connection on which nothing comes, and close it if that is not answered.

        aiohttp's own heartbeat would set its clock at every message, at a tenth of the cost of
        bringing one into its book.
        """
        while True:
            silent_s = time.monotonic() - self.last_message_s
            if silent_s < STREAM_HEARTBEAT_S:
                await asyncio.sleep(STREAM_HEARTBEAT_S - silent_s)
                continue
            last_s = self.last_message_s
            with suppress(aiohttp.ClientError, OSError):
                await socket.ping()
            await asyncio.sleep(STREAM_HEARTBEAT_S / 2)
            if self.last_message_s == last_s:
                self._logger.warning(
                    "Nothing came on the %s stream of Backpack for %.0f s, not even an answer to a "
                    "ping.",
                    self._name,
                    time.monotonic() - last_s,
                )
                self._why_closed = "without a sign of life"
                await socket.close()
                return
