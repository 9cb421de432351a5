"""Levels and trades of a stream, and our users' orders among them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import (
    OrderStatus,
    OrderType,
    Side,
    Symbol,
    TimeInForce,
)
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    ZERO,
    DepthEvent,
    OrderEvent,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.outside import HOUSE

SOL = Symbol("SOL_USDC")
BID, ASK = Side.BID, Side.ASK


class Stream:
    """An engine fed with levels, in which one user trades."""

    def __init__(self):
        self.engine = Engine(known_markets(), clock_us=lambda: 0)
        self.engine.open_account(
            "user",
            {"USDC": Decimal(100_000), "SOL": Decimal(1_000)},
            maker_fee_bps=ZERO,
            taker_fee_bps=ZERO,
        )
        self.events = []
        self.engine.subscribe(self.events.append)

    def show(self, side, price, quantity):
        self.engine.set_level(SOL, side, Decimal(price), Decimal(quantity))

    def order(self, side, price, quantity, **more):
        return self.engine.place(
            "user",
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=OrderType.LIMIT,
                price=Decimal(price),
                quantity=Decimal(quantity),
                **more,
            ),
        )

    def executed(self, order):
        return self.engine.order_history("user", order_id=order.order_id)[0][0].executed_quantity

    def book(self):
        bids, asks, _ = self.engine.depth(SOL, 1000)
        return bids, asks

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def stream():
    return Stream()


def test_levels_are_absolute(stream):
    for quantity in ("5", "9", "2"):
        stream.show(BID, "100", quantity)

    assert stream.book() == ([(100, 2)], [])
    assert [event.bids for event in stream.of(DepthEvent)] == [
        ((100, 5),),
        ((100, 9),),
        ((100, 2),),
    ]


def test_zero_removes_a_level(stream):
    stream.show(ASK, "100", "5")
    stream.show(ASK, "100", "0")

    assert stream.book() == ([], [])
    assert stream.engine.open_orders(HOUSE) == []


@pytest.mark.parametrize("quantity", ["0", "5"])
def test_unchanged_level_still_takes_an_update_id(stream, quantity):
    """A recording has an id for each frame, also for a level that nothing is known of."""
    stream.show(ASK, "100", quantity)
    stream.show(ASK, "100", quantity)

    first, second = stream.of(DepthEvent)
    assert second.first_update_id == first.last_update_id + 1
    assert first.asks == second.asks


def test_changing_a_level_for_hours_keeps_one_order(stream):
    for number in range(1, 2_000):
        stream.show(BID, "100", str(number % 7 + 1))

    assert len(stream.engine.open_orders(HOUSE)) == 1


def test_user_keeps_its_place_in_the_queue(stream):
    """5 stood before the user, 4 came after."""
    stream.show(BID, "100", "5")
    mine = stream.order(BID, "100", "1")
    stream.show(BID, "100", "9")
    assert stream.book()[0] == [(100, 10)]

    stream.engine.print_trade(SOL, Decimal(100), Decimal(3), ASK)
    assert stream.executed(mine) == 0, "a printed trade at the same price is the world's own"

    sell = stream.order(ASK, "100", "5.5", time_in_force=TimeInForce.IOC)
    assert sell.status is OrderStatus.EXPIRED
    assert sell.executed_quantity == 5, "the user's own order, next in the queue, stops it"


def test_shrinking_takes_what_came_last(stream):
    stream.show(BID, "100", "5")
    stream.order(BID, "100", "1")
    stream.show(BID, "100", "9")

    stream.show(BID, "100", "6")
    assert [o.quantity for o in stream.engine.open_orders(HOUSE)] == [5, 1]
    stream.show(BID, "100", "2")
    assert [o.quantity for o in stream.engine.open_orders(HOUSE)] == [2]


def test_liquidity_that_crosses_a_user_trades_with_it_first(stream):
    stream.show(ASK, "101", "5")
    mine = stream.order(ASK, "100", "2")

    stream.show(BID, "100.50", "3")

    assert stream.executed(mine) == 2
    trade = stream.of(TradeEvent)[0]
    assert (trade.price, trade.quantity, trade.is_buyer_maker) == (100, 2, False)
    assert stream.book() == ([(Decimal("100.50"), 1)], [(101, 5)])
    assert stream.engine.balances("user")["USDC"] == (100_200, 0)


def test_level_that_a_user_takes_whole_does_not_appear(stream):
    mine = stream.order(BID, "100", "5")

    stream.show(ASK, "99", "3")

    assert stream.executed(mine) == 3
    assert stream.book() == ([(100, 2)], [])


def test_crossed_levels_of_the_stream_are_out_of_date(stream):
    for price in ("100", "101", "102"):
        stream.show(ASK, price, "1")

    stream.show(BID, "101", "4")

    assert stream.book() == ([(101, 4)], [(102, 1)])
    assert stream.of(TradeEvent) == []


def test_user_takes_from_the_stream_and_the_next_word_restores_it(stream):
    stream.show(ASK, "100", "5")
    stream.order(BID, "100", "2")
    assert stream.book() == ([], [(100, 3)])

    stream.show(ASK, "100", "5")

    assert stream.book() == ([], [(100, 5)])


def test_printed_trade_is_public_and_sets_the_last_price(stream):
    stream.engine.print_trade(SOL, Decimal("98.98"), Decimal("5.14"), BID)

    trade = stream.of(TradeEvent)[0]
    assert (trade.price, trade.quantity) == (Decimal("98.98"), Decimal("5.14"))
    assert trade.is_buyer_maker is False
    assert trade.buyer_order_id > trade.seller_order_id, "the newer order is the taker"
    assert stream.engine.last_price(SOL) == Decimal("98.98")


@pytest.mark.parametrize(
    ("side", "better", "printed", "taker"), [(BID, "100", "99", ASK), (ASK, "99", "100", BID)]
)
def test_printed_trade_through_a_users_price_fills_the_user_first(
    stream, side, better, printed, taker
):
    mine = stream.order(side, better, "2")

    stream.engine.print_trade(SOL, Decimal(printed), Decimal(5), taker)

    assert stream.executed(mine) == 2
    assert [(t.price, t.quantity) for t in stream.of(TradeEvent)] == [
        (Decimal(better), 2),
        (Decimal(printed), 3),
    ]
    assert stream.book() == ([], [])


def test_printed_trade_smaller_than_the_users_order_goes_to_the_user_alone(stream):
    mine = stream.order(BID, "100", "2")

    stream.engine.print_trade(SOL, Decimal(99), Decimal("0.5"), ASK)

    assert stream.executed(mine) == Decimal("0.5")
    assert [t.price for t in stream.of(TradeEvent)] == [100]
    assert stream.engine.open_orders(HOUSE) == []


@pytest.mark.parametrize(
    ("price", "quantity"), [("NaN", "1"), ("100", "NaN"), ("0", "1"), ("-1", "1"), ("100", "-1")]
)
def test_impossible_level_is_an_error(stream, price, quantity):
    with pytest.raises(ValueError, match="no level"):
        stream.show(BID, price, quantity)
    with pytest.raises(ValueError, match="no level"):
        stream.engine.print_trade(SOL, Decimal(price), Decimal(quantity), BID)
    assert stream.events == []


levels = st.tuples(
    st.sampled_from(Side), st.integers(9_990, 10_010), st.integers(0, 9), st.booleans()
)


@given(st.lists(levels, max_size=40))
def test_stream_shows_what_was_said_last_where_nobody_of_ours_trades(said):
    """Levels that were crossed by later ones are gone; all others stand as said."""
    stream, expected = Stream(), {BID: {}, ASK: {}}
    for side, ticks, quantity, _ in said:
        price = ticks * Decimal("0.01")
        stream.show(side, price, quantity)
        expected[side][price] = quantity
        if quantity:
            other = expected[ASK if side is BID else BID]
            for stale in [p for p in other if (p <= price if side is BID else p >= price)]:
                del other[stale]

    shown = stream.book()
    for side, found in zip((BID, ASK), shown, strict=True):
        assert dict(found) == {price: q for price, q in expected[side].items() if q}


@given(st.lists(levels, max_size=40))
def test_orders_among_a_stream_leave_no_trace_of_the_house_in_private_events(said):
    stream = Stream()
    for side, ticks, quantity, is_ours in said:
        price = ticks * Decimal("0.01")
        if is_ours and quantity:
            stream.order(side, price, quantity)
        else:
            stream.show(side, price, quantity)

    assert {e.order.account_id for e in stream.of(OrderEvent)} <= {"user"}
    bid, ask = stream.engine.best(SOL)
    assert bid is None or ask is None or bid < ask
    total = stream.engine.balances("user").get("SOL", (0, 0))
    house = stream.engine.balances(HOUSE).get("SOL", (0, 0))
    assert sum(total) + sum(house) == 1_000
