"""The back door: over sockets, only where it was asked for, and with the whole truth behind it."""

import asyncio
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder, GetCapital
from hummingbot.connector.exchange.backpack.api.models import Side
from hummingbot.connector.exchange.backpack.simulator.admin import Admin
from hummingbot.connector.exchange.backpack.simulator.requests import Call

PATHS = [
    ("GET", "/admin/faults"),
    ("POST", "/admin/faults"),
    ("DELETE", "/admin/faults"),
    ("DELETE", "/admin/faults/1"),
    ("GET", "/admin/accounts/main"),
    ("GET", "/admin/books/SOL_USDC"),
]


@pytest.fixture
async def admin(open_exchange, client_of):
    """A client of an exchange with the back door open."""
    return client_of(await open_exchange(admin=True))


async def start(client, text):
    return await client.send("POST", "/admin/faults", body=text.encode())


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_it_is_not_there_unless_asked_for(client, method, path):
    answer = await client.send(method, path, body=b"silence" if method == "POST" else None)
    unknown = await client.send(method, "/nowhere")

    assert (answer.status, answer.body) == (404, b"not found")
    assert (unknown.status, unknown.body) == (answer.status, answer.body)
    assert client.exchange.scripts.scripts == []


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_it_is_not_there_for_a_page_in_a_browser(admin, method, path):
    answer = await admin.send(method, path, headers={"Origin": "http://example.com"})
    assert (answer.status, answer.body) == (404, b"not found")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "", "localhost"])
async def test_it_is_for_callers_on_this_machine(exchange, address):
    admin = Admin(exchange.engine, ["main"], exchange.scripts)
    for method, path in PATHS:
        assert await admin.answer(Call(method=method, path=path, address=address)) is None
    assert await admin.answer(Call(method="GET", path="/admin/faults", address="::1")) is not None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/"),
        ("GET", "/admin/nothing"),
        ("PUT", "/admin/faults"),
        ("DELETE", "/admin/faults/none"),
        ("DELETE", "/admin/faults/99"),
        ("GET", "/admin/accounts/nobody"),
        ("GET", "/admin/books/NOPE"),
        ("POST", "/admin/accounts/main"),
    ],
)
async def test_what_it_does_not_have_is_not_found(admin, method, path):
    assert (await admin.send(method, path)).status == 404


async def test_a_fault_is_started_listed_and_stopped(admin):
    text = "server-error:operation=GET /api/v1/ping,times=all"
    started = await start(admin, text)
    assert (started.status, started.json["number"]) == (201, 1)
    assert (await admin.get("/api/v1/ping")).status == 500

    (listed,) = (await admin.get("/admin/faults")).json
    assert listed == {"fault": text, "hits": 1, "inForce": True, "number": 1, "strikes": 1}

    stopped = await admin.send("DELETE", "/admin/faults/1")
    assert (stopped.status, stopped.json["hits"], stopped.json["inForce"]) == (200, 1, False)
    assert (await admin.get("/admin/faults")).json == []
    assert (await admin.get("/api/v1/ping")).status == 200


async def test_all_faults_are_stopped_at_once(admin):
    for text in ("silence", "maintenance", "drop-ws:every=60s"):
        assert (await start(admin, text)).status == 201
    assert len((await admin.get("/admin/faults")).json) == 3
    assert (await admin.send("DELETE", "/admin/faults")).json == []
    assert (await admin.get("/admin/faults")).json == []
    assert (await admin.get("/api/v1/status")).json["status"] == "Ok"


@pytest.mark.parametrize("text", ["", "drop-sw", "\udcff", "x" * 5000])
async def test_a_text_that_is_no_fault_is_refused(admin, text):
    body = text.encode(errors="surrogateescape")
    answer = await admin.send("POST", "/admin/faults", body=body)
    assert answer.status == 400
    if text == "drop-sw":
        assert "did you mean 'drop-ws'?" in answer.text


async def test_faults_and_limits_do_not_reach_it(open_exchange, client_of):
    exchange = await open_exchange(admin=True, requests_per_minute=1)
    client = client_of(exchange)
    await start(client, "lose-requests")
    for _ in range(3):
        assert (await client.get("/admin/faults")).status == 200


async def test_an_outage_ends_by_itself(admin):
    await start(admin, "outage:for=200ms")
    with pytest.raises(aiohttp.ClientError):
        await admin.get("/admin/faults")

    async def is_back():
        try:
            return (await admin.get("/admin/faults")).status == 200
        except aiohttp.ClientError:
            return False

    async with asyncio.timeout(10):
        while not await is_back():
            await asyncio.sleep(0.01)
    assert (await admin.get("/admin/faults")).json == []


async def test_it_tells_the_truth_of_an_account(admin, client_of):
    other = client_of(admin.exchange, 1)
    await admin.place("Ask", "100.00", "2", client_id=7)
    await other.place("Bid", "100.00", "0.5")
    await admin.place("Bid", "99.00", "1")
    await admin.call(CancelOrder(symbol="SOL_USDC", client_id=7))

    told = (await admin.get("/admin/accounts/main")).json

    first, second = told["orders"]
    assert (first["clientId"], first["status"]) == (7, "Cancelled")
    assert (first["executedQuantity"], second["status"]) == ("0.5", "New")
    assert told["openOrders"] == [second["id"]]
    (fill,) = told["fills"]
    assert (fill["orderId"], fill["quantity"], fill["price"]) == (first["id"], "0.5", "100")
    capital = (await admin.call(GetCapital())).json
    assert told["balances"] == capital
    assert admin.account.api_secret not in str(told)


async def test_it_tells_the_truth_of_a_book(admin):
    admin.exchange.engine.set_level("SOL_USDC", Side.BID, Decimal("99.50"), Decimal(3))
    told = (await admin.get("/admin/books/SOL_USDC")).json
    depth = (await admin.get("/api/v1/depth", symbol="SOL_USDC", limit=5)).json
    for name in ("bids", "asks", "lastUpdateId"):
        assert told[name] == depth[name]
