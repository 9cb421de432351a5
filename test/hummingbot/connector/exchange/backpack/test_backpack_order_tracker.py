"""The order tracker: states never go back, and nobody else's order is taken for ours."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack import backpack_order_tracker
from hummingbot.connector.exchange.backpack.backpack_order_tracker import BackpackOrderTracker
from hummingbot.connector.exchange.backpack.backpack_translation import wire_client_id
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import (
    InFlightOrder,
    OrderState,
    OrderUpdate,
    TradeUpdate,
)
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee

TERMINAL = {OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED}
RANK = {
    OrderState.PENDING_CREATE: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.PENDING_CANCEL: 3,
    **dict.fromkeys(TERMINAL, 4),
}


class Connector:
    """What a tracker needs of its connector: a clock, and somebody to tell."""

    def __init__(self):
        self.current_timestamp = 1.0
        self.told = []

    def trigger_event(self, tag, event):
        self.told.append(type(event).__name__)


@pytest.fixture
def connector():
    return Connector()


@pytest.fixture
def tracker(connector):
    return BackpackOrderTracker(connector)


def order_of(number=1, exchange_order_id=None, amount=2):
    return InFlightOrder(
        client_order_id=f"HBOT-{number}",
        exchange_order_id=exchange_order_id,
        trading_pair="SOL-USDC",
        order_type=OrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(amount),
        price=Decimal(100),
        creation_timestamp=1.0,
    )


def update(state, order, exchange_order_id="7"):
    return OrderUpdate(
        trading_pair="SOL-USDC",
        update_timestamp=2.0,
        new_state=state,
        client_order_id=order.client_order_id,
        exchange_order_id=exchange_order_id,
    )


def fill(order, trade_id="1", amount=1):
    return TradeUpdate(
        trade_id=trade_id,
        client_order_id=order.client_order_id,
        exchange_order_id="7",
        trading_pair="SOL-USDC",
        fill_timestamp=2.0,
        fill_price=Decimal(100),
        fill_base_amount=Decimal(amount),
        fill_quote_amount=Decimal(100) * amount,
        fee=DeductedFromReturnsTradeFee(),
    )


# === states


@pytest.mark.parametrize("first", list(RANK))
@pytest.mark.parametrize("second", [state for state in RANK if RANK[state]])
async def test_state_never_goes_back(tracker, first, second):
    """Of any two reports, in either order, the one that is further on holds."""
    order = order_of()
    tracker.start_tracking_order(order)
    if first in TERMINAL | {OrderState.FILLED}:
        tracker.process_trade_update(fill(order, amount=2))
    await tracker.apply(update(first, order))
    assert order.current_state is first
    if second is OrderState.FILLED and first not in TERMINAL:
        tracker.process_trade_update(fill(order, amount=2))
    await tracker.apply(update(second, order))

    goes_on = first not in TERMINAL and RANK[second] >= RANK[first]
    assert order.current_state is (second if goes_on else first)


@given(st.lists(st.sampled_from([state for state in RANK if RANK[state]]), max_size=12))
def test_states_in_any_order_end_once(states):
    """However many reports come, and in whatever order, the end is told once and stays."""

    async def run():
        connector = Connector()
        tracker = BackpackOrderTracker(connector)
        order = order_of()
        tracker.start_tracking_order(order)
        tracker.process_trade_update(fill(order, amount=2))
        ranks = [0]
        for state in states:
            await tracker.apply(update(state, order))
            ranks.append(RANK[order.current_state])
        return connector.told, ranks, order

    told, ranks, order = asyncio.run(run())
    assert ranks == sorted(ranks)
    ends = [name for name in told if "Created" not in name and "Filled" not in name]
    assert len(ends) == (order.current_state in TERMINAL)
    assert sum("Created" in name for name in told) <= 1


async def test_late_reply_still_gives_the_exchange_id(tracker):
    """An event without it came first; the reply changes no state, but names the order."""
    order = order_of()
    tracker.start_tracking_order(order)
    await tracker.apply(update(OrderState.PENDING_CANCEL, order, exchange_order_id=None))
    await tracker.apply(update(OrderState.OPEN, order, exchange_order_id="7"))
    assert order.exchange_order_id == "7"
    assert order.current_state is OrderState.PENDING_CANCEL


# === client ids


def test_client_ids_of_tracked_orders_differ_even_if_their_hashes_meet(tracker, monkeypatch):
    """Two ids with one hash, as happens once in four billion: the second gets the next one."""
    monkeypatch.setattr(
        backpack_order_tracker, "wire_client_id", lambda name, attempt=0: 100 + attempt
    )
    orders = [order_of(number) for number in (1, 2, 3)]
    for order in orders:
        tracker.start_tracking_order(order)
    assert [tracker.client_id_of(order) for order in orders] == [100, 101, 102]
    for order, client_id in zip(orders, (100, 101, 102), strict=True):
        assert tracker.find(client_id, "7") is order


def test_client_id_is_kept_until_another_one_is_assigned(tracker):
    """After a refusal the next attempt has its own; the order is found by both."""
    order = order_of()
    tracker.start_tracking_order(order)
    first = tracker.client_id_of(order)
    assert first == wire_client_id("HBOT-1")
    second = tracker.assign_client_id(order, attempt=1)
    assert second == tracker.client_id_of(order) != first
    assert tracker.find(first, "7") is tracker.find(second, "7") is order


def test_client_id_of_an_order_that_was_never_tracked_is_its_own(tracker):
    """A lost order that was restored, perhaps."""
    assert tracker.client_id_of(order_of(5)) == wire_client_id("HBOT-5")


def test_client_ids_of_forgotten_orders_are_forgotten(tracker, monkeypatch):
    """The table does not grow without end."""
    monkeypatch.setattr(backpack_order_tracker, "_MAX_CLIENT_IDS", 10)
    for number in range(100):
        order = order_of(number)
        tracker.start_tracking_order(order)
        if number < 95:
            tracker._in_flight_orders.pop(order.client_order_id)
    assert len(tracker._orders_by_client_id) <= 11
    for number in range(95, 100):
        assert tracker.find(wire_client_id(f"HBOT-{number}"), "7") is not None


# === finding


def test_order_is_found_by_client_id_while_its_exchange_id_is_unknown(tracker):
    """An event may be faster than the reply."""
    order = order_of()
    tracker.start_tracking_order(order)
    assert tracker.find(wire_client_id("HBOT-1"), "7") is order
    assert tracker.find(None, "7") is None


def test_order_with_another_exchange_id_is_another_bots(tracker):
    """The same client id on another order: a bot of the same account uses it."""
    tracker.start_tracking_order(order_of(exchange_order_id="7"))
    assert tracker.find(wire_client_id("HBOT-1"), "8") is None
    assert tracker.find(wire_client_id("HBOT-1"), "7") is not None


@pytest.mark.parametrize("client_id", [None, 12345])
def test_order_is_found_by_its_exchange_id_whatever_the_client_id_says(tracker, client_id):
    """Rows may come without a client id."""
    order = order_of(exchange_order_id="7")
    tracker.start_tracking_order(order)
    assert tracker.find(client_id, "7") is order
    assert tracker.find(client_id, "8") is None


async def test_order_done_lately_and_order_lost_are_found_too(tracker):
    """A fill may come after the end."""
    done, lost = order_of(1, "7"), order_of(2, "8")
    tracker.start_tracking_order(done)
    tracker.start_tracking_order(lost)
    await tracker.apply(update(OrderState.CANCELED, done))
    for _ in range(tracker.lost_order_count_limit + 1):
        await tracker.process_order_not_found(lost.client_order_id)
    assert tracker.active_orders == {}
    assert tracker.find(wire_client_id("HBOT-1"), "7") is done
    assert tracker.find(wire_client_id("HBOT-2"), "8") is lost
    assert tracker.find(None, "8") is lost


# === fills


async def test_fill_after_a_cancellation_is_recorded(tracker, connector):
    """The order stays cancelled, and the fill counts."""
    order = order_of()
    tracker.start_tracking_order(order)
    await tracker.apply(update(OrderState.OPEN, order))
    await tracker.apply(update(OrderState.CANCELED, order))
    tracker.process_trade_update(fill(order))
    tracker.process_trade_update(fill(order))
    assert order.executed_amount_base == 1
    assert order.is_cancelled
    assert connector.told == ["BuyOrderCreatedEvent", "OrderCancelledEvent", "OrderFilledEvent"]


async def test_waiting_for_fills_ends_with_the_last_one(tracker):
    """It goes on through fills that are not enough, and gives up in time."""
    order = order_of()
    tracker.start_tracking_order(order)
    waiting = asyncio.ensure_future(tracker.wait_executed(order, Decimal(2), 5.0))
    await asyncio.sleep(0)
    tracker.process_trade_update(fill(order, "1"))
    await asyncio.sleep(0)
    assert not waiting.done()
    tracker.process_trade_update(fill(order, "2"))
    assert await waiting
    assert await tracker.wait_executed(order, Decimal(2), 0.0)
    assert not await tracker.wait_executed(order, Decimal(3), 0.01)


async def test_two_who_wait_for_fills_of_one_order_are_both_told(tracker):
    """The end of one wait does not make the other one deaf."""
    order = order_of()
    tracker.start_tracking_order(order)
    first, second = (
        asyncio.ensure_future(tracker.wait_executed(order, Decimal(amount), 5.0))
        for amount in (1, 2)
    )
    await asyncio.sleep(0)
    tracker.process_trade_update(fill(order, "1"))
    assert await first
    tracker.process_trade_update(fill(order, "2"))
    assert await asyncio.wait_for(second, 1.0)


# === not found


async def test_refused_cancellations_count_once(tracker):
    """Asking ten times is one piece of evidence; a question that is answered adds to it."""
    order = order_of()
    tracker.start_tracking_order(order)
    for _ in range(10):
        tracker.suspect(order)
    assert order.client_order_id in tracker.active_orders
    for _ in range(tracker.lost_order_count_limit - 1):
        await tracker.process_order_not_found(order.client_order_id)
    assert order.is_open
    tracker.suspect(order)
    assert order.is_open
    await tracker.process_order_not_found(order.client_order_id)
    assert order.is_failure


def test_suspecting_an_order_that_is_not_active_does_nothing(tracker):
    """It leaves no trace for an order of the same id."""
    tracker.suspect(order_of())
    assert tracker._order_not_found_records == {}
