"""What must hold of the matching engine after any sequence of commands."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import (
    OrderBookState,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    ZERO,
    BalanceEvent,
    BookTickerEvent,
    DepthEvent,
    OrderEvent,
    Refusal,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.outside import HOUSE

SOL = Symbol("SOL_USDC")
MARKETS = [market for market in known_markets() if market.symbol == SOL]
BID, ASK = Side.BID, Side.ASK
ACCOUNTS = ("alice", "bob", "maker")
LIMITED = ("alice", "bob")

accounts = st.sampled_from(ACCOUNTS)
sides = st.sampled_from(Side)
# A narrow range of prices, so that orders meet; odd quantities, so that fills are partial.
prices = st.integers(9_900, 10_100).map(lambda ticks: ticks // 20 * 20 * Decimal("0.01"))
quantities = st.sampled_from(["0.01", "0.37", "1", "2.5", "40", "700"]).map(Decimal)

limit_orders = st.builds(
    ExecuteOrder,
    symbol=st.just(SOL),
    side=sides,
    order_type=st.just(OrderType.LIMIT),
    price=prices,
    quantity=quantities,
    time_in_force=st.sampled_from([None, None, *TimeInForce]),
    client_id=st.sampled_from([None, None, 1, 2]),
    self_trade_prevention=st.sampled_from(SelfTradePrevention),
) | st.builds(
    ExecuteOrder,
    symbol=st.just(SOL),
    side=sides,
    order_type=st.just(OrderType.LIMIT),
    price=prices,
    quantity=quantities,
    post_only=st.just(value=True),
)
market_orders = st.builds(
    ExecuteOrder,
    symbol=st.just(SOL),
    side=sides,
    order_type=st.just(OrderType.MARKET),
    quantity=quantities,
    self_trade_prevention=st.sampled_from(SelfTradePrevention),
) | st.builds(
    ExecuteOrder,
    symbol=st.just(SOL),
    side=sides,
    order_type=st.just(OrderType.MARKET),
    quote_quantity=st.decimals("0.5", 80_000, places=3),
    time_in_force=st.sampled_from([None, TimeInForce.FOK]),
)
commands = st.one_of(
    st.tuples(st.just("place"), accounts, limit_orders | limit_orders | market_orders),
    st.tuples(st.just("cancel"), accounts, st.integers(0, 5)),
    st.tuples(st.just("cancel_all"), st.sampled_from(LIMITED)),
    st.tuples(st.just("deposit"), st.sampled_from(LIMITED), st.integers(-500, 500).map(Decimal)),
    st.tuples(st.just("set_level"), sides, prices, st.sampled_from([ZERO, Decimal(1), Decimal(9)])),
    st.tuples(st.just("print_trade"), prices, quantities, sides),
    st.tuples(
        st.just("set_state"), st.sampled_from([OrderBookState.OPEN] * 4 + list(OrderBookState))
    ),
)
sequences = st.lists(commands, min_size=1, max_size=40)


class Exchange:
    """An engine, every event it sent, and a book rebuilt from depth events alone."""

    def __init__(self):
        clock = iter(range(1_000_000, 10**12, 1_000))
        self.engine = Engine(MARKETS, clock_us=lambda: next(clock))
        self.money = {"SOL": Decimal(2_000), "USDC": Decimal(200_000)}
        for account_id in LIMITED:
            self.engine.open_account(
                account_id,
                {"USDC": Decimal(100_000), "SOL": Decimal(1_000)},
                maker_fee_bps=Decimal("-1.5"),
                taker_fee_bps=Decimal(10),
            )
        self.engine.open_account(
            "maker", {}, maker_fee_bps=Decimal(8), taker_fee_bps=Decimal(9), unlimited=True
        )
        self.events = []
        self.rebuilt = {BID: {}, ASK: {}}
        self.engine.subscribe(self.listen)

    def listen(self, event):
        self.events.append(event)
        match event:
            case DepthEvent():
                for side, levels in ((BID, event.bids), (ASK, event.asks)):
                    for price, quantity in levels:
                        self.rebuilt[side][price] = quantity
                        if not quantity:
                            del self.rebuilt[side][price]
            case BookTickerEvent():
                bids, asks = self.rebuilt[BID], self.rebuilt[ASK]
                assert event.bid == (max(bids.items()) if bids else None)
                assert event.ask == (min(asks.items()) if asks else None)

    def run(self, command):
        """Give one command; whether it was accepted."""
        name, *arguments = command
        try:
            getattr(self, name)(*arguments)
        except Refusal:
            return False
        return True

    def place(self, account_id, order):
        self.engine.place(account_id, order)

    def cancel(self, account_id, number):
        orders = self.engine.open_orders(account_id)
        order_id = orders[number % len(orders)].order_id if orders else 12345
        self.engine.cancel(account_id, SOL, order_id=order_id)

    def cancel_all(self, account_id):
        self.engine.cancel_all(account_id, SOL)

    def deposit(self, account_id, quantity):
        self.engine.deposit(account_id, "USDC", quantity)
        self.money["USDC"] += quantity

    def set_level(self, side, price, quantity):
        self.engine.set_level(SOL, side, price, quantity)

    def print_trade(self, price, quantity, side):
        self.engine.print_trade(SOL, price, quantity, side)

    def set_state(self, state):
        self.engine.set_order_book_state(SOL, state)

    def resting(self):
        return [
            order
            for account_id in (*ACCOUNTS, HOUSE)
            for order in self.engine.open_orders(account_id)
        ]


def state_of(exchange):
    """All that can be seen of an exchange."""
    engine = exchange.engine
    return (
        {name: engine.balances(name) for name in (*ACCOUNTS, HOUSE)},
        exchange.resting(),
        {name: engine.order_history(name, limit=10**6) for name in ACCOUNTS},
        {name: engine.fills(name, limit=10**6) for name in ACCOUNTS},
        engine.collected_fees,
        engine.trades(SOL, 10**6),
        engine.last_price(SOL),
        len(exchange.events),
    )


@given(sequences)
def test_money_is_conserved_and_never_negative(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)

    total = defaultdict(Decimal, exchange.engine.collected_fees)
    for account_id in (*ACCOUNTS, HOUSE):
        for asset, (available, locked) in exchange.engine.balances(account_id).items():
            total[asset] += available + locked
            if account_id in LIMITED:
                assert available >= 0
                assert locked >= 0
    assert total == exchange.money


@given(sequences)
def test_locked_funds_equal_the_holds_of_open_orders(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)
        for account_id in LIMITED:
            held = {"USDC": ZERO, "SOL": ZERO}
            for order in exchange.engine.open_orders(account_id):
                left = order.quantity - order.executed_quantity
                if order.side is BID:
                    held["USDC"] += order.price * left
                else:
                    held["SOL"] += left
            balances = exchange.engine.balances(account_id)
            assert {asset: balances.get(asset, (0, 0))[1] for asset in held} == held


@given(sequences)
def test_book_is_never_crossed_and_is_the_sum_of_its_orders(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)
        bid, ask = exchange.engine.best(SOL)
        assert bid is None or ask is None or bid < ask
        sums = {BID: defaultdict(Decimal), ASK: defaultdict(Decimal)}
        for order in exchange.resting():
            sums[order.side][order.price] += order.quantity - order.executed_quantity
        assert exchange.rebuilt == sums


@given(sequences)
def test_depth_events_are_contiguous_and_rebuild_the_book(sequence):
    exchange = Exchange()
    first_id = exchange.engine.depth(SOL, 1)[2] + 1
    for command in sequence:
        exchange.run(command)
    exchange.set_state(OrderBookState.OPEN)

    bids, asks, last_id = exchange.engine.depth(SOL, 10**6)
    assert dict(bids) == exchange.rebuilt[BID]
    assert dict(asks) == exchange.rebuilt[ASK]
    assert bids == sorted(bids)
    assert asks == sorted(asks)
    diffs = [event for event in exchange.events if isinstance(event, DepthEvent)]
    assert [diff.first_update_id for diff in diffs] == list(range(first_id, last_id + 1))
    assert all(diff.first_update_id == diff.last_update_id for diff in diffs)
    assert all(len(diff.bids) + len(diff.asks) == 1 for diff in diffs)


@given(sequences)
def test_ticker_follows_each_change_of_the_touch_and_nothing_else(sequence):
    """`Exchange.listen` compares each with the rebuilt book; here, that none is missing."""
    exchange = Exchange()
    touches = []
    exchange.engine.subscribe(
        lambda event: (
            touches.append(
                (
                    max(exchange.rebuilt[BID].items(), default=None),
                    min(exchange.rebuilt[ASK].items(), default=None),
                )
            )
            if isinstance(event, DepthEvent)
            else None
        )
    )
    for command in sequence:
        exchange.run(command)

    changes = [
        touch
        for before, touch in zip([(None, None), *touches], touches, strict=False)
        if touch != before
    ]
    tickers = [event for event in exchange.events if isinstance(event, BookTickerEvent)]
    assert [(ticker.bid, ticker.ask) for ticker in tickers] == changes


@given(sequences)
def test_fills_add_up_to_the_orders(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)

    for account_id in LIMITED:
        fills = exchange.engine.fills(account_id, limit=10**6)[0]
        quantity, value = defaultdict(Decimal), defaultdict(Decimal)
        for fill in fills:
            quantity[fill.order_id] += fill.quantity
            value[fill.order_id] += fill.quantity * fill.price
        orders = exchange.engine.order_history(account_id, limit=10**6)[0]
        assert {fill.order_id for fill in fills} <= {order.order_id for order in orders}
        for order in orders:
            assert order.executed_quantity == quantity[order.order_id]
            assert order.executed_quote_quantity == value[order.order_id]
            assert order.executed_quantity <= order.quantity
            assert (order.status is OrderStatus.FILLED) == (
                order.executed_quantity == order.quantity
            )
            assert (order.status is OrderStatus.EXPIRED) == (order.expiry_reason is not None)
            is_open = exchange.engine.is_open(account_id, order.order_id)
            assert is_open is not order.status.is_terminal
            if order.quote_quantity is not None and order.side is BID:
                assert order.executed_quote_quantity <= order.quote_quantity


@given(sequences)
def test_private_events_lead_to_the_state_of_the_account(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)

    orders, balances = {}, {}
    for event in exchange.events:
        if isinstance(event, OrderEvent):
            orders[event.order.order_id] = event.order
            assert event.order.account_id in LIMITED
        elif isinstance(event, BalanceEvent):
            balances[event.account_id, event.asset] = (event.available, event.locked)
    for account_id in LIMITED:
        now = exchange.engine.balances(account_id)
        for (owner, asset), told in balances.items():
            if owner == account_id:
                assert told == now.get(asset, (0, 0))
        for order in exchange.engine.order_history(account_id, limit=10**6)[0]:
            assert orders[order.order_id] == order


@given(sequences)
def test_refused_command_changes_nothing(sequence):
    exchange = Exchange()
    for command in sequence:
        before = state_of(exchange)
        if not exchange.run(command):
            assert state_of(exchange) == before


@given(sequences)
def test_trades_keep_price_time_priority(sequence):
    """Makers of one taker come best price first, oldest first, and skip nobody but its own."""
    exchange = Exchange()
    for command in sequence:
        if command[0] not in {"place", "set_level"}:
            exchange.run(command)
            continue
        before = {order.order_id: order for order in exchange.resting()}
        seen = len(exchange.events)
        exchange.run(command)
        trades = [event for event in exchange.events[seen:] if isinstance(event, TradeEvent)]
        if not trades:
            continue
        bought = not trades[0].is_buyer_maker
        makers = [t.seller_order_id if bought else t.buyer_order_id for t in trades]
        taker = command[1] if command[0] == "place" else HOUSE
        side, sign = (ASK, 1) if bought else (BID, -1)
        ranked = sorted(
            (order for order in before.values() if order.side is side),
            key=lambda order: (sign * order.price, order.order_id),
        )
        queue = [o.order_id for o in ranked if o.account_id != taker or o.order_id in makers]
        assert makers == queue[: len(makers)]
        for trade, maker_id in zip(trades, makers, strict=True):
            left = before[maker_id].quantity - before[maker_id].executed_quantity
            assert trade.price == before[maker_id].price
            assert trade.quantity == left or maker_id == makers[-1]


@given(sequences)
def test_same_commands_give_the_same_events(sequence):
    first, second = Exchange(), Exchange()
    for command in sequence:
        first.run(command)
        second.run(command)

    assert first.events == second.events
    assert state_of(first) == state_of(second)


@given(sequences)
def test_time_of_events_strictly_increases(sequence):
    exchange = Exchange()
    for command in sequence:
        exchange.run(command)

    times = [event.time_us for event in exchange.events if not isinstance(event, BookTickerEvent)]
    assert times == sorted(set(times))


@settings(max_examples=200)
@given(st.lists(st.tuples(sides, prices, quantities), min_size=1, max_size=25))
def test_matching_equals_the_simplest_matching_there_is(orders):
    """Against a list that is sorted and scanned anew for every order."""
    engine = Engine(MARKETS, clock_us=lambda: 0)
    for account_id in ("one", "two"):
        engine.open_account(account_id, {}, maker_fee_bps=ZERO, taker_fee_bps=ZERO, unlimited=True)
    resting, expected = [], []
    for number, (side, price, quantity) in enumerate(orders):
        engine.place(
            ("one", "two")[number % 2],
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=OrderType.LIMIT,
                price=price,
                quantity=quantity,
                self_trade_prevention=SelfTradePrevention.ALLOW,
            ),
        )
        sign = 1 if side is BID else -1
        left = quantity
        resting.sort(key=lambda each: (sign * each["price"], each["number"]))
        for other in resting:
            if other["side"] is not side and sign * other["price"] <= sign * price and left:
                traded = min(left, other["left"])
                other["left"] -= traded
                left -= traded
                expected.append((other["price"], traded, side is ASK))
        resting = [each for each in resting if each["left"]]
        if left:
            resting.append({"side": side, "price": price, "left": left, "number": number})

    trades = reversed(engine.trades(SOL, 10**6))
    assert [(t.price, t.quantity, t.is_buyer_maker) for t in trades] == expected
