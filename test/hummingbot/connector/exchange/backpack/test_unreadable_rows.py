"""Rows that this version cannot read: they end no order, and hide no other."""

import dataclasses
import logging
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack import backpack_constants
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
OPEN_ORDERS, HISTORY = "GET /api/v1/orders", "GET /wapi/v1/history/orders"
FILLS = "GET /wapi/v1/history/fills"
ORDER_EVENTS = "account.orderUpdate"


@pytest.fixture(autouse=True)
def quick_absence(monkeypatch):
    """Let every poll count as evidence."""
    monkeypatch.setattr(backpack_constants, "ABSENCE_PAUSE_S", 0.0)


@pytest.fixture
def rewrite(exchange):
    """Change rows of a reply: ``with rewrite(OPEN_ORDERS, lambda row: ...): ...``."""

    class Rewritten:
        def __init__(self, operation, change):
            self._operation, self._change = operation, change
            self.count = 0

        async def _around(self, call, proceed):
            reply = await proceed()
            if call.operation != self._operation:
                return reply
            self.count += 1
            rows = msgspec.json.decode(reply.body)
            for row in rows:
                self._change(row)
            return dataclasses.replace(reply, body=msgspec.json.encode(rows))

        def __enter__(self):
            exchange.faults.rest.append(self._around)
            return self

        def __exit__(self, *exc):
            exchange.faults.rest.remove(self._around)

    return Rewritten


def strange_status(order_id):
    """Give one order a state that nobody has heard of."""

    def change(row):
        if row["id"] == order_id:
            row["status"] = "Levitating"

    return change


async def resting(trader, price="99.50", amount=2):
    order_id = trader.connector.buy(PAIR, Decimal(amount), OrderType.LIMIT, Decimal(price))
    return await trader.open(order_id)


def errors(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


async def test_open_order_in_an_unknown_state_stays_and_others_are_reconciled(
    exchange, trader, rewrite, quote, agree, caplog
):
    """One strange row among the open orders, asked six times."""
    strange, other = await resting(trader), await resting(trader, "99.95")
    with (
        exchange.faults.skip_frames(ORDER_EVENTS, times=None),
        rewrite(OPEN_ORDERS, strange_status(strange.exchange_order_id)),
    ):
        quote("Ask", "99.95", "2")
        for _ in range(6):
            await trader.connector._update_order_status()
        assert strange.is_open
        assert other.is_filled
    assert len([e for e in errors(caplog) if "cannot be read" in e]) == 1
    await agree(trader)


async def test_ended_order_in_an_unknown_state_stays_until_its_row_can_be_read(
    exchange, trader, rewrite, agree
):
    """A strange row in the history is not absence."""
    strange, other = await resting(trader), await resting(trader, "99.60")
    with exchange.faults.skip_frames(ORDER_EVENTS, times=None):
        for order in (strange, other):
            exchange.engine.cancel("main", "SOL_USDC", order_id=int(order.exchange_order_id))
        with rewrite(HISTORY, strange_status(strange.exchange_order_id)):
            for _ in range(6):
                await trader.connector._update_order_status()
            assert strange.is_open
            assert other.is_cancelled
        await trader.connector._update_order_status()
    assert strange.is_cancelled
    await agree(trader)


async def test_row_without_a_name_may_speak_of_any_order(exchange, trader, rewrite, agree):
    """Nothing is concluded from absence while there is such a row."""
    order = await resting(trader)

    def forget_names(row):
        row["id"] = {"not": "an id"}

    with (
        exchange.faults.answer(200, "[]", HISTORY, times=None),
        rewrite(OPEN_ORDERS, forget_names),
    ):
        for _ in range(6):
            await trader.connector._update_order_status()
    assert order.is_open
    await agree(trader)


async def test_order_does_not_end_before_all_of_its_fills_can_be_read(
    exchange, trader, rewrite, quote, agree, caplog
):
    """The strange fill is missing from the sum, so the end waits."""
    order, other = await resting(trader, "99.95"), await resting(trader, "99.94")

    def strange_liquidity(row):
        if row["orderId"] == order.exchange_order_id:
            row["isMaker"] = "perhaps"

    with (
        exchange.faults.skip_frames(ORDER_EVENTS, times=None),
        rewrite(FILLS, strange_liquidity),
    ):
        quote("Ask", "99.94", "4")
        for _ in range(3):
            await trader.connector._update_order_status()
        assert not order.is_done
        assert other.is_filled
    await trader.connector._update_order_status()
    assert order.is_filled
    await agree(trader)


async def test_order_of_unknown_fate_is_not_given_up_over_a_row_that_cannot_be_read(
    exchange, trader, rewrite, little_patience, place, eventually, agree
):
    """It was accepted, filled at once, and its row in the history is strange for a while."""
    with (
        exchange.faults.skip_frames(ORDER_EVENTS, times=None),
        exchange.faults.cut_after_execution(PLACE),
        rewrite(HISTORY, lambda row: row.update(status="Levitating")) as _,
        exchange.faults.server_error(FILLS, times=None) as _,
    ):
        order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("100.20"))
        order = await eventually(lambda: trader.order(order_id))
        await eventually(lambda: exchange.engine.order_history("main")[1] == 1)
        await eventually(lambda: trader.connector.health.unknown_orders == 1)
        asked_s = trader.connector.current_timestamp
        await eventually(lambda: trader.connector.current_timestamp > asked_s + 3 * little_patience)
        assert order.is_open
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
    await agree(trader)


async def test_strange_row_of_another_order_does_not_keep_one_that_never_arrived(
    exchange, trader, place, rewrite, little_patience, quick_time_outs
):
    """It was placed by hand, long ago, and has no client id."""
    strange = place("main", "Bid", "99.00", "1")
    with (
        rewrite(HISTORY, strange_status(str(strange.order_id))),
        exchange.faults.cut_before_arrival(PLACE),
    ):
        order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
        await trader.done(order_id)
    assert trader.events.names(order_id) == ["Failure"]


async def test_strange_row_that_may_be_the_order_keeps_it_pending(
    exchange, trader, rewrite, eventually, little_patience, quick_time_outs
):
    """It arrived, and what the history tells of it cannot be read: that is no evidence."""

    def strange(row):
        row["status"] = "Levitating"

    with (
        exchange.faults.skip_frames(ORDER_EVENTS, times=None),
        exchange.faults.server_error(OPEN_ORDERS, times=None),
        rewrite(HISTORY, strange) as told,
        exchange.faults.cut_after_execution(PLACE),
    ):
        order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("100.10"))
        await eventually(lambda: told.count >= 3)
        assert trader.events.names(order_id) == []
    await trader.done(order_id)
    assert trader.events.names(order_id) == ["Created", "Filled", "Completed"]
