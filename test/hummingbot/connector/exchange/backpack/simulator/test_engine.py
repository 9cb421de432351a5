"""The matching engine, one command at a time."""

import itertools
from decimal import Decimal

import pytest

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
    BalanceEvent,
    BookTickerEvent,
    DepthEvent,
    OrderEvent,
    OrderEventKind,
    Refusal,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets

NOW_US = 1_788_368_290_062_979
SOL = Symbol("SOL_USDC")
BTC = Symbol("BTC_USDC")
PEPE = Symbol("PEPE_USDC")
BID, ASK = Side.BID, Side.ASK

WOULD_MATCH = "Order would immediately match and take"
NOT_FILLABLE = "Fill or kill order would not complete fill immediately"
OUT_OF_BAND = "Price is outside of the allowed price band"


class Floor:
    """An engine with three rich accounts and all its events, commanded in few words."""

    def __init__(self):
        self.engine = Engine(known_markets(), clock_us=lambda: NOW_US)
        for account_id in ("alice", "bob", "carol"):
            self.engine.open_account(
                account_id,
                {"USDC": Decimal(100_000), "SOL": Decimal(1_000)},
                maker_fee_bps=Decimal(8),
                taker_fee_bps=Decimal(10),
            )
        self.events = []
        self.engine.subscribe(self.events.append)

    def limit(self, account_id, side, price, quantity, symbol=SOL, **more):
        return self.engine.place(
            account_id,
            ExecuteOrder(
                symbol=symbol,
                side=side,
                order_type=OrderType.LIMIT,
                price=Decimal(price),
                quantity=Decimal(quantity),
                **more,
            ),
        )

    def market(self, account_id, side, quantity=None, quote=None, **more):
        return self.engine.place(
            account_id,
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=OrderType.MARKET,
                quantity=None if quantity is None else Decimal(quantity),
                quote_quantity=None if quote is None else Decimal(quote),
                **more,
            ),
        )

    def refused(self, command, *arguments, **more):
        """The text of the refusal, after checking that the refused command left no trace."""
        before = fingerprint(self.engine)
        seen = len(self.events)
        with pytest.raises(Refusal) as refusal:
            command(*arguments, **more)
        assert fingerprint(self.engine) == before
        assert len(self.events) == seen
        return refusal.value.message

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def updates(self, account_id):
        """Kinds and states of an account's order events."""
        return [
            (event.kind, event.order.status)
            for event in self.of(OrderEvent)
            if event.order.account_id == account_id
        ]

    def book(self, symbol=SOL):
        bids, asks, _ = self.engine.depth(symbol, 1000)
        return bids, asks


def fingerprint(value, seen=None):
    """Everything reachable from an object, as text: equal before and after means unchanged."""
    seen = seen or ()
    if id(value) in seen:
        return "..."
    seen = (*seen, id(value))
    if isinstance(value, dict):
        return {str(key): fingerprint(each, seen) for key, each in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return [fingerprint(each, seen) for each in value]
    names = [
        *getattr(value, "__dict__", {}),
        *(name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())),
    ]
    if names and type(value).__module__.startswith("hummingbot"):
        return {name: fingerprint(getattr(value, name), seen) for name in names}
    return repr(value)


@pytest.fixture
def floor():
    return Floor()


# --- Resting and cancelling -----------------------------------------------------------------------


def test_fingerprint_sees_every_kind_of_change(floor):
    """The tool of the refusal tests must not be blind."""
    prints = [fingerprint(floor.engine)]
    resting = floor.limit("alice", BID, "100", "1")
    prints.append(fingerprint(floor.engine))
    floor.engine.cancel("alice", SOL, order_id=resting.order_id)
    prints.append(fingerprint(floor.engine))
    floor.engine.deposit("alice", "USDC", Decimal(1))
    prints.append(fingerprint(floor.engine))

    assert all(one != other for one, other in itertools.pairwise(prints))


def test_resting_order_locks_funds_and_shows_in_the_book(floor):
    placed = floor.limit("alice", BID, "100.10", "2", client_id=5)

    assert placed.status is OrderStatus.NEW
    assert placed.created_at_us == NOW_US
    assert floor.engine.balances("alice")["USDC"] == (Decimal("99799.80"), Decimal("200.20"))
    assert floor.book() == ([(Decimal("100.10"), 2)], [])
    assert floor.engine.open_orders("alice") == [placed]
    assert floor.engine.open_order("alice", SOL, client_id=5) == placed
    assert floor.engine.is_open("alice", placed.order_id)


def test_place_and_cancel_events_come_in_the_recorded_order(floor):
    """ws_account_sequence_place_cancel: order, balance; order, balance; microseconds apart."""
    placed = floor.limit("alice", ASK, "100", "20", post_only=True)
    floor.engine.cancel("alice", SOL, order_id=placed.order_id)

    private = [event for event in floor.events if isinstance(event, (OrderEvent, BalanceEvent))]
    assert [type(event) for event in private] == [OrderEvent, BalanceEvent] * 2
    assert [event.time_us - NOW_US for event in private] == [0, 1, 3, 4]
    accepted, locked, cancelled, freed = private
    assert (accepted.kind, accepted.order.status) == (OrderEventKind.ACCEPTED, OrderStatus.NEW)
    assert (locked.asset, locked.available, locked.locked) == ("SOL", 980, 20)
    assert (cancelled.kind, cancelled.order.status) == (
        OrderEventKind.CANCELLED,
        OrderStatus.CANCELLED,
    )
    assert (freed.asset, freed.available, freed.locked) == ("SOL", 1000, 0)


def test_cancel_by_client_id_and_cancel_all_of_one_market(floor):
    floor.limit("alice", BID, "100", "1", client_id=1)
    second = floor.limit("alice", BID, "99", "1", client_id=2)
    other = floor.limit("alice", BID, "77000", "0.001", symbol=BTC)

    assert floor.engine.cancel("alice", SOL, client_id=1).status is OrderStatus.CANCELLED
    assert [o.order_id for o in floor.engine.cancel_all("alice", SOL)] == [second.order_id]
    assert floor.engine.cancel_all("alice", SOL) == []
    assert [o.order_id for o in floor.engine.open_orders("alice")] == [other.order_id]
    assert floor.engine.open_orders("alice", SOL) == []


@pytest.mark.parametrize("command", ["cancel", "open_order"])
def test_order_that_is_not_open_is_not_found(floor, command):
    gone = floor.limit("alice", BID, "100", "1", client_id=1)
    floor.engine.cancel("alice", SOL, order_id=gone.order_id)
    bobs = floor.limit("bob", BID, "100", "1", client_id=2)
    look_up = getattr(floor.engine, command)

    for ids in (
        {"order_id": gone.order_id},
        {"client_id": 1},
        {"order_id": bobs.order_id},
        {"client_id": 2},
    ):
        assert floor.refused(look_up, "alice", SOL, **ids) == "Not Found"
    assert floor.refused(look_up, "bob", BTC, order_id=bobs.order_id) == "Not Found"


def test_missing_order_answers_400_to_a_cancel_and_404_to_a_query(floor):
    with pytest.raises(Refusal) as cancelled:
        floor.engine.cancel("alice", SOL, order_id=1)
    with pytest.raises(Refusal) as asked:
        floor.engine.open_order("alice", SOL, order_id=1)

    assert (cancelled.value.status, cancelled.value.code) == (400, "RESOURCE_NOT_FOUND")
    assert (asked.value.status, asked.value.code) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("ids", [{}, {"order_id": 1, "client_id": 1}])
def test_exactly_one_id_names_an_order(floor, ids):
    text = "Must specify either `clientId` or `orderId`"
    assert floor.refused(floor.engine.cancel, "alice", SOL, **ids) == text
    assert floor.refused(floor.engine.open_order, "alice", SOL, **ids) == text


def test_unknown_symbol_is_plain_text_on_an_order_and_a_body_elsewhere(floor):
    unknown = Symbol("NO_SUCH")
    with pytest.raises(Refusal) as refusal:
        floor.limit("alice", BID, "1", "1", symbol=unknown)

    assert (refusal.value.status, refusal.value.code) == (400, None)
    assert 'failed to parse "MarketSymbol"' in refusal.value.message
    for command in (
        lambda: floor.engine.cancel("alice", unknown, order_id=1),
        lambda: floor.engine.cancel_all("alice", unknown),
        lambda: floor.engine.open_orders("alice", unknown),
        lambda: floor.engine.depth(unknown, 5),
    ):
        assert floor.refused(command) == "Invalid market symbol"


def test_returned_orders_are_copies(floor):
    placed = floor.limit("alice", BID, "100", "2")
    floor.limit("bob", ASK, "100", "1")

    assert placed.executed_quantity == 0
    event = floor.of(OrderEvent)[0]
    assert (event.order.order_id, event.order.executed_quantity) == (placed.order_id, 0)


# --- Matching -------------------------------------------------------------------------------------


def test_price_goes_before_time(floor):
    floor.limit("alice", ASK, "101", "1")
    floor.limit("bob", ASK, "100", "1")
    floor.limit("alice", ASK, "100", "1")

    floor.limit("carol", BID, "101", "3")

    makers = [fill for fill in floor.of(OrderEvent) if fill.fill and fill.fill.is_maker]
    assert [(f.order.account_id, f.fill.price) for f in makers] == [
        ("bob", 100),
        ("alice", 100),
        ("alice", 101),
    ]


def test_taker_trades_at_the_makers_price_and_keeps_the_difference(floor):
    floor.limit("alice", ASK, "99", "1")

    taker = floor.limit("bob", BID, "100", "1")

    assert taker.status is OrderStatus.FILLED
    assert taker.executed_quote_quantity == 99
    assert floor.engine.balances("bob")["USDC"] == (Decimal(100_000 - 99), 0)
    assert floor.engine.balances("bob")["SOL"] == (Decimal("1000.999"), 0)
    assert floor.engine.balances("alice")["USDC"] == (Decimal("100098.9208"), 0)
    assert floor.engine.collected_fees == {"SOL": Decimal("0.001"), "USDC": Decimal("0.0792")}


def test_rebate_of_a_maker_is_paid_from_the_collected_fees():
    engine = Engine(known_markets(), clock_us=lambda: NOW_US)
    for account_id in ("maker", "taker"):
        engine.open_account(
            account_id,
            {"USDC": Decimal(1000), "SOL": Decimal(10)},
            maker_fee_bps=Decimal(-2),
            taker_fee_bps=Decimal(10),
        )
    engine.place("maker", _limit(ASK, "100", "1"))
    engine.place("taker", _limit(BID, "100", "1"))

    assert engine.balances("maker")["USDC"] == (Decimal("1100.02"), 0)
    assert engine.collected_fees["USDC"] == Decimal("-0.02")
    assert engine.fees_bps("maker") == (-2, 10)


def _limit(side, price, quantity):
    return ExecuteOrder(
        symbol=SOL,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
    )


def test_partial_fill_rests_with_the_remainder(floor):
    floor.limit("alice", ASK, "100", "1")

    taker = floor.limit("bob", BID, "100", "3")

    assert taker.status is OrderStatus.PARTIALLY_FILLED
    assert floor.book() == ([(Decimal(100), 2)], [])
    assert floor.engine.balances("bob")["USDC"] == (99_700, 200)
    cancelled = floor.engine.cancel("bob", SOL, order_id=taker.order_id)
    assert cancelled.executed_quantity == 1
    assert floor.engine.balances("bob")["USDC"] == (99_900, 0)


def test_events_of_a_trade(floor):
    resting = floor.limit("alice", ASK, "100", "3")
    floor.events.clear()

    taken = floor.market("bob", BID, quantity="1")

    assert [type(event).__name__ for event in floor.events] == [
        "OrderEvent",  # the taker is accepted
        "OrderEvent",  # the maker's fill and what it changed
        "BalanceEvent",
        "BalanceEvent",
        "OrderEvent",  # the taker's fill and what it changed
        "BalanceEvent",
        "BalanceEvent",
        "TradeEvent",
        "DepthEvent",
        "BookTickerEvent",
    ]
    accepted, made, *_ = floor.events
    got = floor.events[4]
    assert (accepted.kind, accepted.order.status) == (OrderEventKind.ACCEPTED, OrderStatus.NEW)
    assert (made.kind, made.order.status) == (OrderEventKind.FILL, OrderStatus.PARTIALLY_FILLED)
    assert (got.kind, got.order.status) == (OrderEventKind.FILL, OrderStatus.FILLED)
    assert got.fill.trade_id == made.fill.trade_id == floor.of(TradeEvent)[0].trade_id
    assert (got.fill.fee, got.fill.fee_symbol, got.fill.is_maker) == (
        Decimal("0.001"),
        "SOL",
        False,
    )
    assert (made.fill.fee, made.fill.fee_symbol, made.fill.is_maker) == (
        Decimal("0.08"),
        "USDC",
        True,
    )
    times = [event.time_us for event in floor.events[:-1]]
    assert times == sorted(set(times))
    assert times[-1] - times[0] < 20, "microseconds apart"
    trade = floor.of(TradeEvent)[0]
    assert (trade.buyer_order_id, trade.seller_order_id, trade.is_buyer_maker) == (
        taken.order_id,
        resting.order_id,
        False,
    )


def test_order_ids_have_eleven_digits_and_increase_and_trade_ids_count_per_market(floor):
    first = floor.limit("alice", ASK, "100", "1")
    second = floor.limit("bob", BID, "100", "1")
    floor.engine.deposit("alice", "BTC", Decimal(1))
    floor.limit("alice", ASK, "77000", "0.001", symbol=BTC)
    floor.limit("bob", BID, "77000", "0.001", symbol=BTC)

    assert len(str(first.order_id)) == 11
    assert second.order_id > first.order_id
    trades = floor.of(TradeEvent)
    assert [trade.symbol for trade in trades] == [SOL, BTC]
    assert trades[0].trade_id == trades[1].trade_id


def test_clock_that_stands_still_or_goes_back_does_not_turn_time_back():
    times = iter([1000, 1000, 500, 500, 500, 500])
    engine = Engine(known_markets(), clock_us=lambda: next(times))
    engine.open_account(
        "a", {"USDC": Decimal(500)}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0)
    )
    seen = []
    engine.subscribe(lambda event: seen.append(event.time_us))

    engine.place("a", _limit(BID, "100", "1"))
    engine.place("a", _limit(BID, "100", "1"))

    # Only the touch shares the time of the depth event that moved it.
    assert seen == [1000, 1001, 1002, 1002, 1003, 1004, 1005, 1005]


def test_immediate_or_cancel_expires_with_the_executed_part(floor):
    floor.limit("alice", ASK, "100", "1")

    taker = floor.limit("bob", BID, "100", "3", time_in_force=TimeInForce.IOC)

    assert taker.status is OrderStatus.EXPIRED
    assert taker.expiry_reason == "ImmediateOrCancel"
    assert taker.executed_quantity == 1
    assert floor.book() == ([], [])
    assert floor.engine.balances("bob")["USDC"] == (99_900, 0)
    assert floor.updates("bob") == [
        (OrderEventKind.ACCEPTED, OrderStatus.NEW),
        (OrderEventKind.FILL, OrderStatus.PARTIALLY_FILLED),
        (OrderEventKind.EXPIRED, OrderStatus.EXPIRED),
    ]


def test_immediate_or_cancel_that_meets_nobody_expires_untouched(floor):
    taker = floor.limit("bob", BID, "100", "3", time_in_force=TimeInForce.IOC)

    assert (taker.status, taker.executed_quantity) == (OrderStatus.EXPIRED, 0)
    assert floor.of(DepthEvent) == []


def test_fill_or_kill_fills_all_or_is_refused(floor):
    floor.limit("alice", ASK, "100", "1")
    floor.limit("alice", ASK, "101", "1")

    for price, quantity in (("100", "1.01"), ("101", "2.01")):
        text = floor.refused(
            floor.limit, "bob", BID, price, quantity, time_in_force=TimeInForce.FOK
        )
        assert text == NOT_FILLABLE
    taker = floor.limit("bob", BID, "101", "2", time_in_force=TimeInForce.FOK)

    assert (taker.status, taker.executed_quantity) == (OrderStatus.FILLED, 2)


def test_post_only_rests_or_is_refused(floor):
    floor.limit("alice", ASK, "100", "1")

    assert floor.refused(floor.limit, "bob", BID, "100", "1", post_only=True) == WOULD_MATCH
    assert floor.limit("bob", BID, "99.99", "1", post_only=True).status is OrderStatus.NEW


def test_client_id_is_unique_among_open_orders_of_the_account(floor):
    floor.limit("alice", BID, "100", "1", client_id=123456739)

    text = floor.refused(
        floor.limit, "alice", BID, "77000", "0.001", symbol=BTC, client_id=123456739
    )
    assert text == "Order with client ID already exists: 123456739"

    floor.limit("bob", BID, "100", "1", client_id=123456739)
    floor.engine.cancel("alice", SOL, client_id=123456739)
    again = floor.limit("alice", BID, "100", "1", client_id=123456739)
    assert again.status is OrderStatus.NEW


@pytest.mark.parametrize(
    ("side", "price", "quantity"), [(BID, "100", "1000.01"), (ASK, "100", "1000.01")]
)
def test_order_beyond_the_free_funds_is_refused(floor, side, price, quantity):
    text = floor.refused(floor.limit, "alice", side, price, quantity)

    assert text == "Insufficient funds"
    assert floor.limit("alice", side, price, "1000").status is OrderStatus.NEW
    assert floor.refused(floor.limit, "alice", side, price, "0.01") == "Insufficient funds"


def test_market_order_beyond_the_free_funds_is_refused(floor):
    floor.engine.deposit("alice", "SOL", Decimal(10_000))
    floor.limit("alice", ASK, "100", "5000")
    floor.limit("alice", BID, "99", "1000")

    assert floor.refused(floor.market, "bob", BID, quantity="1000.01") == "Insufficient funds"
    assert floor.refused(floor.market, "bob", BID, quote="100001") == "Insufficient funds"
    assert floor.refused(floor.market, "bob", ASK, quantity="1000.01") == "Insufficient funds"
    assert floor.market("bob", BID, quote="100000").executed_quote_quantity == 100_000


# --- Market orders --------------------------------------------------------------------------------


def test_market_order_reports_its_cost_rounded_up_to_the_tick(floor):
    """Recorded: quoteQuantity 4.43 where 4.42506 was paid."""
    floor.limit("alice", ASK, "100.01", "3")

    taken = floor.market("bob", BID, quantity="0.33")

    assert taken.status is OrderStatus.FILLED
    assert taken.executed_quote_quantity == Decimal("33.0033")
    assert taken.quote_quantity == Decimal("33.01")
    assert taken.price is None


def test_market_order_by_quote_amount_comes_close_and_never_spends_more(floor):
    floor.limit("alice", ASK, "100", "1")
    floor.limit("alice", ASK, "100.70", "5")

    taken = floor.market("bob", BID, quote="250")

    # 100 for the first, then 1.48 whole steps for 149.036 out of 150.
    assert taken.status is OrderStatus.FILLED
    assert taken.executed_quantity == taken.quantity == Decimal("2.48")
    assert taken.executed_quote_quantity == Decimal("249.036")
    assert taken.quote_quantity == 250


def test_market_sell_by_quote_amount(floor):
    floor.limit("alice", BID, "100", "1")
    floor.limit("alice", BID, "99.50", "5")

    taken = floor.market("bob", ASK, quote="150")

    assert taken.status is OrderStatus.FILLED
    assert taken.executed_quantity == Decimal("1.50")
    assert taken.executed_quote_quantity == Decimal("149.75")


def test_quote_amount_below_the_least_quantity_is_refused(floor):
    floor.limit("alice", ASK, "100", "1")

    text = floor.refused(floor.market, "bob", BID, quote="0.99")
    assert text == "Quantity is below the minimum allowed value"


def test_market_order_without_liquidity_is_refused(floor):
    floor.limit("alice", ASK, "100", "1")

    text = floor.refused(floor.market, "bob", ASK, quantity="1")
    assert text == "No liquidity for market order"


@pytest.mark.parametrize(("amount", "asked"), [("quantity", "5"), ("quote", "500")])
def test_market_order_stops_at_the_impact_band(floor, amount, asked):
    """1.01 on SOL_USDC: 101 is within, 101.01 is not."""
    for price in ("100", "101", "101.01"):
        floor.limit("alice", ASK, price, "1")

    taken = floor.market("bob", BID, **{amount: asked})

    assert taken.status is OrderStatus.EXPIRED
    assert taken.expiry_reason == "PriceImpact"
    assert (taken.executed_quantity, taken.executed_quote_quantity) == (2, 201)
    assert taken.executed_quantity < taken.quantity
    assert floor.book() == ([], [(Decimal("101.01"), 1)])


def test_market_sell_stops_at_the_impact_band(floor):
    for price in ("100", "99", "98.99"):
        floor.limit("alice", BID, price, "1")

    taken = floor.market("bob", ASK, quantity="5")

    assert (taken.expiry_reason, taken.executed_quote_quantity) == ("PriceImpact", 199)


def test_market_order_that_empties_the_other_side_expires(floor):
    floor.limit("alice", ASK, "100", "1")

    taken = floor.market("bob", BID, quantity="5")

    assert (taken.status, taken.expiry_reason) == (OrderStatus.EXPIRED, "InsufficientLiquidity")
    assert taken.executed_quantity == 1
    assert [kind for kind, _ in floor.updates("bob")] == [
        OrderEventKind.ACCEPTED,
        OrderEventKind.FILL,
        OrderEventKind.EXPIRED,
    ]


def test_market_fill_or_kill_counts_what_the_impact_band_lets_it_reach(floor):
    floor.limit("alice", ASK, "100", "1")
    floor.limit("alice", ASK, "102", "1")

    text = floor.refused(floor.market, "bob", BID, quantity="2", time_in_force=TimeInForce.FOK)
    assert text == NOT_FILLABLE


# --- Self-trade prevention ------------------------------------------------------------------------


@pytest.fixture
def own_order_in_the_way(floor):
    """Asks: bob 1 at 99, alice 1 at 100, carol 1 at 101."""
    floor.limit("bob", ASK, "99", "1")
    own = floor.limit("alice", ASK, "100", "1")
    floor.limit("carol", ASK, "101", "1")
    return own


def take_three(floor, prevention, **more):
    return floor.limit("alice", BID, "101", "3", self_trade_prevention=prevention, **more)


def test_reject_taker_stops_the_incoming_order(floor, own_order_in_the_way):
    taker = take_three(floor, SelfTradePrevention.REJECT_TAKER)

    assert (taker.status, taker.expiry_reason) == (OrderStatus.EXPIRED, "SelfTradePrevention")
    assert taker.executed_quantity == 1
    assert floor.engine.is_open("alice", own_order_in_the_way.order_id)
    assert floor.book()[0] == []


def test_reject_taker_is_the_default(floor, own_order_in_the_way):
    taker = floor.limit("alice", BID, "101", "3")

    assert taker.expiry_reason == "SelfTradePrevention"
    assert floor.engine.is_open("alice", own_order_in_the_way.order_id)


def test_reject_maker_ends_the_resting_order_and_goes_on(floor, own_order_in_the_way):
    taker = take_three(floor, SelfTradePrevention.REJECT_MAKER)

    assert (taker.status, taker.executed_quantity) == (OrderStatus.PARTIALLY_FILLED, 2)
    ended = floor.engine.order_history("alice", order_id=own_order_in_the_way.order_id)[0][0]
    assert (ended.status, ended.expiry_reason) == (OrderStatus.EXPIRED, "SelfTradePrevention")
    assert floor.engine.balances("alice")["SOL"][1] == 0, "what it locked is free"
    assert floor.book() == ([(Decimal(101), 1)], [])


def test_reject_both_ends_both(floor, own_order_in_the_way):
    taker = take_three(floor, SelfTradePrevention.REJECT_BOTH)

    assert (taker.expiry_reason, taker.executed_quantity) == ("SelfTradePrevention", 1)
    assert floor.engine.open_orders("alice") == []
    assert floor.book() == ([], [(Decimal(101), 1)])


def test_allow_trades_with_itself(floor, own_order_in_the_way):
    taker = take_three(floor, SelfTradePrevention.ALLOW)

    assert (taker.status, taker.executed_quantity) == (OrderStatus.FILLED, 3)
    sides = [fill.side for fill in floor.engine.fills("alice")[0]]
    assert sides.count(ASK) == 1
    assert sides.count(BID) == 3
    assert not floor.engine.is_open("alice", own_order_in_the_way.order_id)


@pytest.mark.parametrize(
    ("prevention", "fills"),
    [
        (SelfTradePrevention.REJECT_TAKER, False),
        (SelfTradePrevention.REJECT_MAKER, False),
        (SelfTradePrevention.REJECT_BOTH, False),
        (SelfTradePrevention.ALLOW, True),
    ],
)
def test_fill_or_kill_does_not_count_what_prevention_takes_away(
    floor, own_order_in_the_way, prevention, fills
):
    if fills:
        taker = take_three(floor, prevention, time_in_force=TimeInForce.FOK)
        assert taker.status is OrderStatus.FILLED
    else:
        text = floor.refused(take_three, floor, prevention, time_in_force=TimeInForce.FOK)
        assert text == NOT_FILLABLE


def test_market_order_against_own_orders_only(floor):
    floor.limit("alice", ASK, "100", "1")

    taker = floor.market("alice", BID, quantity="1")
    assert (taker.status, taker.expiry_reason) == (OrderStatus.EXPIRED, "SelfTradePrevention")

    text = floor.refused(
        floor.market,
        "alice",
        BID,
        quantity="1",
        self_trade_prevention=SelfTradePrevention.REJECT_MAKER,
    )
    assert text == "No liquidity for market order"


# --- Bands and states -----------------------------------------------------------------------------


def test_first_order_of_an_empty_market_has_no_bands(floor):
    assert floor.limit("alice", BID, "0.01", "1").status is OrderStatus.NEW


@pytest.mark.parametrize(("price", "accepted"), [("97", True), ("96.99", False)])
def test_mark_band_is_around_the_mid_price(floor, price, accepted):
    """0.97 to 1.03 on SOL_USDC, whatever the side."""
    floor.limit("alice", BID, "99", "1")
    floor.limit("alice", ASK, "101", "1")

    for side in (BID, ASK):
        kind = {"time_in_force": TimeInForce.IOC}
        if accepted:
            floor.limit("bob", side, price, "0.01", **kind)
        else:
            assert floor.refused(floor.limit, "bob", side, price, "0.01", **kind) == OUT_OF_BAND


def test_mark_band_falls_back_to_the_last_price(floor):
    floor.limit("alice", ASK, "100", "1")
    floor.limit("bob", BID, "100", "1")

    assert floor.refused(floor.limit, "alice", ASK, "103.01", "1") == OUT_OF_BAND
    assert floor.limit("alice", ASK, "103", "1").status is OrderStatus.NEW


def test_middle_of_a_touch_wider_than_the_band_is_no_mark_price(floor):
    floor.limit("alice", BID, "90", "1")
    floor.limit("alice", ASK, "110", "1")

    assert floor.limit("bob", BID, "90", "1").status is OrderStatus.NEW
    assert floor.limit("bob", ASK, "110", "1").status is OrderStatus.NEW


def test_liquidity_makes_the_market_and_is_not_bound_by_it(floor):
    floor.engine.open_account(
        "house", {}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0), unlimited=True
    )
    floor.limit("alice", BID, "99", "1")
    floor.limit("alice", ASK, "101", "1")

    assert floor.refused(floor.limit, "bob", BID, "50", "1") == OUT_OF_BAND
    assert floor.limit("house", BID, "50", "1").status is OrderStatus.NEW


def test_band_around_the_last_price(floor):
    """BP_USDC has no mark band, so only 0.25 and 2 times the last price bound it."""
    symbol = Symbol("BP_USDC")
    floor.engine.deposit("alice", "BP", Decimal(100))
    floor.limit("alice", ASK, "0.4", "1", symbol=symbol)
    floor.limit("bob", BID, "0.4", "1", symbol=symbol)

    assert floor.refused(floor.limit, "bob", BID, "0.09999", "1", symbol=symbol) == OUT_OF_BAND
    assert floor.refused(floor.limit, "bob", BID, "0.80001", "1", symbol=symbol) == OUT_OF_BAND
    assert floor.limit("bob", BID, "0.1", "1", symbol=symbol).status is OrderStatus.NEW


@pytest.mark.parametrize(
    ("state", "limit_order", "post_only", "market_order"),
    [
        (OrderBookState.OPEN, True, True, True),
        (OrderBookState.LIMIT_ONLY, True, True, False),
        (OrderBookState.POST_ONLY, False, True, False),
        (OrderBookState.CANCEL_ONLY, False, False, False),
        (OrderBookState.CLOSED, False, False, False),
    ],
)
def test_order_book_state_tells_what_is_accepted(
    floor, state, limit_order, post_only, market_order
):
    floor.limit("alice", BID, "99", "1")
    floor.limit("alice", ASK, "101", "1")
    floor.engine.set_order_book_state(SOL, state)
    assert floor.engine.markets[SOL].order_book_state is state

    commands = [
        (limit_order, lambda: floor.limit("bob", BID, "99", "1")),
        (post_only, lambda: floor.limit("bob", BID, "99", "1", post_only=True)),
        (market_order, lambda: floor.market("bob", BID, quantity="0.5")),
    ]
    for accepted, command in commands:
        if accepted:
            command()
        else:
            assert floor.refused(command)
    assert len(floor.engine.cancel_all("alice", SOL)) == 2, "cancelling always works"


def test_depth_of_a_closed_market_is_not_found(floor):
    floor.engine.set_order_book_state(SOL, OrderBookState.CLOSED)

    with pytest.raises(Refusal) as refusal:
        floor.engine.depth(SOL, 5)
    assert (refusal.value.status, refusal.value.code) == (404, "RESOURCE_NOT_FOUND")


def test_check_looks_at_the_rules_and_not_at_the_moment(floor):
    order = _limit(BID, "100", "999999")
    assert floor.engine.check("alice", order) is None, "funds are no matter of the rules"

    with pytest.raises(Refusal, match="Price decimal too long"):
        floor.engine.check("alice", _limit(BID, "100.001", "1"))
    with pytest.raises(KeyError):
        floor.engine.check("nobody", order)


# --- Market data ----------------------------------------------------------------------------------


def test_depth_event_for_each_changed_level_and_ticker_only_when_the_touch_moves(floor):
    floor.limit("alice", BID, "99", "1")
    floor.limit("alice", BID, "98", "1")
    floor.limit("bob", BID, "99", "2")

    levels = [(e.bids, e.asks) for e in floor.of(DepthEvent)]
    assert levels == [
        (((99, 1),), ()),
        (((98, 1),), ()),
        (((99, 3),), ()),
    ]
    tickers = floor.of(BookTickerEvent)
    assert [ticker.bid for ticker in tickers] == [(99, 1), (99, 3)]
    first_id = floor.of(DepthEvent)[0].last_update_id
    assert [t.last_update_id for t in tickers] == [first_id, first_id + 2]
    assert floor.engine.depth(SOL, 5)[2] == first_id + 2


def test_removed_level_has_a_padded_zero(floor):
    placed = floor.limit("alice", BID, "99", "1")
    floor.engine.cancel("alice", SOL, order_id=placed.order_id)

    assert str(floor.of(DepthEvent)[-1].bids[0][1]) == "0.00"
    assert floor.of(BookTickerEvent)[-1].bid is None


def test_update_ids_can_continue_a_recorded_stream(floor):
    floor.engine.set_next_update_id(SOL, 4330360995)
    floor.limit("alice", BID, "99", "1")

    event = floor.of(DepthEvent)[0]
    assert (event.first_update_id, event.last_update_id) == (4330360995, 4330360995)


def test_best_last_price_and_trades(floor):
    assert floor.engine.best(SOL) == (None, None)
    assert floor.engine.last_price(SOL) is None
    floor.limit("alice", ASK, "100", "3")
    floor.limit("alice", BID, "99", "3")
    for _ in range(3):
        floor.market("bob", BID, quantity="1")

    assert floor.engine.best(SOL) == (99, None)
    assert floor.engine.last_price(SOL) == 100
    ids = [trade.trade_id for trade in floor.engine.trades(SOL, 10)]
    assert ids == sorted(ids, reverse=True)
    assert [t.trade_id for t in floor.engine.trades(SOL, 1, offset=1)] == ids[1:2]


def test_public_trades_are_kept_up_to_a_bound(floor):
    floor.limit("alice", ASK, "100", "1000")
    for _ in range(2_005):
        floor.limit("bob", BID, "100", "0.01")

    trades = floor.engine.trades(SOL, 10_000)
    assert len(trades) == 2_000
    assert trades[0].trade_id - trades[-1].trade_id == 1_999


# --- Accounts and histories -----------------------------------------------------------------------


def test_history_has_open_and_finished_orders_newest_first(floor):
    first = floor.limit("alice", BID, "99", "1")
    second = floor.limit("alice", BID, "98", "1")
    third = floor.limit("alice", BID, "77000", "0.001", symbol=BTC)
    floor.engine.cancel("alice", SOL, order_id=first.order_id)

    rows, total = floor.engine.order_history("alice")
    assert [row.order_id for row in rows] == [third.order_id, second.order_id, first.order_id]
    assert total == 3
    assert rows[2].status is OrderStatus.CANCELLED
    rows, total = floor.engine.order_history("alice", symbol=SOL, ascending=True, limit=1)
    assert ([row.order_id for row in rows], total) == ([first.order_id], 2)
    assert floor.engine.order_history("alice", order_id=second.order_id)[1] == 1


def test_refused_orders_are_in_no_history(floor):
    floor.refused(floor.limit, "alice", BID, "100", "100000")

    assert floor.engine.order_history("alice") == ([], 0)


def test_fills_filter_by_order_symbol_and_inclusive_time():
    clock = iter(range(1_000_000, 10_000_000_000, 1_000_000))
    engine = Engine(known_markets(), clock_us=lambda: next(clock))
    for account_id in ("a", "b"):
        engine.open_account(
            account_id,
            {"USDC": Decimal(1000), "SOL": Decimal(10)},
            maker_fee_bps=Decimal(0),
            taker_fee_bps=Decimal(0),
        )
    makers = [engine.place("a", _limit(ASK, "100", "1")) for _ in range(3)]
    for _ in range(3):
        engine.place("b", _limit(BID, "100", "1"))

    fills, total = engine.fills("a", ascending=True)
    assert total == 3
    assert [fill.order_id for fill in fills] == [maker.order_id for maker in makers]
    first_ms, second_ms, third_ms = (fill.time_us // 1000 for fill in fills)
    assert engine.fills("a", from_ms=second_ms, to_ms=second_ms) == ([fills[1]], 1)
    assert engine.fills("a", from_ms=first_ms + 1)[1] == 2
    assert engine.fills("a", to_ms=third_ms - 1)[1] == 2
    assert engine.fills("a", order_id=makers[2].order_id) == ([fills[2]], 1)
    assert engine.fills("a", symbol=BTC) == ([], 0)
    assert engine.fills("a", limit=2, offset=2) == ([fills[0]], 3)


def test_deposit_and_withdrawal_send_the_balance(floor):
    floor.engine.deposit("alice", "USDC", Decimal(5))
    floor.engine.deposit("alice", "USDC", Decimal(-7))

    assert [event.available for event in floor.of(BalanceEvent)] == [100_005, 99_998]
    withdraw = floor.engine.deposit
    assert floor.refused(withdraw, "alice", "USDC", Decimal(-200_000)) == "Insufficient funds"


def test_account_id_is_unique(floor):
    with pytest.raises(ValueError, match="alice"):
        floor.engine.open_account("alice", {}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0))


def test_unlimited_account_trades_without_private_events_or_history(floor):
    floor.engine.open_account(
        "house", {}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0), unlimited=True
    )
    floor.limit("house", ASK, "100", "1000000")
    floor.limit("bob", BID, "100", "1")

    accounts = {e.order.account_id for e in floor.of(OrderEvent)}
    accounts |= {e.account_id for e in floor.of(BalanceEvent)}
    assert accounts == {"bob"}
    assert floor.engine.order_history("house") == ([], 0)
    assert floor.engine.fills("house") == ([], 0)
    assert len(floor.engine.open_orders("house")) == 1


# --- Sinks ----------------------------------------------------------------------------------------


def test_sink_may_give_commands_and_their_events_follow():
    floor = Floor()
    floor.limit("alice", ASK, "100", "1")

    def buy_back(event):
        if isinstance(event, TradeEvent) and event.price == 100:
            floor.limit("alice", ASK, "101", "1")

    floor.engine.subscribe(buy_back)
    later_sink = []
    floor.engine.subscribe(later_sink.append)
    seen = len(floor.events)
    floor.limit("bob", BID, "100", "1")

    assert later_sink == floor.events[seen:], "every sink sees the same order"
    kinds = [event.kind for event in floor.of(OrderEvent)]
    assert kinds == ["orderAccepted", "orderAccepted", "orderFill", "orderFill", "orderAccepted"]
    ids = [event.last_update_id for event in floor.of(DepthEvent)]
    assert ids == list(range(ids[0], ids[0] + 3))
    assert floor.book() == ([], [(Decimal(101), 1)])


def test_failing_sink_leaves_a_complete_command_and_loses_no_event():
    floor = Floor()
    floor.limit("alice", ASK, "100", "1")
    failures = iter([True])

    def fail_once(event):
        if isinstance(event, OrderEvent) and next(failures, False):
            msg = "a fault of the sink"
            raise RuntimeError(msg)

    floor.engine.subscribe(fail_once)
    with pytest.raises(RuntimeError):
        floor.limit("bob", BID, "100", "1")
    assert floor.book() == ([], [])
    assert floor.engine.balances("bob")["SOL"][0] == Decimal("1000.999")

    floor.engine.deposit("carol", "USDC", Decimal(1))
    assert len(floor.of(TradeEvent)) == 1
