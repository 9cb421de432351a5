"""One connection that is kept up for ever, on a server of the test's own."""

import asyncio
import logging
import random
from contextlib import suppress
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from hummingbot.connector.exchange.backpack.api.errors import StreamError
from hummingbot.connector.exchange.backpack.backpack_backoff import new_backoff
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections

from .model.virtual_time import VirtualLoop, virtual_time

LOGGER = logging.getLogger("test_backpack_stream")


class Server:
    """Accepts WebSocket connections, keeps what comes, and sends what it is told to."""

    def __init__(self):
        self.sockets = []
        self.received = []
        self.pongs = []
        self.refuses = False
        self.elsewhere = None

    async def start(self):
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}"

    async def _serve(self, request):
        if self.refuses:
            return web.Response(status=503)
        if self.elsewhere is not None:
            return web.Response(status=302, headers={"Location": self.elsewhere})
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.received.append(message.data)
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is aiohttp.WSMsgType.PONG:
                self.pongs.append(bytes(message.data))
        return socket

    async def stop(self):
        for socket in self.sockets:
            await socket.close()
        await self._runner.cleanup()


class Handler:
    """Keeps what it is told; raises what it is given to raise."""

    def __init__(self):
        self.messages = []
        self.opened = 0
        self.lost = 0
        self.raises = None

    async def on_open(self, stream):
        self.opened += 1
        await stream.subscribe(["depth.SOL_USDC"])

    def on_message(self, payload):
        self.messages.append(payload)
        if self.raises is not None:
            error, self.raises = self.raises, None
            raise error

    def on_lost(self):
        self.lost += 1


@pytest.fixture
async def server():
    running = Server()
    await running.start()
    yield running
    await running.stop()
    await Connections().close()


@pytest.fixture
async def stranger():
    """Another server, whom nobody should come to."""
    running = Server()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def running(server):
    """A stream that runs, its handler, and how long it wanted to sleep each time."""
    handler, delays_s = Handler(), []

    async def url():
        return server.url

    async def sleep(seconds):
        delays_s.append(seconds)
        await asyncio.sleep(0.001)

    stream = BackpackStream("test", url, handler, LOGGER, sleep=sleep)
    task = asyncio.ensure_future(stream.run())
    yield stream, handler, delays_s
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not stream.is_connected


async def test_stream_hands_on_messages_in_order(server, running, eventually):
    """From the first to the last, also when they are long."""
    stream, handler, _ = running
    await eventually(lambda: server.received)
    wanted = [str(number) for number in range(100)] + ["x" * 6_000_000, "last"]
    for text in wanted:
        await server.sockets[0].send_str(text)
    await eventually(lambda: handler.messages[-1:] == ["last"])
    assert handler.messages == wanted
    assert stream.is_connected
    assert stream.age_s < 5


async def test_stream_subscribes_anew_on_each_connection(server, running, eventually):
    """Whatever the code of the close, and without one."""
    stream, handler, _ = running
    for number, code in enumerate((1000, 1001, 1006, 1011, None), start=1):
        await eventually(lambda n=number: len(server.received) == n)
        assert (handler.opened, stream.connects) == (number, number)
        if code is None:
            server.sockets[-1]._req.transport.abort()
        else:
            await server.sockets[-1].close(code=code)
        await eventually(lambda n=number: handler.lost == n)
    await eventually(lambda: stream.connects == 6)
    assert len(set(server.received)) == 1


async def test_stream_follows_no_redirection(server, stranger, running, eventually):
    """Whoever is named would get the account's signed subscription."""
    _, _, delays_s = running
    await eventually(lambda: server.received)
    server.elsewhere = stranger.url.replace("ws:", "http:")
    await server.sockets[0].close()
    await eventually(lambda: len(delays_s) >= 3)
    assert stranger.sockets == []
    server.elsewhere = None
    await eventually(lambda: len(server.sockets) == 2)


async def test_stream_says_who_closed_it(server, running, eventually, caplog):
    """Who looks for the cause of a lost connection must not be sent to the wrong place."""
    stream, _, _ = running
    await eventually(lambda: server.received)
    await server.sockets[0].close()
    await eventually(lambda: len(server.received) == 2)
    assert "is down (closed by the exchange)" in caplog.text
    caplog.clear()
    await stream.close("we had enough")
    await eventually(lambda: len(server.received) == 3)
    assert "is down (we had enough)" in caplog.text
    assert "by the exchange" not in caplog.text


@pytest.mark.parametrize("error", [StreamError("gap"), ValueError("a mistake of ours")])
async def test_stream_survives_what_a_handler_raises(server, running, eventually, caplog, error):
    """The connection is made anew; only the unexpected one leaves a traceback."""
    _, handler, _ = running
    await eventually(lambda: server.sockets)
    handler.raises = error
    await server.sockets[0].send_str("first")
    await eventually(lambda: handler.opened == 2)
    await server.sockets[1].send_str("second")
    await eventually(lambda: handler.messages == ["first", "second"])
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == isinstance(error, ValueError)


async def test_stream_waits_longer_after_each_failure(server, running, eventually):
    """1, 2, 4 … 60 seconds with jitter; a short connection in between changes nothing."""
    stream, _, delays_s = running
    await eventually(lambda: stream.is_connected)
    server.refuses = True
    await server.sockets[0].close()
    await eventually(lambda: len(delays_s) >= 4)
    server.refuses = False
    await eventually(lambda: stream.connects == 2)
    server.refuses = True
    await server.sockets[1].close()
    await eventually(lambda: len(delays_s) >= 9)
    for number, delay_s in enumerate(delays_s[:9]):
        assert 0.75 * min(60, 2**number) <= delay_s <= min(60, 1.25 * 2**number)


async def test_stream_answers_pings(server, running, eventually):
    """With the ping's own payload, or the exchange would close the connection."""
    await eventually(lambda: server.sockets)
    await server.sockets[0].ping(b"are you there")
    await eventually(lambda: server.pongs)
    assert server.pongs == [b"are you there"]


async def test_stream_lets_others_run_during_a_flood(server, running, eventually):
    """Five thousand messages that are there at once do not stop the bot."""
    _, handler, _ = running
    await eventually(lambda: server.sockets)
    turns = 0

    async def other():
        nonlocal turns
        while len(handler.messages) < 5000:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await asyncio.gather(*(server.sockets[0].send_str("x") for _ in range(5000)))
    await task
    assert turns > 10


async def test_stream_that_is_not_connected_sends_nothing(server):
    """Subscriptions are made when it connects."""

    async def url():
        return server.url

    stream = BackpackStream("test", url, Handler(), LOGGER)
    await stream.subscribe(["depth.SOL_USDC"])
    await stream.unsubscribe(["depth.SOL_USDC"])
    await stream.ping()
    await stream.close()
    assert server.sockets == []
    assert stream.age_s is None


async def test_stream_sends_no_frame_without_topics(server, running, eventually):
    """An empty subscription would be an error at the exchange."""
    stream, _, _ = running
    await eventually(lambda: len(server.received) == 1)
    await stream.subscribe([])
    await stream.unsubscribe([])
    await stream.unsubscribe(["trade.SOL_USDC"])
    await eventually(lambda: len(server.received) == 2)
    assert "UNSUBSCRIBE" in server.received[1]


def test_backoff_of_the_connector_scatters_its_delays():
    """Real dice: many bots do not return at the same moment."""
    random.seed(7)
    delays_s = {new_backoff().next_delay_s() for _ in range(50)}
    assert len(delays_s) > 40
    assert all(0.75 <= delay_s <= 1.25 for delay_s in delays_s)


# === connections on which nothing comes


class QuietSocket:
    """A connection that never says anything, except perhaps in answer to a ping."""

    def __init__(self, *, answers):
        self._answers = answers
        self._received = asyncio.Queue()
        self.pings = 0
        self.closed = False

    async def receive(self):
        return await self._received.get()

    async def send_str(self, text): ...

    async def ping(self):
        self.pings += 1
        if self._answers:
            self._received.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.PONG, b"", None))

    async def close(self):
        self.closed = True
        self._received.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None))


@pytest.fixture
def watched():
    """Let minutes pass on a quiet connection: ``watched(minutes, answers=True)``.

    By the times of the ordinary operation; gives the connections that were made.
    """

    def run(minutes, *, answers):
        sockets = []

        async def connect(*_, **__):
            sockets.append(QuietSocket(answers=answers))
            return sockets[-1]

        async def url():
            return "ws://exchange.invalid"

        with virtual_time() as clock:
            loop = VirtualLoop(clock)
            Connections._sessions[loop] = SimpleNamespace(closed=False, ws_connect=connect)
            stream = BackpackStream("test", url, Handler(), LOGGER)
            loop.call(lambda: asyncio.ensure_future(stream.run()))
            loop.advance(60 * minutes)
            loop.end()
            loop.close()
        return sockets

    return run


def test_connection_without_a_sign_of_life_is_given_up_within_two_minutes(watched, caplog):
    """Nobody has closed it, so nothing else would show it; then the next one is tried."""
    first, *others = watched(2, answers=False)
    assert first.pings == 1
    assert first.closed
    assert others
    assert "is down (without a sign of life)" in caplog.text
    assert "closed by the exchange" not in caplog.text


def test_quiet_connection_whose_pings_are_answered_is_kept(watched):
    """A night without an order makes no event."""
    (only,) = watched(60, answers=True)
    assert only.pings >= 100
