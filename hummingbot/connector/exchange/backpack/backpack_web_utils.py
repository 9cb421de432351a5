"""Requests to the exchange: addresses, the shared HTTP session, the typed REST client, the clock.

Hummingbot's REST assistant copies, dumps and re-parses every request; this client sends the bytes
that were signed, through the same throttler, and turns every failure into a typed error.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, override
from weakref import WeakKeyDictionary

import aiohttp
import msgspec
from aiohttp.connector import Connection
from yarl import URL

from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

from .api.endpoints import Endpoint, GetTime, Method
from .api.errors import (
    BackpackError,
    ClockSkewError,
    ExchangeUnavailable,
    HeldBack,
    NotSent,
    RateLimited,
    TransportError,
)
from .api.replies import Rows, parse_reply, parse_rows
from .backpack_auth import BackpackAuth
from .backpack_constants import (
    BROKER_HEADERS,
    DEFAULT_DOMAIN,
    LONGEST_ORDER_WAIT_S,
    RATE_LIMITS,
    REQUEST_TIMEOUT_S,
)
from .backpack_environments import Environment, outside_environment
from .backpack_throttler import BackpackThrottler

KEEP_ALIVE_S = 75.0
_LATENCY_SAMPLES = 101
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Redirected(aiohttp.ClientError):
    """Another address was named, which is not followed.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__("redirected to another address, which is not followed")
        self.status = status


class _Reply(aiohttp.ClientResponse):
    """Refuses redirections, which would repeat a write and show its signature to a stranger.

    A request can be told not to follow one, but neither a WebSocket nor Hummingbot's assistants do
    so; and a trace of the session, the other way to see one, costs each order 20 µs.
    """

    @override
    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.status in _REDIRECTIONS:
            raise Redirected(self.status)
        return self


class Connections(ConnectionsFactory):
    """One HTTP session for each event loop, shared by all connectors, that keeps idle connections.

    Hummingbot's own session drops them after 15 s, so an order after a quiet time would pay for a
    new TLS handshake.
    """

    # Hummingbot's factory is a singleton kept on the class: ours must not be taken for it, nor the
    # other way round.
    _instance = None
    _sessions: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession]] = (
        WeakKeyDictionary()
    )

    async def session(self) -> aiohttp.ClientSession:
        """The session of the running loop."""
        return await self._get_shared_client()

    @override
    async def _get_shared_client(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S, limit=0)
            session = aiohttp.ClientSession(connector=connector, response_class=_Reply)
            self._sessions[loop] = session
        return session

    @override
    async def close(self) -> None:
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()


class CachedTimeSynchronizer(TimeSynchronizer):
    """Computes the offset when a sample arrives and not, through numpy, at every signature."""

    def __init__(self) -> None:
        super().__init__()
        self._cached_offset_ms: float | None = None

    @property
    @override
    def time_offset_ms(self) -> float:
        if self._cached_offset_ms is None:
            self._cached_offset_ms = float(super().time_offset_ms)
        return self._cached_offset_ms

    @property
    def is_synchronized(self) -> bool:
        """Whether the exchange's time has been asked at least once."""
        return bool(self._time_offset_ms)

    @property
    def skew_ms(self) -> float:
        """How far this computer's clock is behind the exchange's (negative: ahead), in ms."""
        return (self.time() - self._time()) * 1e3

    async def ask(self, server_time_ms: Callable[[], Awaitable[float]]) -> None:
        """Take one sample of the exchange's time.

        Args:
            server_time_ms: asks the exchange, ms since the epoch.

        Raises:
            BackpackError: it did not answer; the samples stay as they are.
        """
        before_ms = self._current_seconds_counter() * 1e3
        exchange_ms = await server_time_ms()
        after_ms = self._current_seconds_counter() * 1e3
        self.add_time_offset_ms_sample(exchange_ms - (before_ms + after_ms) / 2)

    @override
    def add_time_offset_ms_sample(self, offset: float) -> None:
        super().add_time_offset_ms_sample(offset)
        self._cached_offset_ms = None

    @override
    def clear_time_offset_ms_samples(self) -> None:
        super().clear_time_offset_ms_samples()
        self._cached_offset_ms = None


class RestClient:
    """Sends typed requests.

    Args:
        environment: where to.
        throttler: budget that every request is taken from.
        auth: signs private requests; ``None`` for public ones only.
        before_signing: awaited before a signature, to have the clock set.
        on_clock_skew: awaited after a request was refused for its time; the request is then sent
            once more.
    """

    def __init__(
        self,
        environment: Environment,
        throttler: BackpackThrottler,
        auth: BackpackAuth | None = None,
        *,
        before_signing: Callable[[], Awaitable[None]] | None = None,
        on_clock_skew: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._environment = environment
        self._throttler = throttler
        self._auth = auth
        self._before_signing = before_signing
        self._on_clock_skew = on_clock_skew
        self._connections = Connections()
        self._timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        self.latencies_s: deque[float] = deque(maxlen=_LATENCY_SAMPLES)

    async def send[R](self, endpoint: Endpoint[R], *, response: Any = None) -> R:  # noqa: ANN401
        """Send one request and return its typed reply.

        Args:
            endpoint: the request.
            response: decode to this type instead of the endpoint's own.

        Raises:
            BackpackError: typed; its `outcome` says whether a write may have been executed.
        """
        try:
            return await self._send_once(endpoint, response)
        except ClockSkewError as refusal:
            # A request refused for its time was not executed, so sending it again is safe, even an
            # order.
            if self._on_clock_skew is None:
                raise
            try:
                await self._on_clock_skew()
            except BackpackError as e:
                raise refusal from e
            return await self._send_once(endpoint, response)

    async def send_rows[R](self, endpoint: Endpoint[list[R]]) -> Rows[R]:
        """Send a request for a list and read each row by itself.

        Raises:
            BackpackError: typed; not for single rows that cannot be read.
        """
        rows: Any = await self.send(endpoint, response=list[msgspec.Raw])
        return parse_rows(endpoint, rows)

    async def _send_once[R](self, endpoint: Endpoint[R], response: Any) -> R:  # noqa: ANN401
        patience_s = LONGEST_ORDER_WAIT_S if endpoint.method is Method.POST else math.inf
        async with self._throttler.execute_task(
            endpoint.path, is_order=endpoint.is_write, patience_s=patience_s
        ):
            headers = await self._headers(endpoint)
            status, body = await self._exchange(endpoint, headers)
        try:
            reply = parse_reply(endpoint, status, body, response=response)
        except RateLimited:
            self._throttler.on_refused()
            raise
        self._throttler.on_accepted()
        return reply

    async def _headers(self, endpoint: Endpoint[Any]) -> dict[str, str]:
        if endpoint.instruction is None or self._auth is None:
            return {}
        if self._before_signing is not None:
            try:
                await self._before_signing()
            except BackpackError as e:
                raise HeldBack(endpoint.name, f"the exchange's time is not known: {e}") from e
        headers = self._auth.headers(endpoint)
        return {**headers, **_JSON_HEADERS, **BROKER_HEADERS} if endpoint.is_write else headers

    async def _exchange(
        self, endpoint: Endpoint[Any], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        await self._environment.start()
        url: str | URL = self._environment.rest_url + endpoint.path
        if query := endpoint.query():
            url = URL(url).with_query(query)
        session = await self._connections.session()
        # aiohttp sends a DELETE again by itself when the connection breaks, but does not know it by
        # this name, which goes out in capitals.
        method = endpoint.method.value.lower()
        sent_s = time.perf_counter()
        try:
            async with session.request(
                method if endpoint.is_write else endpoint.method.value,
                url,
                data=endpoint.body(),
                headers=headers,
                timeout=self._timeout,
                # It would repeat a write, and show the signature to whoever is named.
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
                self.latencies_s.append(time.perf_counter() - sent_s)
                return reply.status, body
        except aiohttp.ClientConnectorError as e:
            raise NotSent(endpoint.name, str(e)) from e
        except Redirected as e:
            raise ExchangeUnavailable(endpoint.name, e.status, None, str(e)) from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise TransportError(endpoint.name, str(e) or type(e).__name__) from e


def public_rest_url(path_url: str, domain: str = DEFAULT_DOMAIN) -> str:  # noqa: ARG001 (Hummingbot passes it)
    """Address of a REST operation."""
    return outside_environment().rest_url + path_url


def private_rest_url(path_url: str, domain: str = DEFAULT_DOMAIN) -> str:
    """Address of a REST operation; the exchange has one host for public and private ones."""
    return public_rest_url(path_url, domain)


def wss_url(domain: str = DEFAULT_DOMAIN) -> str:  # noqa: ARG001 (Hummingbot passes it)
    """Address of all streams."""
    return outside_environment().ws_url


def create_throttler() -> BackpackThrottler:
    """A budget of its own, for callers that have no connector."""
    return BackpackThrottler(RATE_LIMITS)


def build_api_factory(
    throttler: AsyncThrottlerBase | None = None, auth: BackpackAuth | None = None
) -> WebAssistantsFactory:
    """Hummingbot's factory of REST and WebSocket assistants, on our HTTP session."""
    return WebAssistantsFactory(
        throttler=throttler or create_throttler(), auth=auth, connections_factory=Connections()
    )


async def get_current_server_time(
    throttler: BackpackThrottler | None = None,
    domain: str = DEFAULT_DOMAIN,  # noqa: ARG001 (Hummingbot passes it)
) -> float:
    """The exchange's time in ms since the epoch."""
    client = RestClient(outside_environment(), throttler or create_throttler())
    return float(await client.send(GetTime()))
