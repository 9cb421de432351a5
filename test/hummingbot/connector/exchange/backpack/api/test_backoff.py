"""Delays between attempts: doubling to a limit, with jitter, anew after a healthy time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.backoff import Backoff


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


def middle(low, high):
    """No jitter: the middle of the bounds."""
    return (low + high) / 2


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backoff(clock):
    """The default rule, without jitter."""
    return Backoff(clock_s=clock, uniform=middle)


def delays(backoff, count):
    """The next delays, one failed attempt after the other."""
    return [backoff.next_delay_s() for _ in range(count)]


def test_backoff_doubles_from_one_second_to_a_minute(backoff):
    """And stays there, however long it fails."""
    assert delays(backoff, 8) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(delays(backoff, 2_000)) == {60}


def test_backoff_after_a_healthy_connection_starts_again(backoff, clock):
    """A minute is healthy; it counts from the first success to the end."""
    delays(backoff, 5)
    backoff.succeeded()
    clock.now_s += 30
    backoff.succeeded()
    clock.now_s += 30
    assert delays(backoff, 3) == [1, 2, 4]


def test_backoff_after_a_short_connection_goes_on(backoff, clock):
    """A server that accepts and drops at once is not hammered."""
    delays(backoff, 3)
    for expected in (8, 16):
        backoff.succeeded()
        clock.now_s += 59.9
        assert backoff.next_delay_s() == expected


def test_backoff_time_spent_failing_is_no_healthy_time(backoff, clock):
    """Each connection counts for itself."""
    backoff.succeeded()
    clock.now_s += 1
    assert delays(backoff, 2) == [1, 2]
    clock.now_s += 600
    assert backoff.next_delay_s() == 4


def test_backoff_limits_are_the_callers(clock):
    """First delay, longest delay and healthy time."""
    backoff = Backoff(clock_s=clock, uniform=middle, first_s=0.5, limit_s=3, reset_after_s=5)
    assert delays(backoff, 4) == [0.5, 1, 2, 3]
    backoff.succeeded()
    clock.now_s += 5
    assert backoff.next_delay_s() == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_backoff_jitter_is_a_quarter_each_way_and_never_beyond_the_limit(chances):
    """Many bots do not return at once."""
    drawn = iter(chances)
    backoff = Backoff(
        clock_s=lambda: 0.0, uniform=lambda low, high: low + (high - low) * next(drawn)
    )
    for attempt, chance in enumerate(chances):
        plain = min(60, 2**attempt)
        assert backoff.next_delay_s() == min(60, plain * (0.75 + 0.5 * chance))
