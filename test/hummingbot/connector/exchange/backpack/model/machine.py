"""A bot's life in any order that hypothesis likes, against the exchange's own truth."""

import asyncio
import json
import logging
from decimal import Decimal

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hummingbot.connector.exchange.backpack.api.models import Side
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.backpack_throttler import BackpackThrottler
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.market_order import MarketOrder

from .virtual_exchange import VirtualExchange
from .virtual_network import FATES_OF_READS, FATES_OF_WRITES, Fate, Network
from .virtual_time import VirtualLoop
from .witness import Witness

PAIR = "SOL-USDC"
_STEP_S = 0.02
_LONGEST_END_S = 600
_AFTERMATH_S = 70.0
_EXPIRY_REASONS = ("SelfTradePrevention", "PriceBand", "Liquidation")

prices = st.sampled_from([Decimal(99), Decimal("99.5"), Decimal(100), Decimal("100.5")])
amounts = st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(4)])
parts = st.sampled_from([Decimal("0.3"), Decimal(1), Decimal("2.5")])
sides = st.sampled_from([TradeType.BUY, TradeType.SELL])
limit_types = st.sampled_from(
    [(OrderType.LIMIT, None), (OrderType.LIMIT_MAKER, None), (OrderType.LIMIT, "IOC")]
)
which = st.integers(0, 5)
# Half of the writes are answered as on a good day.
write_fates = st.just(Fate.ANSWERED) | st.sampled_from(FATES_OF_WRITES)
waits_s = st.sampled_from([0.01, 0.3, 1.0, 3.0, 6.0, 11.0, 40.0])


class OrderStateMachine(RuleBasedStateMachine):
    """Every rule is one thing that happens; time passes a little after each."""

    def __init__(self, clock):
        super().__init__()
        clock.reset()
        BackpackThrottler._ledgers.clear()
        self.clock = clock
        self.exchange = VirtualExchange(clock)
        self.witness = Witness()
        logging.getLogger().addHandler(self.witness)
        self.loop = VirtualLoop(clock)
        self.network = Network(self.exchange, self.loop)
        Connections._sessions[self.loop] = self.network
        self._order_ids = []
        self.connector = None

    @initialize()
    def start(self):
        self._start({})
        self._pass(2.0)

    def _start(self, states):
        self.connector = self.loop.call(
            lambda: BackpackExchange(
                self.exchange.api_key, self.exchange.api_secret, trading_pairs=[PAIR]
            )
        )
        self.witness.watch(self.connector)
        self.connector.restore_tracking_states(states)
        self.connector._set_current_timestamp(self.clock.time())
        self.loop.run_until_complete(self.connector.start_network())
        self.loop.call(lambda: asyncio.ensure_future(self._tick(self.connector)))

    async def _tick(self, connector):
        while True:
            now_s = self.clock.time()
            connector._set_current_timestamp(now_s)
            connector.tick(now_s)
            await asyncio.sleep(1.0)

    def _pass(self, duration_s=_STEP_S):
        self.loop.advance(duration_s)
        # Not an invariant of hypothesis, which would fill the failing example with its name.
        assert not (problems := self._problems()), "\n".join(problems)

    def _problems(self):
        return [*self.network.violations, *self.witness.problems(self.exchange)]

    # === the strategy

    @rule(side=sides, kind=limit_types, price=prices, amount=amounts, fate=write_fates)
    def place_limit(self, side, kind, price, amount, fate):
        order_type, time_in_force = kind
        extra = {"time_in_force": time_in_force} if time_in_force else {}
        self._place(side, amount, order_type, price, fate, **extra)

    @rule(side=sides, amount=amounts, fate=write_fates)
    def place_market(self, side, amount, fate):
        self._place(side, amount, OrderType.MARKET, Decimal("NaN"), fate)

    def _place(self, side, amount, order_type, price, fate, **extra):
        self.network.fates["write"].append(fate)
        place = self.connector.buy if side is TradeType.BUY else self.connector.sell
        order_id = self.loop.call(lambda: place(PAIR, amount, order_type, price, **extra))
        self._order_ids.append(order_id)
        self._pass()

    @rule(
        orders=st.lists(st.tuples(sides, st.none() | prices, amounts), min_size=2, max_size=4),
        fate=write_fates,
    )
    def place_batch(self, orders, fate):
        self.network.fates["write"].append(fate)
        batch = [_batched(side, price, amount) for side, price, amount in orders]
        placed = self.loop.call(lambda: self.connector.batch_order_create(batch))
        self._order_ids += [_id_of(order) for order in placed]
        self._pass()

    @precondition(lambda self: self._order_ids)
    @rule(latest=which, fate=write_fates)
    def cancel(self, latest, fate):
        self.network.fates["write"].append(fate)
        order_id = self._order_ids[-1 - latest % len(self._order_ids)]
        self.loop.call(lambda: self.connector.cancel(PAIR, order_id))
        self._pass()

    @rule(timeout_s=st.sampled_from([1.0, 10.0]))
    def cancel_all(self, timeout_s):
        self.loop.call(lambda: asyncio.ensure_future(self.connector.cancel_all(timeout_s)))
        self._pass()

    @rule()
    def poll(self):
        self.loop.call(self.connector.request_reconciliation)
        self._pass()

    @rule(how_long_s=waits_s)
    def wait(self, how_long_s):
        self._pass(how_long_s)

    @rule(pause_s=st.sampled_from([0.0, 1.0, 20.0]), settled_s=st.sampled_from([_STEP_S, 2.0]))
    def restart(self, pause_s, settled_s):
        """The process ends; another one starts with what was saved."""
        states = json.loads(json.dumps(self.connector.tracking_states))
        self.loop.end()
        self.network.drop_sockets()
        self._pass(pause_s)
        self._start(states)
        self._pass(settled_s)

    # === the market and the account's owner

    @rule(side=st.sampled_from(Side), price=prices, amount=parts)
    def others_trade(self, side, price, amount):
        self.exchange.trade_of_others(side, price, amount)
        self._pass()

    @precondition(lambda self: self.exchange.ours_open())
    @rule(oldest=which, amounts=st.lists(parts, min_size=1, max_size=3))
    def others_trade_with_us(self, oldest, amounts):
        orders = self.exchange.ours_open()
        order = orders[oldest % len(orders)]
        for amount in amounts:
            self.exchange.trade_of_others(_opposite(order.side), order.price, amount)
        self._pass()

    @rule(side=st.sampled_from(Side), price=prices, amount=amounts, client_id=st.none() | which)
    def place_by_hand(self, side, price, amount, client_id):
        self.exchange.place_by_hand(side, price, amount, client_id)
        self._pass()

    @precondition(lambda self: any(request.client_ids for request in self.network.held))
    @rule(side=st.sampled_from(Side))
    def another_bot_takes_our_client_id(self, side):
        """By chance, while our order is on its way; what it places is another order."""
        placing = next(request for request in self.network.held if request.client_ids)
        price = Decimal(97) if side is Side.BID else Decimal(103)
        self.exchange.place_by_hand(side, price, Decimal(1), min(placing.client_ids))
        self._pass()

    @precondition(lambda self: self.exchange.ours_open())
    @rule(oldest=which)
    def cancel_by_hand(self, oldest):
        orders = self.exchange.ours_open()
        self.exchange.cancel_by_hand(orders[oldest % len(orders)])
        self._pass()

    @precondition(lambda self: self.exchange.ours_open())
    @rule(oldest=which, reason=st.sampled_from(_EXPIRY_REASONS))
    def exchange_expires(self, oldest, reason):
        orders = self.exchange.ours_open()
        self.exchange.expire(orders[oldest % len(orders)], reason)
        self._pass()

    # === the network

    @rule(fates=st.lists(st.sampled_from(FATES_OF_READS), min_size=1, max_size=4))
    def next_reads(self, fates):
        self.network.fates["read"].extend(fates)

    @precondition(lambda self: self.network.held)
    @rule(oldest=which)
    def held_request_arrives(self, oldest):
        self.network.arrive(self._held(oldest))
        self._pass()

    @precondition(lambda self: self.network.held)
    @rule(
        oldest=which,
        fate=st.sampled_from(FATES_OF_WRITES).filter(lambda fate: fate is not Fate.HELD),
    )
    def held_request_meets_its_fate(self, oldest, fate):
        request = self._held(oldest)
        self.network.held.remove(request)
        self.network.carry_out(request, fate)
        self._pass()

    def _held(self, oldest):
        return self.network.held[oldest % len(self.network.held)]

    @rule()
    def hold_events(self):
        self.network.holds_events = True

    @precondition(lambda self: self.network.late_events())
    @rule(oldest=which, copies=st.sampled_from([1, 1, 2]), keep=st.booleans())
    def deliver_event(self, oldest, copies, keep):
        """One of the events that are held back comes, perhaps twice, perhaps again later."""
        late = self.network.late_events()
        socket, frame = late[oldest % len(late)]
        if not keep:
            socket.late.remove(frame)
        for _ in range(copies):
            socket.deliver(frame)
        self._pass()

    @precondition(lambda self: self.network.holds_events)
    @rule()
    def release_events(self):
        self.network.release_events()
        self._pass()

    @rule(for_long=st.booleans())
    def drop_streams(self, for_long):
        self.network.refuses_sockets = for_long
        self.network.drop_sockets()
        self._pass()

    @precondition(lambda self: self.network.refuses_sockets)
    @rule()
    def allow_streams(self):
        self.network.refuses_sockets = False

    @precondition(lambda self: not self.network.is_down)
    @rule(how_long_s=waits_s)
    def network_goes_down(self, how_long_s):
        self.network.is_down = True
        self.network.drop_sockets()
        self.loop.call_later(how_long_s, self._network_comes_back)
        self._pass()

    def _network_comes_back(self):
        self.network.is_down = False

    # === the end

    def teardown(self):
        try:
            if self.connector is not None and not self._problems():
                self._end_well()
        finally:
            self.loop.end()
            self.loop.close()
            logging.getLogger().removeHandler(self.witness)

    def _end_well(self):
        """All is well again; in a while all agree, and after another while still do."""
        self.network.clear()
        for _ in range(0, _LONGEST_END_S, 10):
            self._pass(10.0)
            if not self._differences():
                break
        told = len(self.witness.events())
        self._pass(_AFTERMATH_S)
        assert not self._differences(), "\n".join(self._differences())
        assert len(self.witness.events()) == told, "events went on after all was told"
        note(f"{len(self._order_ids)} orders")

    def _differences(self):
        return [
            *self.witness.differences(self.exchange),
            *(f"still being placed: {order_id}" for order_id in self.connector._placing),
            *(
                f"never heard of again: {order_id}"
                for order_id in self._order_ids
                if not self.witness.names(order_id)
            ),
        ]


def _opposite(side):
    return Side.ASK if side is Side.BID else Side.BID


def _batched(side, price, amount):
    is_buy = side is TradeType.BUY
    if price is None:
        return MarketOrder("", PAIR, is_buy, "SOL", "USDC", amount, 0)
    return LimitOrder("", PAIR, is_buy, "SOL", "USDC", price, amount)


def _id_of(order):
    return order.client_order_id if isinstance(order, LimitOrder) else order.order_id
