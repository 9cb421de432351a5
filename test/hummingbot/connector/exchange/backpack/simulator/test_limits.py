"""Rate limits: a sliding minute for each caller."""

from hummingbot.connector.exchange.backpack.simulator.limits import RateLimit


def test_a_minute_holds_so_many_requests_and_no_more():
    now_us = 0
    limit = RateLimit(3, lambda: now_us)

    assert [limit.admit("a") for _ in range(4)] == [True, True, True, False]
    assert limit.admit("b"), "each caller has a budget of its own"
    now_us = 59_999_999
    assert not limit.admit("a")
    now_us = 60_000_000
    assert [limit.admit("a") for _ in range(4)] == [True, True, True, False]


def test_what_was_refused_does_not_count():
    now_us = 0
    limit = RateLimit(1, lambda: now_us)
    limit.admit("a")
    now_us = 59_000_000
    assert not limit.admit("a")
    now_us = 60_000_000

    assert limit.admit("a")


def test_it_can_be_switched_off():
    limit = RateLimit(None, lambda: 0)

    assert all(limit.admit("a") for _ in range(10_000))
