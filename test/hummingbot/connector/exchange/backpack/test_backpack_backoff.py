"""How long to wait before trying again, with a clock and a dice of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.backpack_backoff import Backoff


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def middle(low, high):
    """A dice that always shows the middle."""
    return (low + high) / 2


def test_delays_double_up_to_a_minute():
    """1, 2, 4 … 60 seconds, then 60 for ever."""
    backoff = Backoff(clock_s=Clock(), uniform=middle)
    delays = [backoff.next_delay_s() for _ in range(40)]
    assert delays[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(delays[6:]) == {60}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_delays_stay_within_a_quarter_of_their_step(dice):
    """±25 %, never above the limit, whatever the dice show."""
    shown = iter(dice)
    backoff = Backoff(uniform=lambda low, high: low + (high - low) * next(shown))
    for step in range(len(dice)):
        expected_s = min(60, 2.0**step)
        assert 0.75 * expected_s <= backoff.next_delay_s() <= min(60, 1.25 * expected_s)


@given(
    st.lists(
        st.one_of(st.just("failure"), st.floats(0, 300)).map(
            lambda what: None if what == "failure" else what
        ),
        max_size=40,
    )
)
def test_delays_start_again_after_a_minute_of_health_and_only_then(lives):
    """Any mixture of failed attempts and of connections that lasted so many seconds."""
    clock = Clock()
    backoff = Backoff(clock_s=clock, uniform=middle)
    failures = 0
    for lasted_s in lives:
        if lasted_s is not None:
            backoff.succeeded()
            clock.now_s += lasted_s
            failures = 0 if lasted_s >= 60 else failures
        assert backoff.next_delay_s() == min(60, 2.0**failures)
        failures += 1


def test_health_counts_from_the_first_success():
    """Being told again of a connection that stands does not make it younger."""
    clock = Clock()
    backoff = Backoff(clock_s=clock, uniform=middle)
    for _ in range(3):
        backoff.next_delay_s()
    backoff.succeeded()
    clock.now_s += 59
    backoff.succeeded()
    clock.now_s += 1
    assert backoff.next_delay_s() == 1


def test_real_dice_scatter_the_delays():
    """Many bots do not return at the same moment."""
    first_delays = {Backoff().next_delay_s() for _ in range(50)}
    assert len(first_delays) > 40
    assert all(0.75 <= delay_s <= 1.25 for delay_s in first_delays)


@pytest.mark.parametrize(("first_s", "limit_s"), [(0.1, 0.4), (5, 5)])
def test_steps_and_limit_can_be_chosen(first_s, limit_s):
    """For callers that need another rhythm."""
    backoff = Backoff(first_s=first_s, limit_s=limit_s, uniform=middle)
    delays = [backoff.next_delay_s() for _ in range(5)]
    assert delays[0] == first_s
    assert delays[-1] == limit_s
