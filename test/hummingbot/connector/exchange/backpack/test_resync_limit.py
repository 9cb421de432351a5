"""A book that keeps breaking is loaded again at once, but not without end."""

import asyncio
import time

import pytest

DEPTH, TOPIC = "GET /api/v1/depth", "depth.SOL_USDC"
STORM_S, MOST_LOADS = 1.0, 30


@pytest.fixture
def losing(exchange):
    """Every second message of the book gets lost."""
    seen = []

    def lose(name, account_id, data):
        if name != TOPIC:
            return [data]
        seen.append(name)
        return [data] if len(seen) % 2 else []

    exchange.faults.frames.append(lose)
    yield seen
    exchange.faults.frames.remove(lose)


async def test_book_that_gaps_again_and_again_is_not_loaded_without_end(
    trader, exchange, quote, calls, losing
):
    """Each load costs a request that other books and orders may need."""
    calls.all.clear()
    began_s = time.monotonic()
    while time.monotonic() - began_s < STORM_S:
        quote("Bid", f"99.{len(losing) % 80:02}", "1")
        await asyncio.sleep(0.005)
    assert calls.count(DEPTH) <= MOST_LOADS
