"""Orders, cancellations and fills while requests and answers get lost."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import OrderStatus
from hummingbot.core.data_type.common import OrderType

from ..conftest import CANCEL, PLACE
from .conftest import until
from .stage import REQUEST_TIMEOUT_S
from .wire import cut_account_stream, held_frames

ORDER_EVENTS = "account.orderUpdate"
STORM_S = 2.0
# Ten orders, of which each is asked for several times. Without any pause there would be 140.
MOST_STORM_REQUESTS = 100
MAINTENANCE_S = 1.5


async def test_post_accepted_then_timed_out(trader, exchange, quote, agree):
    """The order rests, its reply never comes; it is adopted, and fills."""
    with exchange.faults.accept_then_hang(PLACE, times=1) as fault:
        order_id = trader.buy("99.95")
        await fault.wait_hit()
        await asyncio.sleep(2 * REQUEST_TIMEOUT_S)  # until the request has been given up
    await trader.open(order_id)
    quote("Ask", "99.95", "2")
    await trader.done(order_id)

    trader.expect(order_id, "Created Filled Completed")
    await agree(trader)


async def test_post_cut_before_arrival(trader, exchange, agree):
    """The order never was; it fails, and the next one works."""
    with exchange.faults.cut_before_arrival(PLACE, times=1):
        order_id = trader.buy("99.95")
        await trader.done(order_id)
    trader.expect(order_id, "Failure")

    await trader.rest("99.50")
    await agree(trader)


async def test_503_then_accepted(trader, exchange, quote, agree):
    """The answer says unavailable, the order rests all the same; it is adopted, and fills."""
    with exchange.faults.refuse(
        503, "MAINTENANCE", "System under maintenance", PLACE, executed=True
    ) as fault:
        order_id = trader.buy("99.95")
        await fault.wait_hit()
        await trader.open(order_id)
    quote("Ask", "99.95", "2")
    await trader.done(order_id)

    trader.expect(order_id, "Created Filled Completed")
    await agree(trader)


async def test_429_storm(trader, exchange, quote, calls, agree):
    """Everything is refused for a while: requests get fewer and not more, and no order is lost."""
    filled, kept = await trader.rest("99.95"), await trader.rest("99.50")
    calls.all.clear()
    with exchange.faults.rate_limited(times=None):
        trader.connector.cancel("SOL-USDC", kept)
        quote("Ask", "99.95", "2")
        refused = []
        for _ in range(10):
            refused.append(trader.buy("99.40"))
            await asyncio.sleep(STORM_S / 10)
        requests = len(calls.all)
    for order_id in refused:
        await trader.done(order_id)
    await trader.done(filled)
    await agree(trader)

    for order_id in refused:
        trader.expect(order_id, "Failure")
    trader.expect(filled, "Created Filled Completed")
    trader.expect(kept, "Created")
    assert requests <= MOST_STORM_REQUESTS, f"{requests} requests in a storm of {STORM_S} s"
    trader.connector.cancel("SOL-USDC", kept)
    await trader.done(kept)
    trader.expect(kept, "Created Cancelled")
    await agree(trader)


async def test_cancel_answered_with_202(trader, exchange, quote, agree):
    """Accepted, not yet executed: an order ends when the exchange says so, and not before.

    One of the two fills in between.
    """
    cancelled, filled = await trader.rest("99.50"), await trader.rest("99.95")
    with exchange.faults.late_cancels(0.5) as fault:
        for order_id in (cancelled, filled):
            trader.connector.cancel("SOL-USDC", order_id)
        await until(lambda: fault.hits == 2, "the cancellations did not reach the exchange")
        await asyncio.sleep(0.2)  # the answers are there
        trader.expect(cancelled, "Created")
        quote("Ask", "99.95", "2")
        await trader.done(filled)
    await trader.done(cancelled)

    trader.expect(cancelled, "Created Cancelled")
    trader.expect(filled, "Created Filled Completed")
    await agree(trader)


async def test_cancel_of_a_filled_order(trader, exchange, quote, agree):
    """It filled unseen, and the exchange does not know it as open any more: the fill counts."""
    order_id = await trader.rest("99.95")
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        quote("Ask", "99.95", "2")
        trader.connector.cancel("SOL-USDC", order_id)
        await trader.done(order_id)

    trader.expect(order_id, "Created Filled Completed")
    await agree(trader)


async def test_cancel_race_with_a_fill(trader, exchange, quote, agree):
    """The cancellation is under way when the order fills."""
    order_id = await trader.rest("99.95")
    with exchange.faults.delay_requests(0.2, CANCEL) as fault:
        trader.connector.cancel("SOL-USDC", order_id)
        await fault.wait_hit()
        quote("Ask", "99.95", "2")
        await trader.done(order_id)

    trader.expect(order_id, "Created Filled Completed")
    await agree(trader)


async def test_fill_after_cancel(trader, exchange, quote, agree):
    """The news of a fill comes after the answer to the cancellation."""
    order_id = await trader.rest("99.95")
    with held_frames(exchange, ORDER_EVENTS) as held:
        quote("Ask", "99.95", "0.5")
        trader.connector.cancel("SOL-USDC", order_id)
        await until(lambda: len(held) == 2, "the cancellation did not reach the exchange")
        await asyncio.sleep(0.5)  # the answer is there and dealt with long before the news
    await trader.done(order_id)

    await agree(trader)
    trader.expect(order_id, "Created Filled Cancelled", "Created Cancelled Filled")


async def test_order_expired_by_the_exchange(trader, exchange, agree):
    """A market order that the book cannot serve, and one that would meet the own order."""
    own = trader.connector.sell("SOL-USDC", Decimal(1), OrderType.LIMIT, Decimal("100.20"))
    await trader.open(own)
    cut_short = trader.buy("NaN", 60, OrderType.MARKET)
    await trader.done(cut_short)
    prevented = trader.buy("NaN", 1, OrderType.MARKET)
    await trader.done(prevented)

    ended = [order.status for order in exchange.engine.order_history("main")[0]]
    assert ended.count(OrderStatus.EXPIRED) == 2
    await agree(trader)
    trader.expect(cut_short, "Created Filled Cancelled")
    trader.expect(prevented, "Created Failure", "Created Cancelled")


async def test_unknown_state(trader, exchange, quote, agree):
    """An event with a state that nobody has heard of ends no order, and its fill counts."""
    order_id = await trader.rest("99.95")
    with exchange.faults.unknown_order_state("Hibernating") as fault:
        quote("Ask", "99.95", "0.5")
    assert fault.hits == 1
    await agree(trader)
    quote("Ask", "99.95", "1.5")
    await trader.done(order_id)

    trader.expect(order_id, "Created Filled Filled Completed")
    await agree(trader)


async def test_more_than_2500_fills_of_one_order(trader, exchange, quote, agree):
    """They happen while the stream is down, and take several pages of the history."""
    order_id = await trader.rest("99.95", 26)
    with exchange.faults.refuse_websockets():
        cut_account_stream(exchange)
        for number in range(2600):
            quote("Ask", "99.95", "0.01")
            if number % 100 == 99:
                await asyncio.sleep(0)
    await trader.done(order_id, timeout_s=20)

    await agree(trader)
    trader.expect(order_id, " ".join(["Created", *["Filled"] * 2600, "Completed"]))


async def test_restart_with_open_orders(exchange, trader, quote, place, start_trader, agree):
    """Untouched, filled, partly filled, cancelled and both while the bot was away."""
    untouched = await trader.rest("99.50")
    filled = await trader.rest("99.98")
    partly = await trader.rest("99.97", 3)
    both = await trader.rest("99.96")
    cancelled = await trader.rest("99.40")
    by_hand = place("main", "Bid", "99.30", "1")
    states = await trader.saved()

    quote("Ask", "99.97", "3")
    cancel_at_the_exchange(trader, exchange, cancelled)
    quote("Ask", "99.96", "3")
    cancel_at_the_exchange(trader, exchange, both)

    restarted = await start_trader(exchange, restored=states)
    for order_id in (filled, partly, both, cancelled):
        await restarted.done(order_id)
    await agree(trader, restarted, others=[by_hand.order_id])
    restarted.expect(untouched, "nothing")
    restarted.expect(filled, "Filled Completed")
    restarted.expect(partly, "Filled Filled Completed")
    restarted.expect(both, "Filled Cancelled")
    restarted.expect(cancelled, "Cancelled")


def cancel_at_the_exchange(trader, exchange, order_id):
    exchange_order_id = int(trader.order(order_id).exchange_order_id)
    exchange.engine.cancel("main", "SOL_USDC", order_id=exchange_order_id)


async def test_maintenance_mode(trader, exchange, quote, agree):
    """Every write is refused for a while; afterwards all goes on."""
    kept = await trader.rest("99.50")
    with exchange.faults.maintenance() as fault:
        refused = trader.buy("99.40")
        trader.connector.cancel("SOL-USDC", kept)
        await until(lambda: fault.hits >= 2, "nothing was sent")
        await asyncio.sleep(MAINTENANCE_S)
    await trader.done(refused)
    await agree(trader)
    trader.expect(refused, "Failure")
    trader.expect(kept, "Created")

    filled = await trader.rest("99.95")
    quote("Ask", "99.95", "2")
    await trader.done(filled)
    trader.connector.cancel("SOL-USDC", kept)
    await trader.done(kept)
    trader.expect(kept, "Created Cancelled")
    await agree(trader)


@pytest.mark.parametrize("when", ["from the start", "all at once"])
async def test_clock_30_s_off_and_drifting(exchange, quote, start_trader, agree, when):
    """The exchange's clock is ahead, as after a sleep of this computer, and runs too fast."""
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    trader = await start_trader(exchange) if when == "all at once" else None
    with exchange.faults.clock_skew(30_000), exchange.faults.clock_drift(4):
        trader = trader or await start_trader(exchange)
        order_ids = []
        for _ in range(4):
            order_ids.append(await trader.rest("99.95"))
            await asyncio.sleep(0.3)
        cut_account_stream(exchange)  # it has to be signed for anew
        quote("Ask", "99.95", "8")
        for order_id in order_ids:
            await trader.done(order_id)
            trader.expect(order_id, "Created Filled Completed")
        await trader.ready()
        await agree(trader)
