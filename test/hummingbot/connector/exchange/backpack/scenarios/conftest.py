"""The parent's fixtures, made fit for both connectors: ours and the one that Hummingbot ships."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import OrderBookState
from hummingbot.core.data_type.common import OrderType

from .. import conftest as parent
from .comparison import deviations
from .stage import Stage
from .wire import recorded

PATIENCE_S = 10.0
WATCH_INTERVAL_S = 0.1
SHOWN_PROBLEMS = 3


async def until(condition, otherwise, timeout_s=PATIENCE_S):
    """Wait until a condition holds; fail with `otherwise` if it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not (holds := condition()):
        assert time.monotonic() < deadline_s, otherwise
        await asyncio.sleep(0.005)
    return holds


class Trader(parent.Trader):
    """A connector under its clock that says what went wrong in a few words."""

    def __init__(self, connector, exchange, restored=()):
        super().__init__(connector, exchange)
        self.restored = set(restored)
        # Seconds that a book was wrong while the connector was ready, and how many are no fault of
        # it: a change takes a moment to arrive.
        self.wrong_book_s = 0.0
        self.wrong_book_limit_s = 2.0
        self._book_watch = None

    async def start(self):
        await super().start()
        self._book_watch = asyncio.ensure_future(self._watch_books())
        return self

    async def stop(self):
        self._book_watch.cancel()
        await super().stop()

    async def _watch_books(self):
        right_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            if not self.connector.ready or all(map(self.is_right, self.connector.order_books)):
                right_s = now_s
            self.wrong_book_s = max(self.wrong_book_s, now_s - right_s)
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def ready(self, timeout_s=PATIENCE_S):
        await until(lambda: self.connector.ready, "the connector did not get ready", timeout_s)
        return self

    async def open(self, order_id, timeout_s=PATIENCE_S):
        order = await until(lambda: self.order(order_id), "the order was not tracked", timeout_s)
        await until(
            lambda: order.exchange_order_id is not None or order.is_failure,
            "the order was not found on the exchange",
            timeout_s,
        )
        assert not order.is_failure, "the order was told as failed"
        return order

    async def done(self, order_id, timeout_s=PATIENCE_S):
        await until(lambda: self._has_ended(order_id), "an order's end was not noticed", timeout_s)
        return self.order(order_id)

    def _has_ended(self, order_id):
        # One that the connector has lost is tracked nowhere: its events tell what was made of it.
        was_known = self.order(order_id) is not None or self.events.of(order_id)
        return was_known and order_id not in self.connector.in_flight_orders

    def buy(self, price, amount=2, order_type=OrderType.LIMIT, pair="SOL-USDC"):
        """Order as a strategy does; returns the order's id."""
        return self.connector.buy(pair, Decimal(amount), order_type, Decimal(price))

    async def rest(self, price, amount=2, pair="SOL-USDC"):
        """Place a buy order and wait until it rests."""
        order_id = self.buy(price, amount, pair=pair)
        await self.open(order_id)
        return order_id

    def expect(self, order_id, *told):
        """The events of an order are one of these, such as ``Created Filled Completed``."""
        names = " ".join(self.events.names(order_id)) or "nothing"
        assert names in told, f"told {names}, not {' or '.join(told)}"

    def is_right(self, pair):
        """Whether the book of a pair is the exchange's."""
        symbol = pair.replace("-", "_")
        if self.exchange.engine.markets[symbol].order_book_state is OrderBookState.CLOSED:
            return True  # the exchange shows no book that ours could differ from
        book = self.connector.order_books.get(pair)
        if book is None:
            return False
        levels = tuple(
            sorted((Decimal(str(row.price)), Decimal(str(row.amount))) for row in rows)
            for rows in (book.bid_entries(), book.ask_entries())
        )
        return levels == self.exchange.engine.depth(symbol, 1000)[:2]

    def book_problems(self):
        """A wrong book that was shown as right."""
        if self.wrong_book_s <= self.wrong_book_limit_s:
            return []
        return [f"ready for {self.wrong_book_s:.1f} s with a wrong book"]

    async def polled(self):
        """Wait until orders and balances have been asked once more."""
        before_s = self.connector._last_poll_timestamp

        def has_polled():
            # Asked for again and again: a poll under way forgets at its end what was asked.
            self.connector._poll_notifier.set()
            return self.connector._last_poll_timestamp > before_s

        await until(has_polled, "the connector does not poll any more")

    async def saved(self):
        """Stop, and give the orders as Hummingbot's database keeps them."""
        await self.stop()
        return json.loads(json.dumps(self.connector.tracking_states))


@pytest.fixture
def exchange_settings():
    """Faults bring the refusals that a scenario is about; shortened polls shall bring none."""
    return {"rate_limits": False}


@pytest.fixture
def stage(request, monkeypatch):
    """The connector under test, with its times shortened."""
    return Stage(request, monkeypatch)


@pytest.fixture
def calls(exchange, monkeypatch):
    """The requests that arrive at the exchange."""
    return recorded(exchange, monkeypatch)


@pytest.fixture
async def start_trader(stage, calls):
    """Start a connector: ``await start_trader(exchange, trading_pairs=[...])``."""
    async with AsyncExitStack() as stack:

        async def start(local, *, ready=True, restored=None, as_seen=str, **settings):
            connector = stage.connector(
                as_seen(local.rest_url),
                as_seen(local.ws_url),
                backpack_api_key=local.api_key,
                backpack_api_secret=local.api_secret,
                trading_pairs=settings.pop("trading_pairs", ["SOL-USDC"]),
                **settings,
            )
            trader = Trader(connector, local, restored or ())
            if restored is not None:
                connector.restore_tracking_states(restored)
            stack.push_async_callback(trader.stop)
            await trader.start()
            return await trader.ready() if ready else trader

        stack.push_async_callback(stage.close)
        yield start


@pytest.fixture
def agree(calls):
    """Check that both sides tell the same of every order, fill, fee and balance, and go on to."""

    async def check(*traders, others=()):
        # Once more after a poll: what it brings is known already and must change nothing.
        for is_last in (False, True):
            found = await _remaining(lambda: deviations(*traders, others=others))
            found += calls.sent_twice()
            found += [problem for trader in traders for problem in trader.book_problems()]
            assert not found, _in_short(list(dict.fromkeys(found)))
            if not is_last:
                await traders[-1].polled()

    return check


def _in_short(problems):
    rest = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
    return "; ".join(problems[:SHOWN_PROBLEMS]) + rest


async def _remaining(problems):
    deadline_s = time.monotonic() + PATIENCE_S
    while (found := problems()) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    return found
