"""Hummingbot's check of the network: what it takes for a loss stops the connector."""

import asyncio
from contextlib import contextmanager
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.network_iterator import NetworkStatus

PAIR = "SOL-USDC"
STATUS = "GET /api/v1/status"
CAPITAL = "GET /api/v1/capital"
CHECK_INTERVAL_S, CHECK_TIMEOUT_S = 0.05, 0.4


@pytest.fixture
async def connector(exchange, quote, monkeypatch, quick_polls, eventually):
    """A ready connector under Hummingbot's own clock, which checks twenty times a second."""
    monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
    monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    connector = BackpackExchange(exchange.api_key, exchange.api_secret, trading_pairs=[PAIR])
    connector.check_network_interval = CHECK_INTERVAL_S
    connector.check_network_timeout = CHECK_TIMEOUT_S
    clock = Clock(ClockMode.REALTIME, tick_size=0.05)
    clock.add_iterator(connector)
    with clock:
        running = asyncio.ensure_future(clock.run())
        await eventually(lambda: connector.ready)
        yield connector
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await connector.stop_network()
    await Connections().close()


@contextmanager
def refused(faults):
    with faults.server_error(STATUS, times=None):
        yield


@contextmanager
def never_answered(faults):
    with faults.accept_then_hang(STATUS, times=None):
        yield


UNANSWERED = pytest.mark.parametrize("unanswered", [refused, never_answered])


@UNANSWERED
async def test_check_without_an_answer_stops_nothing_while_the_streams_stand(
    connector, exchange, calls, quote, eventually, unanswered
):
    """A fill is told at once, by the same connections as before."""
    order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.95"))
    await eventually(lambda: exchange.engine.open_orders("main"))
    calls.all.clear()
    with unanswered(exchange.faults):
        await eventually(lambda: calls.count(STATUS) >= 3)
        quote("Ask", "99.95", "1")
        await eventually(lambda: order_id not in connector.in_flight_orders)
        assert connector.ready
    assert connector.network_status is NetworkStatus.CONNECTED
    assert connector.health.reconnects == 0


async def test_cool_down_after_too_many_requests_stops_nothing(connector, exchange, calls):
    """Nothing may be asked until it is over, which may be later than Hummingbot waits."""
    with exchange.faults.rate_limited(CAPITAL), pytest.raises(OSError, match="429"):
        await connector._update_balances()
    calls.all.clear()
    async with asyncio.timeout(CHECK_TIMEOUT_S):
        assert await connector.check_network() is NetworkStatus.CONNECTED
    assert not calls.all  # it is not over yet
    assert connector.ready
    assert connector.health.reconnects == 0


@UNANSWERED
async def test_check_without_an_answer_is_a_loss_while_a_stream_is_down(
    connector, exchange, eventually, unanswered
):
    """Then nothing tells that the exchange is there; it is back when it answers."""
    with exchange.faults.refuse_websockets(), unanswered(exchange.faults):
        exchange.faults.drop_websockets()
        await eventually(lambda: connector.network_status is NetworkStatus.NOT_CONNECTED)
    await eventually(lambda: connector.ready)
    assert connector.network_status is NetworkStatus.CONNECTED


async def test_maintenance_that_is_told_is_a_loss_although_the_streams_stand(
    connector, exchange, eventually
):
    with exchange.faults.maintenance():
        await eventually(lambda: connector.network_status is NetworkStatus.NOT_CONNECTED)
    await eventually(lambda: connector.ready)
