"""The wire: REST and WebSocket of the local exchange on one port of this machine.

Moves bytes between sockets and the exchange's synchronous parts; what they mean is decided in
`gateway` and `streams`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from ..api.models import OrderBookState, Symbol, SystemStatus
from .account_operations import AccountOperations
from .admin import Admin
from .authentication import Authenticator
from .connections import Connection
from .doors import Doors
from .engine import Engine
from .fault_runner import FaultRunner
from .faults import ConnectionCut, Faults, SkewedClock
from .gateway import Gateway
from .limits import RateLimit
from .liquidity import Liquidity
from .market_operations import MarketOperations
from .replies import TOO_LARGE, Reply
from .requests import Call
from .sessions import Session
from .statistics import Statistics
from .streams import Streams

_log = logging.getLogger(__name__)

_US_PER_MS = 1_000
_US_PER_S = 1_000_000
# Tickers and candles leave half a second after the full second, as recorded.
_TICK_PHASE_S = 0.5
_MAX_BODY_BYTES = 1 << 20
_MAX_FRAME_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which account a key signs for."""

    account_id: str
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How the server treats its clients.

    Attributes:
        requests_per_minute: of one key or address; ``None`` for no limit.
        history_per_minute: of these, how many for history; ``None`` for no limit.
        ping_interval_s: seconds between the pings of a WebSocket connection.
        pong_patience_s: seconds without a pong until a connection is cut.
        max_buffered_bytes: how much may wait for a slow reader until it is cut.
        faults: scripts of faults to carry out, see `fault_script`.
        seed: of what these scripts leave to chance.
        admin: whether the back door is open, see `admin`.
    """

    requests_per_minute: int | None = 2_000
    history_per_minute: int | None = 30
    ping_interval_s: float = 60.0
    pong_patience_s: float = 120.0
    max_buffered_bytes: int = 8 << 20
    faults: tuple[str, ...] = ()
    seed: int = 0
    admin: bool = False


class ExchangeServer:
    """Serves one engine.

    Args:
        engine: the exchange proper; its accounts exist already.
        accounts: which keys sign for which accounts.
        liquidity: other people's orders, started and stepped here; ``None`` for an empty market.
        statistics: tickers and candles, fed with the engine's trades here.
        clock_us: the time, µs since the epoch.
        options: limits and patience.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        accounts: Sequence[Credentials],
        liquidity: Liquidity | None,
        statistics: Statistics,
        clock_us: Callable[[], int],
        options: ServerOptions,
    ) -> None:
        self._liquidity = liquidity
        self._clock_us = clock_us
        self._options = options
        judged_by = SkewedClock(clock_us)
        self._authenticator = Authenticator(
            {account.api_key: account.account_id for account in accounts},
            lambda: judged_by() // _US_PER_MS,
        )
        self._engine = engine
        self._markets = MarketOperations(engine, statistics, judged_by)
        self._gateway = Gateway(
            self._markets.routes() | AccountOperations(engine).routes(),
            self._authenticator,
            RateLimit(options.requests_per_minute, clock_us),
            RateLimit(options.history_per_minute, clock_us),
        )
        self.streams = Streams(engine, statistics, clock_us)
        self.faults = Faults(judged_by, self)
        self.streams.frame_faults = self.faults.frames
        self.streams.admissions = self.faults.admissions
        self.scripts = FaultRunner(self.faults, options.seed)
        self._admin: Admin | None = None
        if options.admin:
            names = [account.account_id for account in accounts]
            self._admin = Admin(engine, names, self.scripts)
        self._sessions: dict[Session, web.WebSocketResponse] = {}
        self._doors = Doors(self._handle)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def rest_url(self) -> str:
        """Base of all REST addresses, without a slash at the end."""
        return f"http://{self._doors.authority}"

    @property
    def ws_url(self) -> str:
        """Address of the streams, public and private."""
        return f"ws://{self._doors.authority}"

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return len(self._sessions)

    def use(self, liquidity: Liquidity | None) -> None:
        """Take other people's orders from elsewhere; to be said before the start."""
        self._liquidity = liquidity

    async def start(self, host: str, port: int) -> None:
        """Fill the books and listen.

        Args:
            host: address to listen on.
            port: TCP port, 0 for any free one.

        Raises:
            OSError: the address cannot be listened on.
        """
        await self._doors.open(host, port)
        if self._liquidity is not None:
            self._liquidity.start()
            self._run(self._trade(self._liquidity))
        self._run(self._tick())
        for text in self._options.faults:
            self.scripts.start(text)

    async def stop(self) -> None:
        """Say goodbye to all clients and stop listening. Does nothing if not started."""
        await self.scripts.stop_all()
        await self.faults.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._say_goodbye()
        await self._doors.close()
        self._doors.forget()

    # --- HTTP ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_websocket(request)
        try:
            reply = await self._answer(request)
        except ConnectionCut:
            if request.transport is not None:
                request.transport.abort()
            reply = Reply()
        response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        if reply.content_type is not None:
            response.headers["Content-Type"] = reply.content_type
        return response

    async def _answer(self, request: web.BaseRequest) -> Reply:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return TOO_LARGE
        call = Call(
            method=request.method,
            path=request.path,
            query=request.rel_url.raw_query_string,
            headers=request.headers,
            body=body,
            address=request.remote or "",
        )
        if self._admin is not None and (reply := await self._admin.answer(call)) is not None:
            return reply
        if not self.faults.rest:
            return self._gateway.answer(call)

        async def proceed() -> Reply:
            return self._gateway.answer(call)

        return await self.faults.around(call, proceed)

    # --- WebSocket ---

    async def _serve_websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.faults.refuses_websocket():
            return web.Response(status=503)
        # Pings are answered here and not by aiohttp, to see the pongs.
        socket = web.WebSocketResponse(autoping=False, max_msg_size=_MAX_FRAME_BYTES)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        options = self._options
        connection = Connection(
            transport,
            window_bits=int(socket.compress),
            max_buffered_bytes=options.max_buffered_bytes,
        )
        # The first ping comes 5 to 38 seconds after the start on the exchange, then one a minute.
        share = random.uniform(5 / 60, 38 / 60)  # noqa: S311 (no secret)
        first_s = share * options.ping_interval_s
        connection.keep_alive(first_s, options.ping_interval_s, options.pong_patience_s)
        session = Session(connection, self.streams, self._authenticator)
        self._sessions[session] = socket
        try:
            await _converse(socket, session)
        finally:
            session.end()
            self._sessions.pop(session, None)
        return socket

    async def _say_goodbye(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions:
            session.end()
        farewells = (asyncio.wait_for(socket.close(code=1001), 1.0) for socket in sessions.values())
        await asyncio.gather(*farewells, return_exceptions=True)

    # --- what faults get hold of: `fault_core.Site` ---

    def drop_connections(self) -> int:
        """Cut every WebSocket connection; returns how many."""
        connections = self.open_connections()
        for connection in connections:
            connection.cut()
        return len(connections)

    def open_connections(self) -> list[Connection]:
        """The WebSocket connections that are open."""
        return [session.connection for session in self._sessions]

    def send_frame(self, topic: str, account_id: str, data: bytes) -> None:
        """Let data leave on a stream, past all faults."""
        self.streams.send_frame(topic, account_id, data)

    async def close_doors(self, *, is_announced: bool) -> None:
        """Close every connection and listen no more; the market goes on."""
        await self._doors.listen_no_more()
        if is_announced:
            await self._say_goodbye()
        await self._doors.close(is_cut=not is_announced)

    async def open_doors(self) -> None:
        """Listen again where it listened before."""
        await self._doors.listen_again()

    def show_status(self, status: SystemStatus) -> None:
        """Show this status from now on."""
        self._markets.show_status(status)

    def market_state(self, symbol: Symbol) -> OrderBookState:
        """What a market accepts."""
        return self._engine.markets[symbol].order_book_state

    def set_market_state(self, symbol: Symbol, state: OrderBookState) -> None:
        """Change what a market accepts."""
        self._engine.set_order_book_state(symbol, state)

    # --- what happens by itself ---

    def _run(self, forever: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(forever)
        task.add_done_callback(_log_failure)
        self._tasks.append(task)

    async def _trade(self, liquidity: Liquidity) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s += liquidity.next_delay_s()
            # After a pause of the process at most a second is caught up, and others run in between.
            due_s = max(due_s, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            liquidity.step()

    async def _tick(self) -> None:
        while True:
            wait_s = (_TICK_PHASE_S - self._clock_us() / _US_PER_S) % 1
            # The timer may fire a little early; that must not make it fire twice.
            await asyncio.sleep(wait_s if wait_s > _TICK_PHASE_S / 2 else wait_s + 1)
            self.streams.tick()


def _log_failure(task: asyncio.Task[None]) -> None:
    # The exchange goes on with what it has; the log says what does not happen any more.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a part of the exchange has ended", exc_info=error)


async def _converse(socket: web.WebSocketResponse, session: Session) -> None:
    async for message in socket:
        if session.connection.is_frozen:
            continue
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                session.handle(message.data)
            case WSMsgType.PING:
                session.connection.answer_ping(message.data)
            case WSMsgType.PONG:
                session.connection.saw_pong()
            case _:
                return  # broken or too large: aiohttp has closed it with the code that says so
