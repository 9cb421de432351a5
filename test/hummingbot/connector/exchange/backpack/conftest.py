"""The real connector and the real exchange of this machine, over sockets."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.simulator.local import (
    LiquidityKind,
    LocalExchange,
    Settings,
)

TICK_S = 0.05


async def eventually(condition, timeout_s=10.0):
    """Wait until a condition holds; fail, naming it, if it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not (holds := condition()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"did not come true within {timeout_s} s: {_source_of(condition)}")
        await asyncio.sleep(0.005)
    return holds


def _source_of(condition):
    import inspect

    with suppress(OSError, TypeError):
        return inspect.getsource(condition).strip()
    return repr(condition)


class EventLog:
    """Every event that a connector emits, in order."""

    def __init__(self, connector):
        from hummingbot.core.event.event_logger import EventLogger
        from hummingbot.core.event.events import MarketEvent

        self._logger = EventLogger()
        for event in (
            MarketEvent.BuyOrderCreated,
            MarketEvent.SellOrderCreated,
            MarketEvent.OrderFilled,
            MarketEvent.OrderCancelled,
            MarketEvent.OrderFailure,
            MarketEvent.BuyOrderCompleted,
            MarketEvent.SellOrderCompleted,
        ):
            connector.add_listener(event, self._logger)

    def of(self, order_id):
        """Events of one order."""
        return [event for event in self._logger.event_log if event.order_id == order_id]

    def names(self, order_id):
        """Short names of the events of one order, such as ``Created`` or ``Filled``."""
        kinds = ("Created", "Filled", "Cancelled", "Failure", "Completed")
        return [
            next(kind for kind in kinds if kind in type(event).__name__)
            for event in self.of(order_id)
        ]


class Trader:
    """A connector that lives as it does under Hummingbot's clock: started, ticked, stopped."""

    def __init__(self, connector):
        self.connector = connector
        self.events = EventLog(connector)
        self._clock = None

    async def start(self):
        self.connector._set_current_timestamp(time.time())
        await self.connector.start_network()
        self._clock = asyncio.ensure_future(self._tick())
        return self

    async def _tick(self):
        while True:
            now_s = time.time()
            self.connector._set_current_timestamp(now_s)
            self.connector.tick(now_s)
            await asyncio.sleep(TICK_S)

    async def stop(self):
        self._clock.cancel()
        await self.connector.stop_network()

    async def ready(self):
        """Wait until the connector may trade."""
        await eventually(lambda: self.connector.ready)
        return self

    def order(self, order_id):
        """The tracked order, active or done lately."""
        return self.connector._order_tracker.fetch_order(order_id)

    async def done(self, order_id):
        """Wait until an order has ended; return it."""
        order = self.order(order_id) or await eventually(lambda: self.order(order_id))
        await eventually(lambda: order_id not in self.connector.in_flight_orders)
        return order

    async def open(self, order_id):
        """Wait until an order is known to rest on the exchange; return it."""
        order = await eventually(lambda: self.order(order_id))
        await eventually(lambda: order.exchange_order_id is not None)
        return order


@pytest.fixture
async def exchange():
    """An exchange without anybody else's orders: what happens is what the test does."""
    settings = Settings(markets=("SOL_USDC", "BTC_USDC"), liquidity=LiquidityKind.NONE)
    async with LocalExchange(settings) as local:
        local.engine.open_account(
            "maker",
            {"USDC": Decimal(10_000_000), "SOL": Decimal(100_000), "BTC": Decimal(1_000)},
            maker_fee_bps=Decimal(0),
            taker_fee_bps=Decimal(0),
        )
        yield local


@pytest.fixture
async def start_trader(monkeypatch):
    """Start a connector: ``await start_trader(exchange, trading_pairs=[...])``."""
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
    from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections

    async with AsyncExitStack() as stack:

        async def start(local, *, ready=True, **settings):
            monkeypatch.setenv("BACKPACK_REST_URL", local.rest_url)
            monkeypatch.setenv("BACKPACK_WS_URL", local.ws_url)
            settings.setdefault("trading_pairs", ["SOL-USDC"])
            settings.setdefault("backpack_api_key", local.api_key)
            settings.setdefault("backpack_api_secret", local.api_secret)
            trader = Trader(BackpackExchange(**settings))
            stack.push_async_callback(trader.stop)
            await trader.start()
            return await trader.ready() if ready else trader

        stack.push_async_callback(Connections().close)
        yield start


@pytest.fixture
async def trader(exchange, quote, start_trader):
    """A ready connector; the SOL market has one level on each side, 99.90 and 100.10."""
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    return await start_trader(exchange)


@pytest.fixture
def quote(exchange):
    """Let another account place a limit order: ``quote("Bid", "99.90", "50")``."""
    from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
    from hummingbot.connector.exchange.backpack.api.models import OrderType, Side

    def place(side, price, quantity, symbol="SOL_USDC"):
        return exchange.engine.place(
            "maker",
            ExecuteOrder(
                symbol=symbol,
                side=Side(side),
                order_type=OrderType.LIMIT,
                price=Decimal(price),
                quantity=Decimal(quantity),
            ),
        )

    return place


@pytest.fixture
def agree(exchange):
    """Check that connector and exchange tell the same of every order, fill, fee and balance."""

    def check(trader):
        connector = trader.connector
        ours = {o.exchange_order_id for o in connector.in_flight_orders.values()}
        assert ours == {str(o.order_id) for o in exchange.engine.open_orders("main")}
        fills, _ = exchange.engine.fills("main", limit=1000)
        told = {}
        for order in connector._order_tracker.all_fillable_orders.values():
            for fill in order.order_fills.values():
                told[fill.exchange_order_id, fill.trade_id] = (
                    fill.fill_price,
                    fill.fill_base_amount,
                    fill.fee.flat_fees[0].token,
                    fill.fee.flat_fees[0].amount,
                )
        assert told == {
            (str(f.order_id), str(f.trade_id)): (f.price, f.quantity, f.fee_symbol, f.fee)
            for f in fills
        }
        for asset, (available, locked) in exchange.engine.balances("main").items():
            assert connector.available_balances[asset] == available
            assert connector.get_balance(asset) == available + locked

    return check
