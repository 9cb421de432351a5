"""Whatever is sent, the exchange answers, lives on, and no state changes."""

import asyncio
import io
import json
import time

import aiohttp
import pytest
import yarl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder, GetCapital
from hummingbot.connector.exchange.backpack.api.signing import signed_text

JSON = "application/json"
ABSURD = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1",
    "0",
    "-0",
    "9" * 1000,
    "0." + "0" * 1000 + "1",
    "1_000",
    " 1",
    "0x10",
    "",
    "\u0661",
    1.5,
    -5,
    10**400,
    True,
    None,
    [],
    {},
    ["1"],
    {"a": 1},
    "\ud800",
    "' OR 1=1 --",
    "../../etc/passwd",
    "x" * 10_000,
]
GOOD_ORDER = {
    "symbol": "SOL_USDC",
    "side": "Bid",
    "orderType": "Limit",
    "price": "99.50",
    "quantity": "1",
}
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"1e999",
    b"\xff\xfe\xfd",
    b"[" * 300_000,
    b'{"a":' * 100_000,
    b"{" + b'"symbol":"SOL_USDC",' * 10_000 + b'"side":"Bid"}',
    json.dumps(GOOD_ORDER).encode()[:-1],
    b'{"symbol": "SOL_USDC", "price": NaN}',
    b'{"price": ' + b"9" * 100_000 + b"}",
]
PATHS = [
    "/api/v1/depth?symbol=%00",
    "/api/v1/depth?symbol=%ff%fe",
    "/api/v1/depth?symbol=SOL_USDC&limit=" + "9" * 400,
    "/api/v1/klines?symbol=SOL_USDC&interval=1s&startTime=-99999999999999999",
    "/api/v1/klines?symbol=SOL_USDC&interval=1month&startTime=999999999999999999",
    "/api/v1/klines?symbol=SOL_USDC&interval=1s&startTime=0&endTime=999999999999999999",
    "/api/v1/klines?symbol=SOL_USDC&interval=1w&startTime=1e5",
    "/api/v1/trades/history?symbol=SOL_USDC&offset=999999999",
    "/api/v1/trades?symbol=SOL_USDC&limit=-1",
    "/api/v1/markets?marketType=SPOT&marketType=",
    "/api/v1/ticker?symbol=SOL_USDC&interval=1y",
    "/api/v1/../../etc/passwd",
    "/%2e%2e/%2e%2e/",
    "/api/v1/order/" + "a" * 5000,
]


async def signed(client, operation, values, instruction):
    """Send values that no typed request could hold, with a good signature if there can be one."""
    method, path = operation.split()
    now_ms = time.time_ns() // 1_000_000
    orders = values if isinstance(values, list) else [values]
    text = signed_text(
        [(instruction, {k: v for k, v in order.items() if v is not None}) for order in orders],
        timestamp_ms=now_ms,
        window_ms=5000,
    )
    headers = {
        "Content-Type": JSON,
        "X-API-Key": client.account.api_key,
        "X-Signature": client.signer.sign(text.encode(errors="replace").decode()),
        "X-Timestamp": str(now_ms),
    }
    return await client.send(method, path, body=json.dumps(values).encode(), headers=headers)


@pytest.fixture
async def unlimited(open_exchange):
    """An exchange that counts no requests."""
    return await open_exchange(rate_limits=False)


@pytest.fixture
def trader(unlimited, client_of):
    return client_of(unlimited)


@pytest.fixture
async def unmoved(unlimited, trader, fingerprint):
    """Afterwards nothing has changed, and the exchange still answers."""
    await trader.place("Bid", "99.00", "1", client_id=1)
    before = fingerprint(unlimited)
    yield
    assert fingerprint(unlimited) == before
    assert (await trader.call(GetCapital())).status == 200


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("field", [*GOOD_ORDER, "clientId", "postOnly", "timeInForce"])
async def test_no_field_of_an_order_takes_just_anything(trader, field):
    for value in ABSURD:
        if field not in GOOD_ORDER and (value is None or (field, value) == ("postOnly", True)):
            continue  # absent or as it should be, and the order is a good one
        answer = await signed(
            trader, "POST /api/v1/order", GOOD_ORDER | {field: value}, "orderExecute"
        )
        assert 400 <= answer.status < 500, (field, value, answer)


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("field", ["symbol", "orderId", "clientId"])
async def test_no_field_of_a_cancel_takes_just_anything(trader, field):
    for value in ABSURD:
        answer = await signed(
            trader, "DELETE /api/v1/order", {"symbol": "SOL_USDC", field: value}, "orderCancel"
        )
        assert 400 <= answer.status < 500, (field, value, answer)


@pytest.mark.usefixtures("unmoved")
async def test_a_batch_with_one_absurd_order_places_none(trader):
    for value in ABSURD:
        batch = [GOOD_ORDER, GOOD_ORDER | {"price": value}]
        answer = await signed(trader, "POST /api/v1/orders", batch, "orderExecute")
        assert 400 <= answer.status < 500, (value, answer)


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("path", ["/api/v1/order", "/api/v1/orders"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_bodies_that_are_none_are_refused(trader, method, path):
    headers = trader.headers(CancelOrder(symbol="SOL_USDC", client_id=1)) | {"Content-Type": JSON}
    for body in BODIES:
        answer = await trader.send(method, path, body=body, headers=headers)
        assert 400 <= answer.status < 500, (body[:50], answer)


@pytest.mark.usefixtures("unmoved")
async def test_an_oversized_body_is_refused(trader):
    answer = await trader.send(
        "POST", "/api/v1/order", body=io.BytesIO(b"x" * (3 << 20)), headers={"Content-Type": JSON}
    )

    assert answer.status == 413


@pytest.mark.usefixtures("unmoved")
async def test_absurd_addresses_are_answered(trader, unlimited):
    for path in PATHS:
        url = yarl.URL(unlimited.rest_url + path, encoded=True)
        async with trader.session.get(url) as reply:
            assert reply.status < 500, path
            assert len(await reply.read()) < 2_000_000


@pytest.mark.usefixtures("unmoved")
async def test_what_is_not_even_http_is_survived(unlimited):
    host, port = unlimited.rest_url.removeprefix("http://").split(":")
    for raw in (
        b"\x00" * 1000,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"POST /api/v1/order HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"POST /api/v1/order HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
    max_leaves=20,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "LIST"]) | JSON_VALUES,
        "params": st.lists(
            st.sampled_from(["depth.SOL_USDC", "account.orderUpdate", "depth.5ms.X", "."])
            | JSON_VALUES
        )
        | JSON_VALUES,
        "signature": st.lists(st.text(max_size=100), max_size=5) | JSON_VALUES,
        "id": JSON_VALUES,
    },
)


async def exchange_with_everything(trader, messages):
    async with trader.session.ws_connect(trader.exchange.ws_url) as socket:
        for message in messages:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(json.dumps(message))
        await socket.send_str("the end")
        while True:
            answer = await asyncio.wait_for(socket.receive(), 10)
            assert answer.type is aiohttp.WSMsgType.TEXT
            error = json.loads(answer.data)["error"]
            assert error["code"] in {4002, 4003, 4006, 4008}
            if error["code"] == 4002:
                return


@pytest.mark.usefixtures("unmoved")
async def test_any_frame_is_answered_or_ignored(trader):
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(REQUESTS | JSON_VALUES | st.binary(max_size=200), max_size=8))
    def attempt(messages):
        sending = exchange_with_everything(trader, messages)
        asyncio.run_coroutine_threadsafe(sending, loop).result(20)

    await asyncio.to_thread(attempt)


@pytest.mark.usefixtures("unmoved")
async def test_any_body_is_refused_or_a_known_order(trader, unlimited):
    loop = asyncio.get_running_loop()
    headers = {"Content-Type": JSON}

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["POST /api/v1/order", "DELETE /api/v1/order", "POST /api/v1/orders"]),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=300),
    )
    def attempt(operation, body):
        method, path = operation.split()
        sending = trader.send(method, path, body=body, headers=headers)
        answer = asyncio.run_coroutine_threadsafe(sending, loop).result(20)
        assert 400 <= answer.status < 500

    await asyncio.to_thread(attempt)


@pytest.mark.usefixtures("unmoved")
async def test_any_signed_order_is_refused_unless_it_is_good(trader):
    loop = asyncio.get_running_loop()
    fields = st.sampled_from([*GOOD_ORDER, "clientId", "triggerPrice", "quoteQuantity"])

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(fields, st.sampled_from(ABSURD), min_size=1))
    def attempt(changes):
        values = GOOD_ORDER | changes
        if all(value is None for key, value in changes.items() if key not in GOOD_ORDER) and not (
            set(changes) & set(GOOD_ORDER)
        ):
            return  # nothing but absent options: a good order
        sending = signed(trader, "POST /api/v1/order", values, "orderExecute")
        answer = asyncio.run_coroutine_threadsafe(sending, loop).result(20)
        assert 400 <= answer.status < 500, (values, answer)

    await asyncio.to_thread(attempt)
