"""Addresses, the shared session, the typed client and the clock."""

import asyncio
import time
from decimal import Decimal

import pytest
from aiohttp import web

from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    ExecuteOrder,
    GetCapital,
    GetStatus,
    GetTime,
)
from hummingbot.connector.exchange.backpack.api.errors import (
    ClockSkewError,
    DecodeError,
    ExchangeUnavailable,
    NotSent,
    Outcome,
    RateLimited,
    TransportError,
)
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
from hummingbot.connector.exchange.backpack.backpack_environments import (
    LIVE_REST_URL,
    LIVE_WS_URL,
    OutsideEnvironment,
)
from hummingbot.connector.exchange.backpack.backpack_web_utils import (
    CachedTimeSynchronizer,
    Connections,
    Redirected,
    RestClient,
    create_throttler,
)
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

REST_URL, WS_URL = "BACKPACK_REST_URL", "BACKPACK_WS_URL"
PAIR = "SOL-USDC"


@pytest.fixture(autouse=True)
async def _close_sessions(monkeypatch):
    monkeypatch.delenv(REST_URL, raising=False)
    monkeypatch.delenv(WS_URL, raising=False)
    yield
    await Connections().close()


# === addresses


def test_addresses_are_the_live_exchanges_by_default():
    """One host for public and private requests, one for all streams."""
    assert web_utils.public_rest_url("/api/v1/time") == f"{LIVE_REST_URL}/api/v1/time"
    assert web_utils.private_rest_url("/api/v1/capital") == f"{LIVE_REST_URL}/api/v1/capital"
    assert web_utils.wss_url() == LIVE_WS_URL


@pytest.mark.parametrize("end", ["", "/"])
def test_addresses_come_from_the_environment(monkeypatch, end):
    """Both variables together name another exchange."""
    monkeypatch.setenv(REST_URL, f"http://127.0.0.1:1{end}")
    monkeypatch.setenv(WS_URL, f"ws://127.0.0.1:2{end}")
    assert web_utils.public_rest_url("/api/v1/time") == "http://127.0.0.1:1/api/v1/time"
    assert web_utils.wss_url() == "ws://127.0.0.1:2"


@pytest.mark.parametrize(("given", "missing"), [(REST_URL, WS_URL), (WS_URL, REST_URL)])
@pytest.mark.parametrize("other", [None, "", "/"])
def test_one_address_alone_is_refused(monkeypatch, given, missing, other):
    """Reads and writes would go to different exchanges; the message names what is missing."""
    monkeypatch.setenv(given, "http://127.0.0.1:1")
    if other is not None:
        monkeypatch.setenv(missing, other)
    with pytest.raises(ValueError, match=f"{missing} is not set"):
        web_utils.public_rest_url("/api/v1/time")


# === session


async def test_session_is_one_for_all_connectors_of_a_loop():
    """And another one after it was closed."""
    first = await Connections().session()
    assert await Connections().session() is first
    await Connections().close()
    assert first.closed
    assert await Connections().session() is not first


def test_session_belongs_to_its_loop():
    """Two loops, one after the other or in two threads, never share one."""

    async def one():
        session = await Connections().session()
        await Connections().close()
        return session

    assert asyncio.run(one()) is not asyncio.run(one())


def test_session_is_not_hummingbots_own():
    """Neither is taken for the other, although both factories are singletons."""
    ours, theirs = Connections(), ConnectionsFactory()
    assert ours is not theirs
    assert ours is Connections()
    assert theirs is ConnectionsFactory()
    assert isinstance(ours, Connections)
    assert not isinstance(theirs, Connections)


async def test_session_without_being_used_can_be_closed():
    """Twice, too."""
    await Connections().close()
    await Connections().close()


# === requests


ORDER = ExecuteOrder(symbol="SOL_USDC", side="Bid", order_type="Limit")


def client_of(url, **arguments):
    return RestClient(OutsideEnvironment("test", url, ""), create_throttler(), **arguments)


@pytest.fixture
async def answering():
    """``await answering(handler)`` serves HTTP with a handler of the test's own."""
    runners = []

    async def serve(handler):
        runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("request_", [GetStatus(), ORDER], ids=["read", "write"])
async def test_request_without_a_connection_was_certainly_not_sent(request_):
    """A closed port: definite, also for an order."""
    with pytest.raises(NotSent) as failed:
        await client_of("http://127.0.0.1:1").send(request_)
    assert failed.value.outcome is Outcome.REJECTED
    assert "Check the network connection" in str(failed.value)


@pytest.mark.parametrize("request_", [GetStatus(), ORDER], ids=["read", "write"])
async def test_request_whose_connection_breaks_has_an_unknown_outcome(answering, request_):
    """It was sent; nobody knows how far it came."""

    async def abort(request):
        await request.read()
        request.transport.abort()
        return web.Response()

    with pytest.raises(TransportError) as failed:
        await client_of(await answering(abort)).send(request_)
    assert not isinstance(failed.value, NotSent)
    assert failed.value.outcome is Outcome.UNKNOWN


async def test_request_without_an_answer_is_given_up_with_an_unknown_outcome(
    answering, monkeypatch
):
    """After the time limit; the message says which request it was."""
    monkeypatch.setattr(web_utils, "REQUEST_TIMEOUT_S", 0.1)
    released = asyncio.Event()

    async def hang(request):
        await released.wait()
        return web.Response()

    client = client_of(await answering(hang))
    with pytest.raises(TransportError, match="POST /api/v1/order: no reply") as failed:
        await client.send(ORDER)
    assert failed.value.outcome is Outcome.UNKNOWN
    released.set()


@pytest.mark.parametrize("endpoint", [ORDER, CancelOrder(symbol="SOL_USDC", order_id="1")])
async def test_write_is_never_repeated_by_the_http_library(answering, endpoint):
    """aiohttp repeats some requests on a connection that was used before; no write of ours."""
    seen = []

    async def abort_second(request):
        seen.append(request.method)
        if len(seen) == 1:
            return web.Response(body=b'{"message":null,"status":"Ok"}')
        request.transport.abort()
        return web.Response()

    client = client_of(await answering(abort_second))
    await client.send(GetStatus())
    with pytest.raises(TransportError):
        await client.send(endpoint)
    assert seen == ["GET", endpoint.method.value]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("request_", [GetStatus(), ORDER], ids=["read", "write"])
async def test_redirection_is_not_followed(answering, request_, status):
    """It would repeat a write, and show the key's signature to whoever is named."""
    seen = []

    async def redirect(request):
        seen.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    with pytest.raises(ExchangeUnavailable) as failed:
        await client_of(await answering(redirect)).send(request_)
    assert failed.value.outcome is Outcome.UNKNOWN
    assert "redirect" in str(failed.value)
    assert seen == [request_.path]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirection_is_not_followed_by_hummingbots_assistants_either(
    exchange, answering, status
):
    """They sign too, and know nothing of it; to whom it leads must not see a signature."""
    strangers = []

    async def stranger(request):
        strangers.append(request)
        return web.json_response({})

    elsewhere = await answering(stranger)

    async def redirect(request):
        return web.Response(status=status, headers={"Location": elsewhere})

    url = await answering(redirect)
    auth = BackpackAuth(exchange.api_key, exchange.api_secret, time.time)
    factory = web_utils.build_api_factory(auth=auth)
    rest = await factory.get_rest_assistant()
    with pytest.raises(Redirected):
        await rest.execute_request(
            url=url + GetCapital.path,
            throttler_limit_id=GetCapital.path,
            is_auth_required=True,
        )
    socket = await factory.get_ws_assistant()
    with pytest.raises(Redirected):
        await socket.connect(ws_url=url)
    assert strangers == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, b'{"code":"MAINTENANCE","message":"System under maintenance"}', ExchangeUnavailable),
        (502, b"<html>bad gateway</html>", ExchangeUnavailable),
        (429, b'{"code":"TOO_MANY_REQUESTS","message":"Too many requests"}', RateLimited),
        (200, b"not json", DecodeError),
    ],
)
async def test_answer_becomes_a_typed_error(answering, status, body, error):
    """As the classifier says."""

    async def answer(request):
        return web.Response(status=status, body=body)

    client = client_of(await answering(answer))
    with pytest.raises(error):
        await client.send(GetStatus())


async def test_private_write_carries_signature_and_broker(exchange, calls):
    """Bytes and headers as they were signed; a read has no body and no content type."""
    auth = BackpackAuth(exchange.api_key, exchange.api_secret, time.time)
    client = client_of(exchange.rest_url, auth=auth)
    await client.send(GetCapital())
    await client.send(
        ExecuteOrder(symbol="SOL_USDC", side="Bid", order_type="Limit", price="99.5", quantity="1")
    )
    read, write = calls.all
    assert read.body == b""
    assert write.headers["X-Broker-Id"] == "2200"
    assert write.headers["Content-Type"] == "application/json; charset=utf-8"
    assert read.headers["X-API-Key"] == write.headers["X-API-Key"] == exchange.api_key
    assert len(client.latencies_s) == 2


async def test_clock_is_corrected_and_the_request_sent_once_more(exchange, calls):
    """Refused for its time, it was not carried out, so repeating it is safe."""
    offset_s = 0.0

    async def correct():
        nonlocal offset_s
        offset_s = 60.0

    auth = BackpackAuth(exchange.api_key, exchange.api_secret, lambda: time.time() + offset_s)
    client = client_of(exchange.rest_url, auth=auth, on_clock_skew=correct)
    with exchange.faults.clock_skew(60_000):
        assert "USDC" in await client.send(GetCapital())
        assert len(calls.all) == 2
        offset_s = -3600.0
        helpless = client_of(exchange.rest_url, auth=auth)
        with pytest.raises(ClockSkewError):
            await helpless.send(GetCapital())
    assert len(calls.all) == 3


async def test_refusal_for_the_clock_stays_definite_when_the_time_cannot_be_asked(
    exchange, trader, calls, eventually
):
    """The order is not looked up, and its failure says what was wrong; the next one goes well."""
    connector, faults = trader.connector, exchange.faults
    expired = faults.refuse(400, "INVALID_CLIENT_REQUEST", "Request has expired", ORDER.name)
    with expired, faults.server_error(GetTime().name, times=1) as unanswered:
        order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
        await eventually(lambda: trader.events.names(order_id) == ["Failure"], 2)
    assert unanswered.hits == 1
    assert "Request has expired" in trader.events.why_failed(order_id)
    assert "never accepted" not in trader.events.why_failed(order_id)
    assert calls.count("GET /api/v1/order") == 0
    order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)


async def test_order_that_cannot_be_signed_for_want_of_the_time_was_certainly_not_sent(
    exchange, trader, calls, eventually
):
    """Whatever became of the question for the time, the order itself never left."""
    connector = trader.connector
    connector._time_synchronizer.clear_time_offset_ms_samples()
    with exchange.faults.server_error(GetTime().name, times=None):
        order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
        await eventually(lambda: trader.events.names(order_id) == ["Failure"], 2)
    assert "not sent, because the exchange's time is not known" in trader.events.why_failed(
        order_id
    )
    assert calls.count(ORDER.name) == calls.count("GET /api/v1/order") == 0


async def test_server_time_is_in_milliseconds(exchange, monkeypatch):
    """As Hummingbot's time synchronizer expects it."""
    monkeypatch.setenv(REST_URL, exchange.rest_url)
    monkeypatch.setenv(WS_URL, exchange.ws_url)
    asked_ms = time.time() * 1000
    assert await web_utils.get_current_server_time() == pytest.approx(asked_ms, abs=1000)


async def test_hummingbots_own_assistants_work_through_our_factory(exchange):
    """Tools of Hummingbot that use the connector's factory: signed by `rest_authenticate`."""
    auth = BackpackAuth(exchange.api_key, exchange.api_secret, time.time)
    factory = web_utils.build_api_factory(auth=auth)
    assistant = await factory.get_rest_assistant()
    balances = await assistant.execute_request(
        url=exchange.rest_url + GetCapital.path,
        throttler_limit_id=GetCapital.path,
        method=RESTMethod.GET,
        is_auth_required=True,
    )
    assert balances["USDC"]["available"] == "100000"
    cancelled = await assistant.execute_request(
        url=exchange.rest_url + "/api/v1/orders",
        throttler_limit_id="/api/v1/orders",
        method=RESTMethod.DELETE,
        data={"symbol": "SOL_USDC"},
        is_auth_required=True,
    )
    assert cancelled == []
    socket = await factory.get_ws_assistant()
    await socket.connect(ws_url=exchange.ws_url)
    await socket.disconnect()


# === clock


async def test_clock_takes_the_exchanges_time():
    """Offset of this computer's clock in ms, from the middle of question and answer."""
    clock = CachedTimeSynchronizer()
    assert not clock.is_synchronized
    assert abs(clock.skew_ms) < 1000

    async def an_hour_ahead():
        return (time.time() + 3600) * 1000

    await clock.ask(an_hour_ahead)
    assert clock.is_synchronized
    assert clock.skew_ms == pytest.approx(3_600_000, abs=1000)
    assert clock.time() == pytest.approx(time.time() + 3600, abs=1)

    clock.clear_time_offset_ms_samples()
    assert not clock.is_synchronized
    assert abs(clock.skew_ms) < 1000


async def test_clock_keeps_its_samples_when_nobody_answers():
    """A failed question changes nothing, and its error is the caller's."""
    clock = CachedTimeSynchronizer()
    clock.add_time_offset_ms_sample(5.0)
    before = clock.time_offset_ms

    async def nobody():
        raise TransportError(GetTime().name, "no route")

    with pytest.raises(TransportError):
        await clock.ask(nobody)
    assert clock.time_offset_ms == before
