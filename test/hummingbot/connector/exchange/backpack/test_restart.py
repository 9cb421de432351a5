"""A bot is stopped with open orders and started again: it takes up what the exchange holds."""

import json
from decimal import Decimal

import pytest

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

PAIR = "SOL-USDC"
CANCEL = "DELETE /api/v1/order"
PLACE = "POST /api/v1/order"


async def saved(trader):
    """Stop a connector and give its orders as Hummingbot's database keeps them."""
    await trader.stop()
    return json.loads(json.dumps(trader.connector.tracking_states))


async def resting(trader, price, amount=2):
    """Place a buy order and wait until it rests."""
    order_id = trader.connector.buy(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))
    order = await trader.open(order_id)
    return order_id, order.exchange_order_id


def cancel_at_the_exchange(exchange, exchange_order_id):
    exchange.engine.cancel("main", "SOL_USDC", order_id=int(exchange_order_id))


async def test_restart_does_not_count_known_fills_again(
    exchange, trader, quote, start_trader, agree, eventually
):
    """A part that was filled before the stop is not told again, the part after it is, once."""
    order_id, _ = await resting(trader, "99.95", amount=3)
    quote("Ask", "99.95", "1")
    order = trader.order(order_id)
    await eventually(lambda: order.current_state is OrderState.PARTIALLY_FILLED)
    states = await saved(trader)
    quote("Ask", "99.95", "0.5")

    restarted = await start_trader(exchange, restored=states)
    taken_up = restarted.order(order_id)
    await eventually(lambda: taken_up.executed_amount_base == Decimal("1.5"))
    await agree(trader, restarted)
    quote("Ask", "99.95", "1.5")
    await restarted.done(order_id)

    assert trader.events.names(order_id) == ["Created", "Filled"]
    assert restarted.events.names(order_id) == ["Filled", "Filled", "Completed"]
    assert taken_up.executed_amount_base == 3
    await agree(trader, restarted)


async def test_restart_with_many_filled_orders_spares_the_history_limit(
    exchange, trader, quote, start_trader, agree, calls
):
    """Ten orders filled meanwhile cost one request for their fills and not ten."""
    order_ids = [(await resting(trader, f"99.{90 + n}", 1))[0] for n in range(1, 10)]
    states = await saved(trader)
    quote("Ask", "99.91", "9")
    calls.all.clear()

    restarted = await start_trader(exchange, restored=states)
    for order_id in order_ids:
        await restarted.done(order_id)
        assert restarted.events.names(order_id) == ["Filled", "Completed"]

    assert calls.count("GET /wapi/v1/history/fills") <= 2
    assert calls.count("GET /wapi/v1/history/orders") <= 2
    await agree(trader, restarted)


async def test_restart_with_many_filled_orders_waits_for_their_fills(
    exchange, trader, quote, start_trader, agree, monkeypatch
):
    """No order ends before its fills are known, even if they cannot be asked at first."""
    order_ids = [(await resting(trader, f"99.{90 + n}", 1))[0] for n in range(1, 7)]
    states = await saved(trader)
    quote("Ask", "99.91", "6")

    with exchange.faults.server_error("GET /wapi/v1/history/fills", times=2) as fault:
        restarted = await start_trader(exchange, restored=states)
        monkeypatch.setattr(restarted.connector, "LONG_POLL_INTERVAL", 0.2)
        for order_id in order_ids:
            await restarted.done(order_id)
            assert restarted.events.names(order_id) == ["Filled", "Completed"]
        assert fault.hits == 2
    await agree(trader, restarted)


async def test_restart_takes_up_a_cancellation_that_was_under_way(
    exchange, trader, start_trader, agree, eventually
):
    """The bot stopped between the 202 and the end of the order."""
    order_id, exchange_order_id = await resting(trader, "99.50")
    with exchange.faults.late_cancels(60):
        trader.connector.cancel(PAIR, order_id)
        order = trader.order(order_id)
        await eventually(lambda: order.current_state is OrderState.PENDING_CANCEL)
        states = await saved(trader)
    cancel_at_the_exchange(exchange, exchange_order_id)

    restarted = await start_trader(exchange, restored=states)
    await restarted.done(order_id)

    assert restarted.events.names(order_id) == ["Cancelled"]
    await agree(trader, restarted)


async def test_restart_never_touches_orders_of_others(
    exchange, trader, place, start_trader, agree, calls
):
    """Another bot's and a hand-placed order of the same account rest through it all."""
    order_id, _ = await resting(trader, "99.50")
    by_hand = place("main", "Bid", "99.50", "2")
    other_bot = place("main", "Bid", "99.50", "2", client_id=77)
    states = await saved(trader)
    filled_of_other = place("main", "Bid", "99.98", "1", client_id=78)
    place("maker", "Ask", "99.98", "1")
    others = [order.order_id for order in (by_hand, other_bot, filled_of_other)]

    restarted = await start_trader(exchange, restored=states)
    assert set(restarted.connector.in_flight_orders) == {order_id}
    await agree(trader, restarted, others=others)
    results = await restarted.connector.cancel_all(5)

    assert [result.order_id for result in results if result.success] == [order_id]
    still_open = {order.order_id for order in exchange.engine.open_orders("main")}
    assert still_open == {by_hand.order_id, other_bot.order_id}
    assert restarted.events.order_ids() == {order_id}
    assert calls.count(CANCEL) == 1
    await agree(trader, restarted, others=others)


async def saved_before_the_reply(trader, exchange, fault):
    """Stop a connector that has sent an order but does not know its exchange id yet."""
    with exchange.faults.skip_frames("account.orderUpdate", times=None), fault as hit:
        order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
        await hit.wait_hit()
        states = await saved(trader)
    assert states[order_id]["exchange_order_id"] is None
    return order_id, states


async def test_restart_finds_an_order_without_exchange_id_by_its_client_id(
    exchange, trader, start_trader, agree
):
    """The bot died between sending the order and the reply: the order rests, and is adopted."""
    order_id, states = await saved_before_the_reply(
        trader, exchange, exchange.faults.accept_then_hang(PLACE)
    )

    restarted = await start_trader(exchange, restored=states)
    order = await restarted.open(order_id)

    assert order.current_state is OrderState.OPEN
    assert restarted.events.names(order_id) == ["Created"]
    await agree(restarted)
    await restarted.connector.cancel_all(5)
    assert restarted.events.names(order_id) == ["Created", "Cancelled"]
    await agree(restarted)


async def test_restart_finds_a_filled_order_without_exchange_id_in_the_history(
    exchange, trader, quote, start_trader, agree
):
    """As before, and the order filled before the bot came back."""
    order_id, states = await saved_before_the_reply(
        trader, exchange, exchange.faults.accept_then_hang(PLACE)
    )
    quote("Ask", "99.95", "2")

    restarted = await start_trader(exchange, restored=states)
    await restarted.done(order_id)

    assert restarted.events.names(order_id) == ["Created", "Filled", "Completed"]
    await agree(restarted)


async def test_restart_does_not_take_an_equal_order_of_another_bot_for_its_own(
    exchange, trader, place, start_trader, calls
):
    """An order of the same side, price and amount, but of another client id, stays a stranger."""
    order_id, states = await saved_before_the_reply(
        trader, exchange, exchange.faults.cut_before_arrival(PLACE)
    )
    other = place("main", "Bid", "99.95", "2", client_id=79)

    restarted = await start_trader(exchange, restored=states)
    await restarted.connector._update_order_status()
    assert calls.count("GET /wapi/v1/history/orders") >= 1

    order = restarted.order(order_id)
    assert order.exchange_order_id is None
    assert exchange.engine.is_open("main", other.order_id)


async def test_restart_gives_an_order_up_that_never_arrived(
    exchange, trader, start_trader, little_patience, monkeypatch
):
    """Neither open nor in the history, poll after poll: it has failed, and is told so once."""
    order_id, states = await saved_before_the_reply(
        trader, exchange, exchange.faults.cut_before_arrival(PLACE)
    )

    restarted = await start_trader(exchange, restored=states)
    monkeypatch.setattr(restarted.connector, "LONG_POLL_INTERVAL", 0.2)
    await restarted.done(order_id)

    assert restarted.events.names(order_id) == ["Failure"]
    assert exchange.engine.order_history("main")[1] == 0


@pytest.mark.parametrize("times", [1, 3])
async def test_restart_while_the_exchange_answers_with_errors_concludes_nothing(
    exchange, trader, quote, start_trader, agree, monkeypatch, times
):
    """5xx and 429 say nothing of an order, however often they come."""
    kept, _ = await resting(trader, "99.50")
    filled, _ = await resting(trader, "99.95")
    states = await saved(trader)
    quote("Ask", "99.95", "2")

    with (
        exchange.faults.server_error("GET /api/v1/orders", times=times) as first,
        exchange.faults.server_error("GET /wapi/v1/history/orders", times=times) as second,
        exchange.faults.server_error("GET /wapi/v1/history/fills", times=times) as third,
    ):
        restarted = await start_trader(exchange, restored=states)
        monkeypatch.setattr(restarted.connector, "SHORT_POLL_INTERVAL", 0.2)
        await restarted.done(filled)
        assert (first.hits, second.hits, third.hits) == (times, times, times)

    assert restarted.events.names(filled) == ["Filled", "Completed"]
    assert restarted.events.names(kept) == []
    await agree(trader, restarted)
