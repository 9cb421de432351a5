"""The request budget, with a clock of our own."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    GetCapital,
    GetFills,
    GetKlines,
)
from hummingbot.connector.exchange.backpack.api.errors import HeldBack
from hummingbot.connector.exchange.backpack.backpack_constants import RATE_LIMITS
from hummingbot.connector.exchange.backpack.backpack_throttler import BackpackThrottler

GENERAL, HISTORY = 2000, 30


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def throttler_of(clock, share=None, account=None):
    return BackpackThrottler(RATE_LIMITS, share, account=account, clock_s=clock)


def passed(throttler, path, tries, *, is_order=False):
    """How many of `tries` requests pass without waiting."""
    return sum(throttler.wait_s(path, is_order=is_order) <= 0 for _ in range(tries))


def test_reads_leave_the_last_tenth_to_orders(clock):
    """Polling can never keep an order or a cancellation from being sent."""
    throttler = throttler_of(clock)
    assert passed(throttler, GetCapital.path, GENERAL) == GENERAL * 9 // 10
    assert passed(throttler, CancelOrder.path, GENERAL, is_order=True) == GENERAL // 10


def test_history_has_a_budget_of_its_own_and_counts_in_the_general_one(clock):
    """30 a minute for all history together, candles included."""
    throttler = throttler_of(clock)
    used = passed(throttler, GetFills.path, 20) + passed(throttler, GetKlines.path, 20)
    assert used == HISTORY * 9 // 10
    assert passed(throttler, GetCapital.path, GENERAL) == GENERAL * 9 // 10 - used


def test_budget_comes_back_after_a_minute(clock):
    """What was used stops counting, and not before."""
    throttler = throttler_of(clock)
    assert passed(throttler, GetFills.path, 40) == HISTORY * 9 // 10
    clock.now_s += 60.0
    assert throttler.wait_s(GetFills.path, is_order=False) > 0
    clock.now_s += 1.5
    assert throttler.wait_s(GetFills.path, is_order=False) == 0


def test_share_is_honoured(clock):
    """``rate_limits_share_pct`` leaves the rest to other bots of the account."""
    throttler = throttler_of(clock, share=Decimal(50))
    assert passed(throttler, CancelOrder.path, GENERAL, is_order=True) == GENERAL // 2


def test_connectors_of_one_account_share_a_budget(clock):
    """A second connector does not double the requests that the exchange sees."""
    first, second = (throttler_of(clock, account="test/shared") for _ in range(2))
    assert passed(first, CancelOrder.path, GENERAL, is_order=True) == GENERAL
    assert second.wait_s(CancelOrder.path, is_order=True) > 0
    other = throttler_of(clock, account="test/other")
    assert other.wait_s(CancelOrder.path, is_order=True) == 0


def test_refusal_stops_everything_for_longer_each_time(clock):
    """After 429 nothing is sent; a second one doubles the pause; a healthy minute forgets."""
    throttler = throttler_of(clock)
    pauses_s = []
    for _ in range(3):
        throttler.on_refused()
        pauses_s.append(throttler.wait_s(CancelOrder.path, is_order=True))
        clock.now_s += pauses_s[-1]
        assert throttler.wait_s(CancelOrder.path, is_order=True) == 0
    assert 0.75 <= pauses_s[0] <= 1.25 < pauses_s[1] <= 2.5 < pauses_s[2] <= 5
    throttler.on_accepted()
    clock.now_s += 61
    throttler.on_refused()
    assert throttler.wait_s(CancelOrder.path, is_order=True) <= 1.25


def test_refusals_at_once_are_one_pause(clock):
    """Ten requests refused together do not make a pause of minutes."""
    throttler = throttler_of(clock)
    for _ in range(10):
        throttler.on_refused()
    assert throttler.wait_s(CancelOrder.path, is_order=True) <= 1.25
    assert throttler.refusals == 10


async def test_impatient_request_is_given_up_and_was_not_sent(clock):
    """An order is not sent late at an old price."""
    throttler = throttler_of(clock)
    throttler.on_refused()
    with pytest.raises(HeldBack, match="not sent, because the request limit is used up") as held:
        async with throttler.execute_task(CancelOrder.path, is_order=True, patience_s=0.1):
            pytest.fail("must not be sent")
    assert "network" not in str(held.value)


@given(
    requests=st.lists(
        st.tuples(
            st.floats(0, 40),
            st.sampled_from([GetFills.path, GetKlines.path]),
            st.booleans(),
        ),
        max_size=200,
    )
)
def test_no_minute_ever_holds_more_than_the_limit(requests):
    """Whatever is asked and whenever, the exchange's window is never exceeded."""
    clock = Clock()
    throttler = throttler_of(clock)
    sent_s = []
    for pause_s, path, is_order in requests:
        clock.now_s += pause_s
        if throttler.wait_s(path, is_order=is_order) <= 0:
            sent_s.append(clock.now_s)
    for start_s in sent_s:
        assert sum(start_s <= s <= start_s + 60 for s in sent_s) <= HISTORY
