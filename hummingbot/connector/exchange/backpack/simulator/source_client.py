"""The public REST and WebSocket interface of an exchange that is mirrored, as typed calls.

Sends no keys and knows none. Nothing is retried here.
"""

import asyncio
from typing import Final

import aiohttp

from ..api.endpoints import Endpoint
from ..api.errors import TransportError
from ..api.replies import parse_reply

_REQUEST_TIMEOUT_S: Final = 10.0
_CONNECT_TIMEOUT_S: Final = 10.0
# How long a socket that is being closed may wait for the other side's word.
_FAREWELL_S: Final = 1.0
# A connection whose ping stays unanswered for half as long is dead.
_HEARTBEAT_S: Final = 30.0

UNREACHABLE: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What a network does; the errors of the wire layer are among them."""


class SourceClient:
    """Calls one exchange.

    Args:
        rest_url: base of its REST addresses, such as ``https://api.backpack.exchange``.
        ws_url: address of its streams.
    """

    def __init__(self, rest_url: str, ws_url: str) -> None:
        self.rest_url = rest_url.rstrip("/")
        self.ws_url = ws_url
        self._session: aiohttp.ClientSession | None = None

    async def fetch[R](self, endpoint: Endpoint[R]) -> R:
        """The typed reply of a public request.

        Raises:
            BackpackError: no reply, an error as reply, or one that cannot be read.
        """
        try:
            async with self._open_session().request(
                endpoint.method.value,
                f"{self.rest_url}{endpoint.path}",
                params=endpoint.query(),
                timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S),
            ) as reply:
                body = await reply.read()
        except UNREACHABLE as e:
            raise TransportError(endpoint.name, str(e) or type(e).__name__) from e
        return parse_reply(endpoint, reply.status, body)

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        """A new connection to the streams.

        Raises:
            aiohttp.ClientError: refused or broken.
            OSError: unreachable.
            TimeoutError: no answer in time.
        """
        return await asyncio.wait_for(
            self._open_session().ws_connect(
                self.ws_url,
                heartbeat=_HEARTBEAT_S,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=_FAREWELL_S),
            ),
            _CONNECT_TIMEOUT_S,
        )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session
