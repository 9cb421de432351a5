"""The rules by which orders of ours are filled in a market that is only watched."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.fill_model import (
    PAIRING_WINDOW_US,
    LevelMemory,
    Part,
    spread_cancellation,
    take_from_front,
    taken_before_ours,
)

STEP = Decimal("0.01")


def queue_of(*parts):
    """Oldest first: a number is somebody else's quantity, a text an order of ours."""
    return [
        Part(number, Decimal(100), Decimal(part), isinstance(part, str))
        for number, part in enumerate(parts)
    ]


def amounts(takes):
    return {part.order_id: quantity for part, quantity in takes}


queues = st.lists(
    st.tuples(st.integers(1, 10_000), st.booleans()).map(lambda p: (p[0] * STEP, p[1])), max_size=8
).map(lambda parts: [Part(n, Decimal(100), q, ours) for n, (q, ours) in enumerate(parts)])
amount = st.integers(0, 50_000).map(lambda steps: steps * STEP)


def test_a_trade_takes_the_oldest_first_ours_like_others():
    assert amounts(take_from_front(queue_of(5, "2", 4), Decimal(6))) == {0: 5, 1: 1}
    assert amounts(take_from_front(queue_of(5, "2", 4), Decimal(100))) == {0: 5, 1: 2, 2: 4}
    assert take_from_front(queue_of(5), Decimal(0)) == []


@given(queues, amount)
def test_a_trade_never_takes_more_than_itself_nor_past_the_front(queue, quantity):
    takes = amounts(take_from_front(queue, quantity))
    assert sum(takes.values()) == min(quantity, sum(part.quantity for part in queue))
    for index, part in enumerate(queue):
        if part.order_id in takes:
            assert 0 < takes[part.order_id] <= part.quantity
            assert all(takes[before.order_id] == before.quantity for before in queue[:index])


def test_a_cancellation_moves_us_up_by_the_share_before_us():
    """60 before, 30 behind: two thirds of it."""
    queue = queue_of(60, "10", 30)
    takes = spread_cancellation(queue, Decimal(9), STEP)
    assert amounts(takes) == {0: 6, 2: 3}
    assert taken_before_ours(queue, takes) == 6


def test_rounding_a_cancellation_never_moves_us_up():
    """A third of 0.01 is nothing before us; it all goes behind."""
    queue = queue_of(1, "10", 2)
    assert amounts(spread_cancellation(queue, Decimal("0.01"), STEP)) == {2: STEP}
    assert taken_before_ours(queue, spread_cancellation(queue, STEP, STEP)) == 0


@given(queues, amount)
def test_a_cancellation_takes_from_all_others_alike(queue, quantity):
    takes = amounts(spread_cancellation(queue, quantity, STEP))
    others = [part for part in queue if not part.is_ours]
    total = sum(part.quantity for part in others)
    cancelled = min(quantity, total)
    assert sum(takes.values()) == cancelled
    passed = given_up = Decimal(0)
    for part in queue:
        taken = takes.pop(part.order_id, Decimal(0))
        assert 0 <= taken <= part.quantity
        assert not (part.is_ours and taken)
        passed += Decimal(0) if part.is_ours else part.quantity
        given_up += taken
        if total:
            assert 0 <= cancelled * passed / total - given_up < STEP
    assert not takes


def test_digits_beyond_decimals_precision_are_still_exact():
    huge, step = Decimal("999999999999999.999999999"), Decimal("0.000000001")
    queue = [Part(1, Decimal(1), huge, False), Part(2, Decimal(1), huge, False)]
    takes = spread_cancellation(queue, huge, step)
    assert sum(quantity for _, quantity in takes) == huge
    assert takes[0][1] == Decimal("499999999999999.999999999")


def test_a_trade_explains_the_decrease_that_follows():
    memory = LevelMemory()
    assert memory.trade(Decimal(5), 100) == 5
    assert memory.decrease(Decimal(8), 101) == 3
    assert memory.decrease(Decimal(8), 102) == 8, "it explains once"


def test_a_decrease_before_its_trade_counts_once():
    """It was taken for a cancellation that moved us up by 4; its trade moves us by the rest."""
    memory = LevelMemory()
    assert memory.decrease(Decimal(6), 100) == 6
    memory.cancelled(Decimal(6), Decimal(4), 100)
    assert memory.trade(Decimal(6), 100) == 2
    assert memory.trade(Decimal(6), 100) == 6
    assert memory.decrease(Decimal(6), 101) == 0


def test_a_decrease_before_a_larger_trade_leaves_the_rest_to_come():
    memory = LevelMemory()
    memory.cancelled(Decimal(6), Decimal(6), 100)
    assert memory.trade(Decimal(10), 99) == 4
    assert memory.decrease(Decimal(5), 101) == 1


@pytest.mark.parametrize("time_us", [99, 100 + PAIRING_WINDOW_US + 1])
def test_a_decrease_before_the_trade_or_long_after_is_another_matter(time_us):
    memory = LevelMemory()
    memory.trade(Decimal(5), 100)
    assert memory.decrease(Decimal(5), time_us) == 5


@pytest.mark.parametrize("trade_us", [101, 100 - PAIRING_WINDOW_US - 1])
def test_a_trade_after_the_decrease_or_long_before_is_another_matter(trade_us):
    memory = LevelMemory()
    memory.cancelled(Decimal(5), Decimal(5), 100)
    assert memory.trade(Decimal(5), trade_us) == 5


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(0, 3)), max_size=30))
def test_no_quantity_is_explained_twice(events):
    """What trades explain of decreases, and decreases of trades, is never more than there was."""
    memory, time_us = LevelMemory(), 0
    traded = explained = advanced = moved = Decimal(0)
    for is_trade, size, pause_s in events:
        time_us += pause_s * 400_000
        quantity = Decimal(size)
        if is_trade:
            front = memory.trade(quantity, time_us)
            assert 0 <= front <= quantity
            traded += quantity
            advanced += quantity - front
        else:
            left = memory.decrease(quantity, time_us)
            assert 0 <= left <= quantity
            explained += quantity - left
            memory.cancelled(left, left / 2, time_us)
            moved += left / 2
    assert explained <= traded
    assert advanced <= moved
