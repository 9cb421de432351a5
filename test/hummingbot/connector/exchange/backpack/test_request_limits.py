"""One budget of requests for each key, whoever spends it, seen from the exchange's side."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder, GetCapital, GetFills
from hummingbot.connector.exchange.backpack.api.errors import OrderNotFound, RateLimited
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator.local import AccountSettings

CAPITAL = "GET /api/v1/capital"
FILLS = "GET /wapi/v1/history/fills"
CANCEL = "DELETE /api/v1/order"
# Of 2000 requests a minute; the last tenth is kept for orders and cancellations.
SHARE_PCT, READS, WRITES = Decimal(1), 18, 2
TOO_LONG_S = 0.2
ACCOUNTS = (AccountSettings(name="main"), AccountSettings(name="second"))


@pytest.fixture
def exchange_settings():
    return {"accounts": ACCOUNTS}


@pytest.fixture
def connect(exchange, monkeypatch):
    """Make a connector of an account that is not started, so that it asks nothing by itself."""
    monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
    monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)

    async def made(account=0, share_pct=SHARE_PCT):
        keys = exchange.accounts[account]
        connector = BackpackExchange(
            keys.api_key,
            keys.api_secret,
            rate_limits_share_pct=share_pct,
            trading_pairs=["SOL-USDC"],
        )
        await connector.ensure_clock()
        connector._throttler._ledger._times_s.clear()  # that question for the time
        return connector

    return made


async def is_held_back(connector, request):
    """Whether a request has to wait for its turn."""
    try:
        await asyncio.wait_for(connector.rest.send(request), TOO_LONG_S)
    except TimeoutError:
        return True
    return False


async def cancel(connector):
    """Send a cancellation; there is nothing to cancel."""
    with pytest.raises(OrderNotFound):
        await asyncio.wait_for(
            connector.rest.send(CancelOrder(symbol="SOL_USDC", order_id="1")), TOO_LONG_S
        )


async def test_two_connectors_of_one_key_share_a_budget(connect, calls):
    """What one has sent, the other cannot; cancellations of both still pass."""
    first, second = await connect(), await connect()
    for _ in range(READS // 2):
        await first.rest.send(GetCapital())
        await second.rest.send(GetCapital())
    assert await is_held_back(first, GetCapital())
    assert await is_held_back(second, GetCapital())
    assert calls.count(CAPITAL) == READS

    for connector in (first, second):
        await cancel(connector)
    assert calls.count(CANCEL) == WRITES


async def test_another_key_has_a_budget_of_its_own(connect, calls):
    """And another share of it, too."""
    first, other = await connect(), await connect(account=1, share_pct=Decimal(2))
    for _ in range(READS):
        await first.rest.send(GetCapital())
    assert await is_held_back(first, GetCapital())
    for _ in range(2 * READS):
        await other.rest.send(GetCapital())
    assert await is_held_back(other, GetCapital())
    assert calls.count(CAPITAL) == 3 * READS


async def test_history_is_asked_thirty_times_a_minute_at_most(connect, calls):
    """The exchange itself would refuse more."""
    connector = await connect(share_pct=Decimal(100))
    sent = 0
    while not await is_held_back(connector, GetFills(limit=1)):
        sent += 1
        assert sent <= 30
    assert calls.count(FILLS) == sent == 27
    assert not await is_held_back(connector, GetCapital())


async def test_refusal_of_one_is_a_pause_for_all_of_the_key(connect, exchange, calls):
    """After 429 none of them asks again at once; those of another key do."""
    first, second, other = await connect(), await connect(), await connect(account=1)
    with exchange.faults.rate_limited(CAPITAL), pytest.raises(RateLimited):
        await first.rest.send(GetCapital())
    for connector in (first, second):
        assert await is_held_back(connector, GetCapital())
    assert calls.count(CAPITAL) == 1
    assert not await is_held_back(other, GetCapital())
    assert (first.health.refusals, other.health.refusals) == (1, 0)
