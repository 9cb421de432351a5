"""The real connector and the real exchange of this machine, over sockets."""

import asyncio
import inspect
import re
import time
from contextlib import AsyncExitStack, suppress
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderStatus, OrderType, Side
from hummingbot.connector.exchange.backpack.simulator.local import (
    LiquidityKind,
    LocalExchange,
    Settings,
)

TICK_S = 0.05
PATIENCE_S = 0.5
PLACE = "POST /api/v1/order"
PLACE_BATCH = "POST /api/v1/orders"
CANCEL = "DELETE /api/v1/order"

# What one order may tell a strategy: nothing twice, nothing before its creation or after its end.
LIFE = re.compile(r"Failure|Created( Filled)*( Cancelled| Completed| Failure)?")


async def eventually(condition, timeout_s=10.0):
    """Wait until a condition holds; fail, naming it, if it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not (holds := condition()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"did not come true within {timeout_s} s: {_source_of(condition)}")
        await asyncio.sleep(0.005)
    return holds


async def eventually_equal(ours, theirs, timeout_s=10.0):
    """Wait until two values that are computed anew are the same; show both if they stay apart."""
    deadline_s = time.monotonic() + timeout_s
    while (left := ours()) != (right := theirs()) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.005)
    assert left == right


def _source_of(condition):
    with suppress(OSError, TypeError):
        return inspect.getsource(condition).strip()
    return repr(condition)


class EventLog:
    """Every event that a connector emits, in order."""

    def __init__(self, connector):
        from hummingbot.core.event.event_forwarder import EventForwarder
        from hummingbot.core.event.events import MarketEvent

        self.all = []
        # Hummingbot's own logger keeps fills apart, so it cannot tell the order of events.
        self._listener = EventForwarder(self.all.append)
        for event in (
            MarketEvent.BuyOrderCreated,
            MarketEvent.SellOrderCreated,
            MarketEvent.OrderFilled,
            MarketEvent.OrderCancelled,
            MarketEvent.OrderFailure,
            MarketEvent.BuyOrderCompleted,
            MarketEvent.SellOrderCompleted,
        ):
            connector.add_listener(event, self._listener)

    def of(self, order_id):
        """Events of one order."""
        return [event for event in self.all if event.order_id == order_id]

    def names(self, order_id):
        """Short names of the events of one order, such as ``Created`` or ``Filled``."""
        return [_kind(event) for event in self.of(order_id)]

    def fills(self):
        """All fills told."""
        return [event for event in self.all if _kind(event) == "Filled"]

    def order_ids(self):
        """All orders that anything was told of."""
        return {event.order_id for event in self.all}

    def why_failed(self, order_id):
        """The text of an order's only failure event."""
        (failure,) = [event for event in self.of(order_id) if _kind(event) == "Failure"]
        return failure.error_message


def _kind(event):
    kinds = ("Created", "Filled", "Cancelled", "Failure", "Completed")
    return next(kind for kind in kinds if kind in type(event).__name__)


class Trader:
    """A connector that lives as it does under Hummingbot's clock: started, ticked, stopped."""

    def __init__(self, connector, exchange):
        self.connector = connector
        self.exchange = exchange
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

    async def ready(self, timeout_s=10.0):
        """Wait until the connector may trade."""
        await eventually(lambda: self.connector.ready, timeout_s)
        return self

    def order(self, order_id):
        """The tracked order, active or done lately."""
        return self.connector._order_tracker.fetch_order(order_id)

    async def done(self, order_id, timeout_s=10.0):
        """Wait until an order has ended; return it."""
        order = await eventually(lambda: self.order(order_id), timeout_s)
        await eventually(lambda: order_id not in self.connector.in_flight_orders, timeout_s)
        return order

    async def open(self, order_id, timeout_s=10.0):
        """Wait until an order is known to be on the exchange; return it."""
        order = await eventually(lambda: self.order(order_id), timeout_s)
        await eventually(lambda: order.exchange_order_id is not None, timeout_s)
        return order


class Calls:
    """The REST requests that have arrived at the exchange, in order."""

    def __init__(self):
        self.all = []

    def of(self, operation):
        """Requests of one operation, such as ``POST /api/v1/order``."""
        return [call for call in self.all if call.operation == operation]

    def count(self, operation):
        """How many of one operation."""
        return len(self.of(operation))


@pytest.fixture(name="eventually")
def _eventually():
    """Wait until a condition holds: ``await eventually(lambda: ...)``."""
    return eventually


@pytest.fixture
def exchange_settings():
    """Settings of `exchange` that differ from the usual ones; a test parametrizes them."""
    return {}


@pytest.fixture
async def exchange(exchange_settings):
    """An exchange without anybody else's orders: what happens is what the test does."""
    settings = {"markets": ("SOL_USDC", "BTC_USDC"), "liquidity": LiquidityKind.NONE}
    async with LocalExchange(Settings(**settings | exchange_settings)) as local:
        markets = local.engine.markets.values()
        # Somebody else, who pays no fees and has funds for every market.
        local.engine.open_account(
            "maker",
            {market.base_symbol: Decimal(100_000_000) for market in markets}
            | {"USDC": Decimal(10_000_000)},
            maker_fee_bps=Decimal(0),
            taker_fee_bps=Decimal(0),
        )
        yield local


@pytest.fixture
def calls(exchange, monkeypatch):
    """Count what arrives at the exchange, whatever faults do to it then."""
    seen = Calls()
    around = exchange.faults.around

    async def noted(call, proceed):
        seen.all.append(call)
        return await around(call, proceed)

    async def nothing(call, proceed):
        return await proceed()

    monkeypatch.setattr(exchange.faults, "around", noted)
    exchange.faults.rest.append(nothing)  # the server asks for faults only if there are any
    return seen


@pytest.fixture
def quick_polls(monkeypatch):
    """Let what is asked for be asked at once, instead of half a second after the last time."""
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

    for method, pause in (
        (BackpackExchange._status_polling_loop_fetch_updates, "_LEAST_POLL_INTERVAL_S"),
        (BackpackExchange._reconcile_again, "_RECONCILIATION_PAUSE_S"),
    ):
        monkeypatch.setitem(method.__globals__, pause, 0.05)


@pytest.fixture
async def start_trader(monkeypatch, quick_polls):
    """Start a connector: ``await start_trader(exchange, trading_pairs=[...])``."""
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
    from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections

    async with AsyncExitStack() as stack:

        async def start(local, *, ready=True, restored=None, ws_url="", **settings):
            monkeypatch.setenv("BACKPACK_REST_URL", local.rest_url)
            monkeypatch.setenv("BACKPACK_WS_URL", ws_url or local.ws_url)
            settings.setdefault("trading_pairs", ["SOL-USDC"])
            settings.setdefault("backpack_api_key", local.api_key)
            settings.setdefault("backpack_api_secret", local.api_secret)
            trader = Trader(BackpackExchange(**settings), local)
            if restored is not None:
                trader.connector.restore_tracking_states(restored)
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
def quick_reconnects(monkeypatch):
    """Let streams come back after hundredths of seconds, in the same rhythm as after seconds."""
    from hummingbot.connector.exchange.backpack.backpack_backoff import Backoff

    monkeypatch.setitem(Backoff.__init__.__kwdefaults__, "first_s", 0.05)
    monkeypatch.setitem(Backoff.__init__.__kwdefaults__, "limit_s", 0.2)


@pytest.fixture
def quick_lost_orders(monkeypatch):
    """Let Hummingbot look after lost orders five times a second instead of every five seconds."""
    from hummingbot.connector.exchange.backpack import backpack_constants as constants
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

    monkeypatch.setattr(BackpackExchange, "SHORT_POLL_INTERVAL", 0.2)
    monkeypatch.setattr(constants, "ABSENCE_PAUSE_S", 0.05)


@pytest.fixture
def little_patience(monkeypatch):
    """Look for an order of unknown fate for half a second and not for ten."""
    from hummingbot.connector.exchange.backpack import backpack_constants as constants
    from hummingbot.connector.exchange.backpack import backpack_order_lifecycle as lifecycle
    from hummingbot.connector.exchange.backpack import backpack_reconciliation as reconciliation
    from hummingbot.connector.exchange.backpack import backpack_unknown_orders as unknown_orders

    monkeypatch.setattr(unknown_orders, "UNKNOWN_ORDER_PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(unknown_orders, "UNKNOWN_ORDER_RETRY_S", (0.02, 0.05, 0.1))
    monkeypatch.setattr(lifecycle, "_FILL_GRACE_S", 0.2)
    monkeypatch.setattr(unknown_orders, "_LOOK_UP_PAUSE_S", 0.3)
    monkeypatch.setattr(reconciliation, "UNKNOWN_ORDER_PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(constants, "ABSENCE_PAUSE_S", 0.05)
    return PATIENCE_S


@pytest.fixture
def quick_time_outs(monkeypatch):
    """Wait a third of a second for a reply and not ten."""
    from hummingbot.connector.exchange.backpack import backpack_web_utils

    monkeypatch.setattr(backpack_web_utils, "REQUEST_TIMEOUT_S", 0.3)


@pytest.fixture
def place(exchange):
    """Let any account place an order directly: ``place("maker", "Bid", "99.90", "50")``."""

    def placed(account, side, price, quantity, symbol="SOL_USDC", **changes):
        return exchange.engine.place(
            account,
            ExecuteOrder(
                symbol=symbol,
                side=Side(side),
                order_type=OrderType.LIMIT if price else OrderType.MARKET,
                price=Decimal(price) if price else None,
                quantity=Decimal(quantity),
                **changes,
            ),
        )

    return placed


@pytest.fixture
def quote(place):
    """Let somebody else place a limit order: ``quote("Bid", "99.90", "50")``."""

    def placed(side, price, quantity, symbol="SOL_USDC"):
        return place("maker", side, price, quantity, symbol)

    return placed


@pytest.fixture
def agree():
    """Check that connector and exchange tell the same of every order, fill, fee and balance.

    ``await agree(trader)``, or ``await agree(*traders)`` for one account that several connectors
    traded on, the living one last; `others` are ids of orders that none of them placed.
    """

    async def check(*traders, others=()):
        connector, exchange = traders[-1].connector, traders[-1].exchange
        engine, account = exchange.engine, exchange.account_id
        foreign = {str(order_id) for order_id in others}

        def ours_open():
            return {o.exchange_order_id for o in connector.in_flight_orders.values()}

        def theirs_open():
            return {str(o.order_id) for o in engine.open_orders(account)} - foreign

        await eventually_equal(ours_open, theirs_open)
        await eventually_equal(
            lambda: sorted(told_fill(fill) for t in traders for fill in t.events.fills()),
            lambda: sorted(
                true_fill(fill)
                for fill in engine.fills(account, limit=1000)[0]
                if str(fill.order_id) not in foreign
            ),
        )
        await eventually_equal(lambda: _told_funds(connector), lambda: _true_funds(engine, account))
        true_orders = {
            str(order.order_id): order for order in engine.order_history(account, limit=1000)[0]
        }
        known = {}
        for trader in traders:
            _check_lives(trader)
            known |= trader.connector._order_tracker.all_fillable_orders
        placed = {o.exchange_order_id: o for o in known.values() if o.exchange_order_id is not None}
        assert placed.keys() == true_orders.keys() - foreign
        for order_id, order in placed.items():
            _check_order(order, true_orders[order_id])

    return check


def told_fill(event):
    """A fill as strategies are told it."""
    (fee,) = event.trade_fee.flat_fees
    return (
        event.exchange_order_id,
        event.exchange_trade_id,
        event.price,
        event.amount,
        fee.token,
        fee.amount,
    )


def true_fill(fill):
    """The same fill as the exchange has recorded it."""
    return (
        str(fill.order_id),
        str(fill.trade_id),
        fill.price,
        fill.quantity,
        fill.fee_symbol,
        fill.fee,
    )


def _told_funds(connector):
    return {
        asset: (connector.available_balances.get(asset), total)
        for asset, total in connector.get_all_balances().items()
        if total
    }


def _true_funds(engine, account):
    return {
        asset: (available, available + locked)
        for asset, (available, locked) in engine.balances(account).items()
    }


def _check_lives(trader):
    for order_id in trader.events.order_ids():
        told = " ".join(trader.events.names(order_id))
        restored = f"Created {told}" if "Created" not in told and "Fail" not in told else told
        assert LIFE.fullmatch(restored), f"{order_id}: {told}"


def _check_order(order, true):
    """One order, as it is tracked, against the exchange's own record of it."""
    from hummingbot.core.data_type.in_flight_order import OrderState

    filled_part = true.executed_quantity > 0
    # An order that was not to rest ends as meant; one that was to rest has failed.
    is_ioc = true.time_in_force == "IOC"
    expected = {
        OrderStatus.NEW: {OrderState.OPEN, OrderState.PENDING_CANCEL},
        OrderStatus.PARTIALLY_FILLED: {OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL},
        OrderStatus.FILLED: {OrderState.FILLED},
        OrderStatus.CANCELLED: {OrderState.CANCELED},
        OrderStatus.EXPIRED: {OrderState.CANCELED if filled_part or is_ioc else OrderState.FAILED},
    }
    assert order.current_state in expected[true.status]
    assert order.amount == true.quantity
    assert order.executed_amount_base == true.executed_quantity
    assert order.executed_amount_quote == true.executed_quote_quantity
