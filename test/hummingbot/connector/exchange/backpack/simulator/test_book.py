"""Price levels and queues, without an engine around them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, Symbol
from hummingbot.connector.exchange.backpack.simulator.book import BookSide
from hummingbot.connector.exchange.backpack.simulator.events import OrderRecord


def order(order_id, price, quantity, side=Side.BID):
    return OrderRecord(
        order_id=order_id,
        account_id="someone",
        symbol=Symbol("SOL_USDC"),
        side=side,
        order_type=OrderType.LIMIT,
        created_at_us=0,
        updated_at_us=0,
        price=Decimal(price),
        quantity=Decimal(quantity),
    )


def queue(side):
    """Ids in the order in which they would trade."""
    return [order_id for level in side.levels() for order_id in level.orders]


def test_best_of_bids_is_highest_of_asks_lowest():
    bids, asks = BookSide(Side.BID), BookSide(Side.ASK)
    for number, price in enumerate(("99", "101", "100")):
        bids.add(order(number, price, 1))
        asks.add(order(number, price, 1, Side.ASK))

    assert bids.best() == (101, 1)
    assert asks.best() == (99, 1)
    assert queue(bids) == [1, 2, 0]
    assert queue(asks) == [0, 2, 1]


def test_orders_at_one_price_stand_in_the_order_of_arrival():
    side = BookSide(Side.BID)
    for order_id in (3, 1, 2):
        side.add(order(order_id, "100", 1))

    assert queue(side) == [3, 1, 2]


def test_equal_prices_written_differently_share_a_level():
    side = BookSide(Side.BID)
    side.add(order(1, "100", "0.5"))
    side.add(order(2, "100.00", "0.25"))

    assert len(side) == 1
    assert side.quantity_at(Decimal("1E+2")) == Decimal("0.75")


def test_depth_is_ascending_on_both_sides_and_trimmed_around_the_touch():
    bids, asks = BookSide(Side.BID), BookSide(Side.ASK)
    for number, price in enumerate(("99", "101", "100")):
        bids.add(order(number, price, 1))
        asks.add(order(number, price, 1, Side.ASK))

    assert bids.depth(2) == [(100, 1), (101, 1)]
    assert asks.depth(2) == [(99, 1), (100, 1)]
    assert bids.depth(9) == asks.depth(9) == [(99, 1), (100, 1), (101, 1)]


def test_reduce_keeps_the_place_in_the_queue():
    side = BookSide(Side.BID)
    first, second = order(1, "100", 5), order(2, "100", 5)
    side.add(first)
    side.add(second)

    side.reduce(first, Decimal(2))
    first.executed_quantity = Decimal(2)

    assert queue(side) == [1, 2]
    assert side.quantity_at(Decimal(100)) == 8


def test_reduce_to_nothing_removes_the_order_and_its_empty_level():
    side = BookSide(Side.BID)
    only = order(1, "100", 5)
    side.add(only)

    side.reduce(only, Decimal(5))

    assert side.best() is None
    assert len(side) == 0


def test_resize_changes_quantity_and_keeps_the_place():
    side = BookSide(Side.ASK)
    first, second = order(1, "100", 5, Side.ASK), order(2, "100", 5, Side.ASK)
    side.add(first)
    side.add(second)

    side.resize(first, Decimal(7))

    assert first.quantity == 7
    assert queue(side) == [1, 2]
    assert side.quantity_at(Decimal(100)) == 12


def test_remove_of_an_order_that_does_not_rest_is_an_error():
    side = BookSide(Side.BID)
    side.add(order(1, "100", 5))

    with pytest.raises(KeyError):
        side.remove(order(2, "100", 5))


@pytest.mark.parametrize(
    ("side", "price", "crosses"),
    [
        (Side.BID, "100", True),
        (Side.BID, "99.99", True),
        (Side.BID, "100.01", False),
        (Side.ASK, "100", True),
        (Side.ASK, "100.01", True),
        (Side.ASK, "99.99", False),
    ],
)
def test_crosses_tells_whether_the_other_side_would_trade(side, price, crosses):
    resting = BookSide(side)
    assert not resting.crosses(Decimal(price)), "an empty side crosses nothing"

    resting.add(order(1, "100", 1, side))

    assert resting.crosses(Decimal(price)) is crosses


def test_market_order_cannot_rest():
    nameless = order(1, "100", 1)
    nameless.price = None

    with pytest.raises(ValueError, match="no price"):
        BookSide(Side.BID).add(nameless)


@given(
    st.sampled_from(Side),
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 9), st.booleans()), min_size=1, max_size=40
    ),
)
def test_book_side_equals_a_sorted_list_of_its_orders(side, actions):
    """Against the simplest model there is: a list, sorted by price and then by arrival."""
    book_side, model = BookSide(side), []
    for order_id, (price, quantity, removes_oldest) in enumerate(actions):
        if removes_oldest and model:
            book_side.remove(model.pop(0))
            continue
        added = order(order_id, price, quantity, side)
        book_side.add(added)
        model.append(added)

    sign = -1 if side is Side.BID else 1
    ranked = sorted(model, key=lambda each: (sign * each.price, each.order_id))
    totals = {
        each.price: sum(other.quantity for other in model if other.price == each.price)
        for each in model
    }
    assert queue(book_side) == [each.order_id for each in ranked]
    assert book_side.depth(100) == sorted(totals.items())
    assert book_side.best() == ((ranked[0].price, totals[ranked[0].price]) if ranked else None)
