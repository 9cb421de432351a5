"""The connector trades on the exchange of this machine, and both sides tell the same afterwards."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import OrderState
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.market_order import MarketOrder

PAIR = "SOL-USDC"
BUY, SELL = TradeType.BUY, TradeType.SELL
CANCEL = "DELETE /api/v1/order"
PLACE = "POST /api/v1/order"
PLACE_BATCH = "POST /api/v1/orders"


def send(trader, trade_type, amount, price=None, order_type=None, pair=PAIR):
    """Order as a strategy does; without a price it is a market order."""
    order_type = order_type or (OrderType.MARKET if price is None else OrderType.LIMIT)
    order = trader.connector.buy if trade_type is BUY else trader.connector.sell
    return order(pair, Decimal(amount), order_type, Decimal(price or "NaN"))


# === limit orders


@pytest.mark.parametrize(
    ("trade_type", "price", "locked"),
    [(BUY, "99.50", ("USDC", Decimal(99801), Decimal(199))), (SELL, "100.50", ("SOL", 998, 2))],
)
async def test_limit_order_rests_and_is_cancelled(
    trader, exchange, agree, trade_type, price, locked
):
    """A resting order locks funds, and its cancellation frees them."""
    asset, *funds = locked
    order_id = send(trader, trade_type, 2, price)
    order = await trader.open(order_id)
    assert order.current_state is OrderState.OPEN
    assert exchange.engine.balances("main")[asset] == tuple(funds)
    await agree(trader)

    trader.connector.cancel(PAIR, order_id)
    await trader.done(order_id)

    assert order.is_cancelled
    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


@pytest.mark.parametrize(
    ("trade_type", "limit", "paid", "fee"),
    [
        (BUY, "100.50", "100.10", ("SOL", Decimal("0.003"))),
        (SELL, "99.50", "99.90", ("USDC", Decimal("0.2997"))),
    ],
)
async def test_limit_order_that_crosses_fills_at_the_better_price(
    trader, agree, trade_type, limit, paid, fee
):
    """A taker gets the resting price, and pays 10 bps of what it receives."""
    order_id = send(trader, trade_type, 3, limit)
    order = await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    assert order.average_executed_price == Decimal(paid)
    _, filled, completed = trader.events.of(order_id)
    (flat_fee,) = filled.trade_fee.flat_fees
    assert (flat_fee.token, flat_fee.amount) == fee
    assert completed.base_asset_amount == 3
    assert completed.quote_asset_amount == 3 * Decimal(paid)
    await agree(trader)


async def test_limit_order_partly_filled_is_cancelled(trader, quote, agree, eventually):
    """What was filled before a cancellation stays filled."""
    order_id = send(trader, BUY, 10, "99.95")
    order = await trader.open(order_id)
    quote("Ask", "99.95", "4")
    await eventually(lambda: order.executed_amount_base == 4)
    await eventually(lambda: order.current_state is OrderState.PARTIALLY_FILLED)
    await agree(trader)

    trader.connector.cancel(PAIR, order_id)
    await trader.done(order_id)

    assert order.is_cancelled
    assert trader.events.names(order_id) == ["Created", "Filled", "Cancelled"]
    await agree(trader)


@pytest.mark.parametrize(
    ("trade_type", "side", "price"), [(BUY, "Ask", "99.95"), (SELL, "Bid", "100.05")]
)
async def test_limit_order_fills_in_parts(trader, quote, agree, trade_type, side, price):
    """A maker pays 8 bps for each part; the last part completes the order."""
    order_id = send(trader, trade_type, 1, price)
    order = await trader.open(order_id)
    for part in ("0.13", "0.37", "0.5"):
        quote(side, price, part)
    await trader.done(order_id)

    assert order.is_filled
    assert trader.events.names(order_id) == ["Created", "Filled", "Filled", "Filled", "Completed"]
    received = 1 if trade_type is BUY else Decimal(price)
    fees = [event.trade_fee.flat_fees[0] for event in trader.events.fills()]
    assert sum(fee.amount for fee in fees) == received * Decimal("0.0008")
    assert {fee.token for fee in fees} == {"SOL" if trade_type is BUY else "USDC"}
    await agree(trader)


async def test_limit_order_takes_what_there_is_and_rests_with_the_rest(
    trader, quote, agree, eventually
):
    """One order can be taker first and maker later, at both fees."""
    order_id = send(trader, BUY, 60, "100.20")
    order = await trader.open(order_id)
    await eventually(lambda: order.current_state is OrderState.PARTIALLY_FILLED)
    assert order.executed_amount_base == 50
    await agree(trader)

    quote("Ask", "100.20", "10")
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Filled", "Completed"]
    fees = [event.trade_fee.flat_fees[0].amount for event in trader.events.fills()]
    assert fees == [50 * Decimal("0.0010"), 10 * Decimal("0.0008")]
    await agree(trader)


# === post-only orders


async def test_limit_maker_order_rests_as_post_only(trader, exchange, agree):
    """It reaches the exchange as a post-only order, and rests."""
    order_id = send(trader, SELL, 1, "100.00", OrderType.LIMIT_MAKER)
    await trader.open(order_id)

    (resting,) = exchange.engine.open_orders("main")
    assert resting.post_only
    assert trader.events.names(order_id) == ["Created"]
    await agree(trader)


async def test_limit_maker_order_that_would_cross_is_refused_with_the_reason(trader, agree):
    """The exchange refuses it; the strategy is told why and what to do, once."""
    order_id = send(trader, BUY, 1, "100.10", OrderType.LIMIT_MAKER)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Failure"]
    assert trader.events.why_failed(order_id) == (
        "POST /api/v1/order: INVALID_ORDER: Order would immediately match and take (HTTP 400). "
        "The book moved; place it again at a price that does not cross."
    )
    await agree(trader)


# === market orders


@pytest.mark.parametrize(("trade_type", "paid"), [(BUY, "100.10"), (SELL, "99.90")])
async def test_market_order_fills(trader, agree, trade_type, paid):
    """It trades at the touch and is complete."""
    order_id = send(trader, trade_type, "2.5")
    order = await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    assert order.average_executed_price == Decimal(paid)
    await agree(trader)


async def test_market_order_walks_the_book(trader, quote, agree):
    """Several levels give several fills of one order, in the order of their prices."""
    quote("Ask", "100.20", "30")
    order_id = send(trader, BUY, 70)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled", "Filled", "Completed"]
    fills = [(fill.price, fill.amount) for fill in trader.events.fills()]
    assert fills == [(Decimal("100.10"), 50), (Decimal("100.20"), 20)]
    await agree(trader)


@pytest.mark.parametrize("beyond_the_band", [True, False])
async def test_market_order_in_a_thin_book_ends_partly_filled(
    trader, quote, agree, beyond_the_band
):
    """The impact band, or the end of the book, stops it; what it got is recorded."""
    if beyond_the_band:
        quote("Ask", "102.00", "30")
    order_id = send(trader, BUY, 60)
    order = await trader.done(order_id)

    assert order.is_cancelled
    assert order.executed_amount_base == 50
    assert trader.events.names(order_id) == ["Created", "Filled", "Cancelled"]
    await agree(trader)


async def test_market_order_without_liquidity_fails_with_the_reason(
    trader, exchange, agree, eventually
):
    """Nobody sells: nothing is sent, and the strategy is told."""
    exchange.engine.cancel_all("maker", "SOL_USDC")
    book = trader.connector.get_order_book(PAIR)
    await eventually(lambda: not list(book.ask_entries()))

    order_id = send(trader, BUY, 1)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Failure"]
    assert "There is no price for SOL-USDC" in trader.events.why_failed(order_id)
    await agree(trader)


async def test_market_order_that_meets_nobody_fails_with_the_exchanges_reason(
    trader, exchange, agree
):
    """The book empties while the order is under way: the strategy is told the refusal."""
    with exchange.faults.delay_requests(0.2, PLACE) as fault:
        order_id = send(trader, BUY, 1)
        await fault.wait_hit()
        exchange.engine.cancel_all("maker", "SOL_USDC")
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Failure"]
    assert "No liquidity for market order" in trader.events.why_failed(order_id)
    assert "use a smaller one or a limit order" in trader.events.why_failed(order_id)
    await agree(trader)


async def test_market_order_meets_the_own_resting_order_and_fails_with_the_reason(
    exchange, quote, start_trader, agree
):
    """Self-trade prevention ends the taker without a fill; the resting order stays."""
    quote("Bid", "99.90", "50")
    quote("Ask", "100.10", "50")
    trader = await start_trader(exchange)
    resting_id = send(trader, SELL, 1, "100.00")
    await trader.open(resting_id)

    order_id = send(trader, BUY, 1)
    await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Failure"]
    assert "SelfTradePrevention" in trader.events.why_failed(order_id)
    assert trader.events.names(resting_id) == ["Created"]
    await agree(trader)


async def test_expired_order_whose_reason_cannot_be_asked_has_failed_all_the_same(
    trader, exchange, agree
):
    """The reply says that it expired, nobody says why."""
    resting_id = send(trader, SELL, 1, "100.00")
    await trader.open(resting_id)
    with (
        exchange.faults.skip_frames("account.orderUpdate", times=None),
        exchange.faults.server_error("GET /wapi/v1/history/orders"),
    ):
        order_id = send(trader, BUY, 1)
        await trader.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Failure"]
    await agree(trader)


async def test_hooks_of_hummingbots_base_do_the_same(trader, exchange, agree):
    """`_place_order` and `_place_cancel`, which the base and other people's code may call."""
    connector = trader.connector
    connector.start_tracking_order(
        "HBOT-hooks", None, PAIR, BUY, Decimal("99.50"), Decimal(1), OrderType.LIMIT
    )
    exchange_order_id, timestamp_s = await connector._place_order(
        "HBOT-hooks", PAIR, Decimal(1), BUY, OrderType.LIMIT, Decimal("99.50")
    )
    (true,) = exchange.engine.open_orders("main")
    assert exchange_order_id == str(true.order_id)
    assert timestamp_s == pytest.approx(true.created_at_us / 1e6, abs=0.001)
    order = await trader.open("HBOT-hooks")
    assert await connector._place_cancel("HBOT-hooks", order)
    assert trader.events.names("HBOT-hooks") == ["Created", "Cancelled"]
    await agree(trader)


# === cancelling


async def test_cancel_of_an_order_that_is_known_to_be_filled_asks_nothing(trader, calls, agree):
    """The order is done: there is nothing to cancel and nothing to tell."""
    order_id = send(trader, BUY, 1)
    await trader.done(order_id)

    assert await trader.connector._execute_cancel(PAIR, order_id) is None

    assert calls.count(CANCEL) == 0
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    await agree(trader)


@pytest.mark.parametrize("repeated", [1, 6])
async def test_cancel_that_loses_the_race_against_the_fill(
    trader, exchange, quote, agree, repeated
):
    """The fill comes first: the order completes, however often it was cancelled meanwhile."""
    order_id = send(trader, SELL, 2, "100.05")
    order = await trader.open(order_id)
    with (
        exchange.faults.delay_requests(0.1, CANCEL) as fault,
        exchange.faults.skip_frames("account.orderUpdate", times=None),
    ):
        cancels = [trader.connector._execute_cancel(PAIR, order_id) for _ in range(repeated)]
        tasks = asyncio.gather(*cancels)
        await fault.wait_hit()
        quote("Bid", "100.05", "2")
        assert await tasks == [None] * repeated
        await trader.done(order_id)

    assert order.is_filled
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    await agree(trader)


async def test_cancel_that_meets_a_partial_fill_keeps_it(
    little_patience, trader, exchange, quote, agree
):
    """The reply to the cancellation counts a fill that no event has told yet."""
    order_id = send(trader, SELL, 2, "100.05")
    order = await trader.open(order_id)
    with (
        exchange.faults.delay_requests(0.1, CANCEL) as fault,
        exchange.faults.skip_frames("account.orderUpdate", times=None),
    ):
        trader.connector.cancel(PAIR, order_id)
        await fault.wait_hit()
        quote("Bid", "100.05", "0.5")
        await trader.done(order_id)

    assert order.is_cancelled
    assert trader.events.names(order_id) == ["Created", "Filled", "Cancelled"]
    await agree(trader)


async def test_cancel_while_the_order_is_still_being_placed_never_fails_it(trader, exchange, agree):
    """The exchange does not know the order yet: that says nothing of an order on its way."""
    with exchange.faults.delay_requests(0.5, PLACE) as fault:
        order_id = send(trader, BUY, 1, "99.50")
        await fault.wait_hit()
        for _ in range(6):
            await trader.connector._execute_cancel(PAIR, order_id)
        assert order_id in trader.connector.in_flight_orders
        await trader.open(order_id)
    assert trader.events.names(order_id) == ["Created"]
    await agree(trader)

    trader.connector.cancel(PAIR, order_id)
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


async def test_cancel_all_cancels_every_order_and_says_so(trader, exchange, agree):
    """As Hummingbot does at `stop`."""
    order_ids = [send(trader, BUY, 1, f"99.{cents}") for cents in (50, 51, 52, 53)]
    for order_id in order_ids:
        await trader.open(order_id)

    results = await trader.connector.cancel_all(5)

    assert {result.order_id for result in results if result.success} == set(order_ids)
    assert len(results) == 4
    assert exchange.engine.open_orders("main") == []
    for order_id in order_ids:
        assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


# === several at once


def limit_order(side, price, quantity, pair=PAIR):
    base, quote_asset = pair.split("-")
    return LimitOrder(
        client_order_id="",
        trading_pair=pair,
        is_buy=side is BUY,
        base_currency=base,
        quote_currency=quote_asset,
        price=Decimal(price),
        quantity=Decimal(quantity),
    )


def market_order(side, amount, pair=PAIR):
    base, quote_asset = pair.split("-")
    return MarketOrder("", pair, side is BUY, base, quote_asset, Decimal(amount), 0)


async def test_batch_of_limit_and_market_orders_is_one_request(trader, calls, agree):
    """Each order of a batch lives its own life."""
    limit, market = trader.connector.batch_order_create(
        [limit_order(SELL, "100.05", 2), market_order(SELL, "1.5")]
    )
    await trader.open(limit.client_order_id)
    await trader.done(market.order_id)

    assert trader.events.names(limit.client_order_id) == ["Created"]
    assert trader.events.names(market.order_id) == ["Created", "Filled", "Completed"]
    assert (calls.count(PLACE_BATCH), calls.count(PLACE)) == (1, 0)
    await agree(trader)


async def test_batch_with_a_refused_order_places_the_others(trader, calls, agree):
    """One order lacks funds, one is impossible: both fail with the reason, the others rest."""
    orders = trader.connector.batch_order_create(
        [
            limit_order(BUY, "99.50", 1),
            limit_order(SELL, "100.50", 5000),
            limit_order(BUY, "99.60", "0.001"),
            limit_order(SELL, "100.60", 1),
        ]
    )
    first, poor, tiny, last = (order.client_order_id for order in orders)
    for order_id in (poor, tiny):
        await trader.done(order_id)
    for order_id in (first, last):
        await trader.open(order_id)
        assert trader.events.names(order_id) == ["Created"]

    assert "Insufficient funds" in trader.events.why_failed(poor)
    assert "Lower the amount" in trader.events.why_failed(poor)
    assert "minimum order size" in trader.events.why_failed(tiny)
    assert (calls.count(PLACE_BATCH), calls.count(PLACE)) == (1, 0)
    await agree(trader)


async def test_batch_refused_as_a_whole_places_each_order_alone(
    exchange, quote, start_trader, calls, agree
):
    """One order that can never be accepted refuses the whole batch; the others are placed."""
    quote("Bid", "99.90", "50")
    trader = await start_trader(exchange, trading_pairs=[PAIR, "PYTH-USDC"])
    good, bad = trader.connector.batch_order_create(
        [limit_order(BUY, "99.50", 1), limit_order(BUY, "0.0005", 100, "PYTH-USDC")]
    )
    await trader.done(bad.client_order_id)
    await trader.open(good.client_order_id)

    assert "below the minimum" in trader.events.why_failed(bad.client_order_id)
    assert trader.events.names(good.client_order_id) == ["Created"]
    assert (calls.count(PLACE_BATCH), calls.count(PLACE)) == (1, 2)
    await agree(trader)


async def test_batch_of_more_orders_than_one_request_takes_is_split(trader, calls, agree):
    """120 orders go as 50, 50 and 20; a batch cancels them all again."""
    orders = trader.connector.batch_order_create(
        [limit_order(BUY, Decimal(99) + Decimal(n) / 200, "0.1") for n in range(120)]
    )
    ids = [order.client_order_id for order in orders]
    assert len(set(ids)) == 120
    for order_id in ids:
        await trader.open(order_id)
    assert [call.body.count(b'"symbol"') for call in calls.of(PLACE_BATCH)] == [50, 50, 20]
    await agree(trader)

    trader.connector.batch_order_cancel(list(trader.connector.limit_orders))
    for order_id in ids:
        await trader.done(order_id)
        assert trader.events.names(order_id) == ["Created", "Cancelled"]
    await agree(trader)


async def test_twenty_orders_at_once_on_both_sides(trader, exchange, quote, agree):
    """Resting, filling and cancelling at the same time, nothing gets mixed up."""
    buys = [send(trader, BUY, 1, f"99.{91 + n % 9}") for n in range(10)]
    sells = [send(trader, SELL, 1, f"100.0{n}") for n in range(10)]
    for order_id in buys + sells:
        await trader.open(order_id)
    await agree(trader)

    quote("Ask", "99.91", "6.5")
    trader.connector.cancel(PAIR, sells[0])
    quote("Bid", "100.09", "3.25")
    for order_id in sells[5:]:
        trader.connector.cancel(PAIR, order_id)
    for order_id in (sells[0], *sells[5:]):
        await trader.done(order_id)

    await agree(trader)
    assert len(exchange.engine.fills("main")[0]) >= 10
