"""Everything at once, in an order that nobody thought of: at the end both sides tell the same."""

import asyncio
import random
from contextlib import ExitStack
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_web_utils
from hummingbot.connector.exchange.backpack.simulator.events import Refusal
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"
PLACE, CANCEL = "POST /api/v1/order", "DELETE /api/v1/order"
OPEN_ORDERS, CAPITAL = "GET /api/v1/orders", "GET /api/v1/capital"


class Chance:
    """Does one thing after another, as a dice says."""

    def __init__(self, seed, trader, exchange, place, faults):
        self.dice = random.Random(seed)
        self.trader = trader
        self.exchange = exchange
        self.place = place
        self.faults = faults
        self.placed = []

    def amount(self):
        return Decimal(self.dice.randrange(1, 300)) / 100

    def price(self):
        return Decimal(self.dice.randrange(9950, 10051)) / 100

    def trade(self):
        """The connector places an order of any kind."""
        connector = self.trader.connector
        order = self.dice.choice((connector.buy, connector.sell))
        kind = self.dice.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT_MAKER, None))
        if kind is None:
            self.placed.append(order(PAIR, self.amount(), OrderType.MARKET))
        else:
            self.placed.append(order(PAIR, self.amount(), kind, self.price()))

    def trade_several(self):
        wanted = [
            LimitOrder(
                "", PAIR, self.dice.random() < 0.5, "SOL", "USDC", self.price(), self.amount()
            )
            for _ in range(self.dice.randrange(1, 5))
        ]
        orders = self.trader.connector.batch_order_create(wanted)
        self.placed += [order.client_order_id for order in orders]

    def cancel(self):
        """Any order, also one that is done or on its way."""
        if self.placed:
            self.trader.connector.cancel(PAIR, self.dice.choice(self.placed))

    def others_trade(self):
        """Somebody else quotes or takes."""
        side = self.dice.choice(("Bid", "Ask"))
        price = self.dice.choice((None, str(self.price())))
        try:
            self.place("maker", side, price, self.amount())
        except Refusal:
            assert price is None  # nobody there to trade with

    def cancel_at_the_exchange(self):
        """The account's owner cancels by hand."""
        resting = self.exchange.engine.open_orders("main")
        if resting:
            order = self.dice.choice(resting)
            self.exchange.engine.cancel("main", SYMBOL, order_id=order.order_id)

    def break_something(self):
        """One of the next requests or frames goes wrong."""
        faults = self.exchange.faults
        fault = self.dice.choice(
            (
                lambda: faults.cut_after_execution(PLACE, times=1),
                lambda: faults.cut_before_arrival(PLACE, times=1),
                lambda: faults.server_error(PLACE, executed=True),
                lambda: faults.cut_after_execution(CANCEL, times=1),
                lambda: faults.server_error(CANCEL),
                lambda: faults.late_cancels(0.05, times=1),
                lambda: faults.delay_replies(0.1, PLACE, times=2),
                lambda: faults.delay_requests(0.1, CANCEL, times=2),
                lambda: faults.server_error(OPEN_ORDERS),
                lambda: faults.delay_replies(0.1, CAPITAL, times=1),
                lambda: faults.skip_frames("account.orderUpdate", times=2),
                lambda: faults.duplicate_frames("account.orderUpdate", times=2),
                lambda: faults.skip_frames("depth.SOL_USDC"),
            )
        )
        self.faults.enter_context(fault())

    def drop(self):
        self.exchange.faults.drop_websockets()

    async def act(self, times):
        actions = (
            [self.trade] * 6
            + [self.trade_several]
            + [self.cancel] * 4
            + [self.others_trade] * 6
            + [self.cancel_at_the_exchange]
            + [self.break_something] * 2
            + [self.drop]
        )
        for _ in range(times):
            self.dice.choice(actions)()
            await asyncio.sleep(self.dice.choice((0, 0, 0, 0.001, 0.01)))


@pytest.mark.parametrize("exchange_settings", [{"rate_limits": False}])
@pytest.mark.parametrize("seed", range(6))
async def test_random_trading_with_faults_ends_in_agreement(
    little_patience,
    quick_reconnects,
    monkeypatch,
    exchange,
    start_trader,
    place,
    agree,
    eventually,
    seed,
):
    """Orders, fills, cancels, batches, drops and faults; each event once, nothing lost."""
    monkeypatch.setattr(backpack_web_utils, "REQUEST_TIMEOUT_S", 0.5)
    exchange.engine.deposit("main", "USDC", Decimal(900_000))
    for cents in range(0, 50, 5):
        place("maker", "Bid", f"99.{49 - cents:02}", "200")
        place("maker", "Ask", f"100.{51 + cents:02}", "200")
    # The limits are not the subject here, and would stretch a few seconds to minutes.
    trader = await start_trader(exchange, rate_limits_share_pct=Decimal(100_000))
    connector = trader.connector
    with ExitStack() as faults:
        chance = Chance(seed, trader, exchange, place, faults)
        await chance.act(150)
    monkeypatch.setattr(connector, "LONG_POLL_INTERVAL", 1.0)
    await eventually(lambda: not connector._placing, 20)

    await agree(trader)
    assert connector._order_tracker.lost_orders == {}
    assert len(exchange.engine.order_history("main", limit=1000)[0]) > 40
    assert trader.events.order_ids() == set(chance.placed)
