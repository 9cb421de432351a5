"""One market that shows another one, fed by hand, and our orders in it."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.errors import SequenceGap
from hummingbot.connector.exchange.backpack.api.models import (
    Depth,
    DepthLevel,
    OrderStatus,
    OrderType,
    Side,
    Symbol,
)
from hummingbot.connector.exchange.backpack.api.streams import DepthDiff, PublicTrade
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    DepthEvent,
    Refusal,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.mirror import MirroredMarket
from hummingbot.connector.exchange.backpack.simulator.outside import HOUSE

SOL = Symbol("SOL_USDC")
MARKETS = [market for market in known_markets() if market.symbol == SOL]
BID, ASK = Side.BID, Side.ASK
FUNDS = {"USDC": Decimal(1_000_000), "SOL": Decimal(10_000)}


class Tape:
    """A source played by hand, the mirror it feeds, and two users of the mirror."""

    def __init__(self, bids=(("100", "100"),), asks=(("101", "100"),)):
        self.engine = Engine(MARKETS, clock_us=lambda: 0)
        for name in ("main", "other"):
            self.engine.open_account(
                name, FUNDS, maker_fee_bps=Decimal(8), taker_fee_bps=Decimal(10)
            )
        self.events = []
        self.engine.subscribe(self.events.append)
        self.market = MirroredMarket(self.engine.outside(SOL), SOL)
        self.time_us = 1_000_000
        self.last_id = 100
        self.trade_id = 500
        self.traded = self.offered = Decimal(0)
        self.load(bids, asks)

    def load(self, bids, asks):
        """A snapshot: (price, quantity) from low to high."""
        self.market.load(
            Depth(
                bids=levels(bids),
                asks=levels(asks),
                last_update_id=self.last_id,
                timestamp_us=self.time_us,
            )
        )

    def show(self, side, price, quantity, *, pause_us=1_000, skip=0):
        """One diff of one level."""
        self.time_us += pause_us
        self.last_id += 1 + skip
        changed = levels([(price, quantity)])
        before = self.market.shown(side).get(Decimal(price), Decimal(0))
        if Decimal(quantity).is_finite():
            self.offered += max(Decimal(0), Decimal(quantity) - before)
        self.market.on_diff(
            DepthDiff(
                event_time_us=self.time_us + 300,
                engine_time_us=self.time_us,
                symbol=SOL,
                first_update_id=self.last_id,
                last_update_id=self.last_id,
                bids=changed if side is BID else [],
                asks=changed if side is ASK else [],
            )
        )

    def trade(self, taker_side, price, quantity, *, pause_us=1_000):
        self.time_us += pause_us
        self.trade_id += 1
        self.traded += Decimal(quantity)
        self.repeat_trade(taker_side, price, quantity)

    def repeat_trade(self, taker_side, price, quantity):
        self.market.on_trade(
            PublicTrade(
                event_time_us=self.time_us + 300,
                engine_time_us=self.time_us,
                symbol=SOL,
                trade_id=self.trade_id,
                price=Decimal(price),
                quantity=Decimal(quantity),
                is_buyer_maker=taker_side is ASK,
            )
        )

    def place(self, side, price, quantity, *, account="main", **more):
        return self.engine.place(
            account,
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=OrderType.LIMIT,
                price=Decimal(price),
                quantity=Decimal(quantity),
                **more,
            ),
        )

    def take(self, side, quantity, account="main"):
        return self.engine.place(
            account,
            ExecuteOrder(
                symbol=SOL, side=side, order_type=OrderType.MARKET, quantity=Decimal(quantity)
            ),
        )

    def executed(self, order):
        rows = self.engine.order_history(order.account_id, order_id=order.order_id)[0]
        return rows[0].executed_quantity

    def book(self):
        bids, asks, _ = self.engine.depth(SOL, 1000)
        return {BID: dict(bids), ASK: dict(asks)}

    def outside(self):
        """What the mirror shows of others."""
        found = {BID: defaultdict(Decimal), ASK: defaultdict(Decimal)}
        for order in self.engine.open_orders(HOUSE):
            found[order.side][order.price] += order.quantity - order.executed_quantity
        return {side: dict(rows) for side, rows in found.items()}

    def source(self):
        return {side: self.market.shown(side) for side in Side}

    def trades(self):
        return [(e.price, e.quantity) for e in self.events if isinstance(e, TradeEvent)]


def levels(rows):
    return [DepthLevel(Decimal(price), Decimal(quantity)) for price, quantity in rows]


@pytest.fixture
def tape():
    """100 bid at 100, 100 offered at 101."""
    return Tape()


# --- books ----------------------------------------------------------------------------------------


def test_mirror_shows_what_the_source_shows(tape):
    tape.show(BID, "99.5", "7")
    tape.show(ASK, "101", "3")
    tape.show(ASK, "101.5", "8")
    tape.show(BID, "100", "0")

    assert (
        tape.outside()
        == tape.source()
        == {
            BID: {Decimal("99.5"): 7},
            ASK: {101: 3, Decimal("101.5"): 8},
        }
    )
    assert tape.market.last_update_id == tape.last_id


def test_each_frame_of_the_source_is_one_frame_of_the_mirror(tape):
    tape.events.clear()
    tape.show(BID, "99.5", "7")
    tape.trade(BID, "101", "4")
    tape.show(ASK, "101", "96")

    told = [e for e in tape.events if isinstance(e, DepthEvent | TradeEvent)]
    assert [type(event) for event in told] == [DepthEvent, TradeEvent, DepthEvent]
    assert tape.trades() == [(101, 4)]


def test_snapshot_replaces_what_was_there(tape):
    tape.market.lose()
    tape.load([("98", "1"), ("99", "2")], [("100", "3")])

    assert tape.outside() == tape.source() == {BID: {98: 1, 99: 2}, ASK: {100: 3}}


def test_gap_makes_the_market_blind_until_the_next_snapshot(tape):
    assert not tape.market.is_blind
    with pytest.raises(SequenceGap):
        tape.show(BID, "100", "50", skip=1)
    assert tape.market.is_blind
    tape.show(BID, "100", "40")

    tape.last_id -= 1
    tape.load([("100", "50")], [("101", "100")])

    assert not tape.market.is_blind
    assert tape.source()[BID] == {100: 40}, "the diff that came before the snapshot is contained"


@pytest.mark.parametrize("level", [("100", "-1"), ("-5", "1"), ("0", "1"), ("100", "NaN")])
def test_level_that_cannot_be_makes_the_market_blind(tape, level):
    with pytest.raises((ValueError, ArithmeticError)):
        tape.show(BID, *level)
    assert tape.market.is_blind


def test_snapshot_with_a_level_that_cannot_be_leaves_the_market_blind(tape):
    tape.market.lose()
    with pytest.raises((ValueError, ArithmeticError)):
        tape.load([("100", "NaN")], [])
    assert tape.market.is_blind
    tape.load([("99", "1")], [("101", "1")])
    assert tape.outside() == tape.source() == {BID: {99: 1}, ASK: {101: 1}}


def test_levels_that_the_source_crosses_are_out_of_date(tape):
    tape.show(ASK, "100", "5")
    assert tape.outside() == tape.source() == {BID: {}, ASK: {100: 5, 101: 100}}
    tape.show(BID, "101", "1")
    assert tape.outside() == tape.source() == {BID: {101: 1}, ASK: {}}


def test_blind_market_trades_nothing_and_takes_orders_that_rest(tape):
    mine = tape.place(BID, "100", "10")
    tape.market.lose()

    tape.trade(ASK, "90", "1000")
    with pytest.raises(Refusal, match="cannot be seen") as refused:
        tape.take(BID, "1")
    for order in (("101", "1", {}), ("100", "1", {"time_in_force": "IOC"})):
        with pytest.raises(Refusal, match="cannot be seen"):
            tape.place(BID, *order[:2], **order[2])
    assert (refused.value.status, refused.value.code) == (400, "TRADING_PAUSED")
    tape.place(BID, "99", "1", post_only=True)
    assert tape.executed(mine) == 0
    assert tape.trades() == []
    tape.engine.cancel("main", SOL, order_id=mine.order_id)

    tape.load([("100", "100")], [("101", "100")])
    assert tape.take(BID, "1").status is OrderStatus.FILLED


def test_market_that_was_never_seen_takes_no_order():
    engine = Engine(MARKETS, clock_us=lambda: 0)
    engine.open_account("main", FUNDS, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0))
    MirroredMarket(engine.outside(SOL), SOL)
    order = ExecuteOrder(
        symbol=SOL,
        side=BID,
        order_type=OrderType.LIMIT,
        price=Decimal(500),
        quantity=Decimal(1),
        post_only=True,
    )
    with pytest.raises(Refusal, match="cannot be seen"):
        engine.place("main", order)


# --- makers ---------------------------------------------------------------------------------------


def test_scripted_tape_fills_what_the_rule_says(tape):
    """10 behind 100; 60 trade, 30 are cancelled, 20 trade: 10 are left before us, so 10 fill us."""
    mine = tape.place(BID, "100", "10")
    tape.trade(ASK, "100", "60")
    tape.show(BID, "100", "40")
    tape.show(BID, "100", "10")
    assert tape.executed(mine) == 0
    assert tape.book()[BID] == {100: 20}

    tape.trade(ASK, "100", "20")

    assert tape.executed(mine) == 10
    assert tape.trades() == [(100, 60), (100, 10), (100, 10)]
    assert tape.engine.fills("main")[0][0].is_maker


def test_scripted_tape_with_others_behind_us(tape):
    """100 before and 50 behind us, 60 trade: 40 and 50; of 30 cancelled 13.33 were before us."""
    mine = tape.place(BID, "100", "10")
    tape.show(BID, "100", "150")
    tape.trade(ASK, "100", "60")
    tape.show(BID, "100", "90")
    tape.show(BID, "100", "60")
    tape.trade(ASK, "100", "26.66")
    assert tape.executed(mine) == 0
    tape.show(BID, "100", "33.34")

    tape.trade(ASK, "100", "4.01")
    assert tape.executed(mine) == 4, "0.01 stood before us"
    tape.show(BID, "100", "29.33")
    assert tape.outside() == tape.source()


def test_trade_through_fills_us_whatever_is_shown_before_us(tape):
    mine = tape.place(BID, "100", "10")
    better = tape.place(BID, "100.5", "5", account="other")
    tape.trade(ASK, "99.9", "12")

    assert (tape.executed(better), tape.executed(mine)) == (5, 7)
    assert tape.trades() == [(Decimal("100.5"), 5), (100, 7)]
    assert tape.outside()[BID] == {100: 100}, "the source will say what became of it"


def test_one_trade_fills_each_of_ours_in_its_place(tape):
    first = tape.place(BID, "100", "10")
    tape.show(BID, "100", "150")
    second = tape.place(BID, "100", "10", account="other")
    tape.trade(ASK, "100", "165")

    assert (tape.executed(first), tape.executed(second)) == (10, 5)
    assert sum(quantity for _, quantity in tape.trades()) == 165
    tape.show(BID, "100", "0")
    assert tape.outside()[BID] == {}


def test_what_we_took_of_a_trade_comes_off_the_back(tape):
    """At the source all 105 came from others; here 5 of them were ours."""
    mine = tape.place(BID, "100", "10")
    tape.show(BID, "100", "150")
    tape.trade(ASK, "100", "105")
    assert tape.outside()[BID] == {100: 50}
    tape.show(BID, "100", "45")

    assert tape.executed(mine) == 5
    assert tape.outside() == tape.source()
    tape.trade(ASK, "100", "5")
    assert tape.executed(mine) == 10


def test_trade_frame_that_comes_after_its_depth_frame_counts_once(tape):
    mine = tape.place(BID, "100", "10")
    tape.show(BID, "100", "40")
    tape.trade(ASK, "100", "60", pause_us=-200)
    tape.trade(ASK, "100", "40")
    assert tape.executed(mine) == 0
    tape.trade(ASK, "100", "3")
    assert tape.executed(mine) == 3


def test_repeated_trade_frame_counts_once(tape):
    mine = tape.place(BID, "100", "10")
    tape.trade(ASK, "100", "60")
    tape.repeat_trade(ASK, "100", "60")

    assert tape.executed(mine) == 0
    assert tape.trades() == [(100, 60)]


def test_levels_that_our_orders_have_left_are_not_remembered_for_ever(tape):
    for ticks in range(2_500):
        price = Decimal("97.50") + ticks % 200 * Decimal("0.01")
        mine = tape.place(BID, price, "1")
        tape.trade(ASK, price, "0.5")
        tape.engine.cancel("main", SOL, order_id=mine.order_id)
        tape.market._memories[BID, Decimal(ticks)] = next(iter(tape.market._memories.values()))
    assert len(tape.market._memories) <= 1_010


def test_order_between_a_trade_and_its_depth_frame_is_not_set_back(tape):
    """The level still shows the 60 that were traded; they leave before us."""
    tape.trade(ASK, "100", "60")
    mine = tape.place(BID, "100", "10")
    tape.show(BID, "100", "40")
    tape.trade(ASK, "100", "41")

    assert tape.executed(mine) == 1


def test_crossing_liquidity_fills_us_at_our_price_with_what_is_new_of_it(tape):
    mine = tape.place(BID, "100.5", "50")
    tape.show(ASK, "100.2", "30")
    assert tape.executed(mine) == 30
    tape.show(ASK, "100.2", "35")
    assert tape.executed(mine) == 35
    tape.show(ASK, "100.2", "20")
    tape.show(ASK, "100.2", "25")
    assert tape.executed(mine) == 40
    assert {price for price, _ in tape.trades()} == {Decimal("100.5")}

    tape.engine.cancel("main", SOL, order_id=mine.order_id)
    assert tape.book()[ASK] == {101: 100}
    tape.show(ASK, "100.2", "26")
    assert tape.book()[ASK] == {101: 100, Decimal("100.2"): 26}


def test_crossing_in_a_snapshot_fills_us_best_prices_first(tape):
    mine = tape.place(BID, "100.5", "50")
    tape.market.lose()
    tape.load([("99", "10")], [("100.1", "20"), ("100.3", "5"), ("100.4", "60"), ("102", "9")])

    assert tape.executed(mine) == 50
    assert tape.outside()[ASK] == {Decimal("100.4"): 35, 102: 9}


def test_cancellations_while_blind_count_as_cancellations(tape):
    mine = tape.place(BID, "100", "10")
    tape.show(BID, "100", "150")
    tape.market.lose()
    tape.load([("100", "75")], [("101", "100")])

    tape.trade(ASK, "100", "51")
    assert tape.executed(mine) == 1


def test_orders_from_before_the_first_sight_stand_behind_everybody():
    tape = Tape()
    mine = tape.place(BID, "100", "10")
    again = MirroredMarket(tape.engine.outside(SOL), SOL)
    tape.engine.set_level(SOL, BID, Decimal(100), Decimal(0))
    tape.market = again
    tape.load([("100", "100")], [("101", "100")])

    tape.trade(ASK, "100", "101")
    assert tape.executed(mine) == 1


# --- takers ---------------------------------------------------------------------------------------


def test_what_we_take_is_not_offered_again_until_the_source_shows_a_new_quantity(tape):
    taken = tape.take(BID, "40")
    assert taken.executed_quantity == 40
    assert tape.book()[ASK] == {101: 60}
    tape.show(ASK, "101", "100")
    assert tape.book()[ASK] == {101: 60}
    tape.market.lose()
    tape.load([("100", "100")], [("101", "100")])
    assert tape.book()[ASK] == {101: 60}, "a resynchronisation that shows the same is no news"

    tape.show(ASK, "101", "99")

    assert tape.book()[ASK] == {101: 99}


def test_market_order_stops_at_the_impact_band(tape):
    tape.show(ASK, "102", "5")
    tape.show(ASK, "103", "100")

    order = tape.take(BID, "150")

    assert order.executed_quantity == 105, "SOL_USDC: one per cent beyond the best price"
    assert order.status is OrderStatus.EXPIRED


# --- properties -----------------------------------------------------------------------------------

prices = st.integers(9_990, 10_010).map(lambda ticks: ticks * Decimal("0.01"))
sizes = st.integers(1, 3_000).map(lambda steps: steps * Decimal("0.01"))


class Source:
    """A small book with a real matching of its own, which tells what happened like the exchange."""

    def __init__(self, tape):
        self.tape = tape
        self.levels = {
            BID: {Decimal("99.95"): Decimal(10), Decimal("99.90"): Decimal(30)},
            ASK: {Decimal("100.05"): Decimal(10), Decimal("100.10"): Decimal(30)},
        }

    def set(self, side, price, quantity):
        """Somebody adds or cancels at a price; never crossing."""
        against = self.levels[ASK if side is BID else BID]
        if against and (price >= min(against) if side is BID else price <= max(against)):
            return
        if quantity:
            self.levels[side][price] = quantity
        elif self.levels[side].pop(price, None) is None:
            return
        self.tape.show(side, price, quantity)

    def take(self, taker_side, quantity, *, depth_first):
        """A taker eats from the best price on; whether its rest stays does not matter here."""
        side = BID if taker_side is ASK else ASK
        rows = self.levels[side]
        for price in sorted(rows, reverse=side is BID):
            if not quantity:
                break
            taken = min(quantity, rows[price])
            quantity -= taken
            rows[price] -= taken
            left = rows[price]
            if not left:
                del rows[price]
            if depth_first:
                self.tape.show(side, price, left)
                self.tape.trade(taker_side, price, taken, pause_us=-100)
                self.tape.time_us += 200
            else:
                self.tape.trade(taker_side, price, taken)
                self.tape.show(side, price, left)


commands = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(Side), prices, sizes | st.just(Decimal(0))),
    st.tuples(st.just("take"), st.sampled_from(Side), sizes, st.booleans()),
    st.tuples(
        st.just("place"), st.sampled_from(["main", "other"]), st.sampled_from(Side), prices, sizes
    ),
    st.tuples(st.just("market"), st.sampled_from(["main", "other"]), st.sampled_from(Side), sizes),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("blink")),
)


class Run:
    """A tape of random commands, watched."""

    def __init__(self):
        rows = [("99.90", "30"), ("99.95", "10")], [("100.05", "10"), ("100.10", "30")]
        self.tape = Tape(*rows)
        self.source = Source(self.tape)

    def between_ours(self):
        """Trades in which both sides are ours."""
        ours = {
            order.order_id
            for name in ("main", "other")
            for order in self.tape.engine.order_history(name, limit=1000)[0]
        }
        return [
            (event.price, event.quantity)
            for event in self.tape.events
            if isinstance(event, TradeEvent)
            and {event.buyer_order_id, event.seller_order_id} <= ours
        ]

    def step(self, command):
        name, *arguments = command
        tape = self.tape
        try:
            if name == "set":
                self.source.set(*arguments)
            elif name == "take":
                self.source.take(*arguments[:2], depth_first=arguments[2])
            elif name == "place":
                account, side, price, quantity = arguments
                tape.place(side, price, quantity, account=account)
            elif name == "market":
                account, side, quantity = arguments
                tape.take(side, quantity, account)
            elif name == "cancel":
                mine = tape.engine.open_orders("main")
                if mine:
                    order = mine[arguments[0] % len(mine)]
                    tape.engine.cancel("main", SOL, order_id=order.order_id)
            else:
                tape.market.lose()
                rows = self.source.levels
                tape.load(sorted(rows[BID].items()), sorted(rows[ASK].items()))
        except Refusal:
            pass


@settings(max_examples=150, deadline=None)
@given(st.lists(commands, max_size=40))
def test_mirror_equals_the_source_but_for_what_we_took(sequence):
    run = Run()
    touched = set()
    for command in sequence:
        seen = len(run.tape.events)
        run.step(command)
        for event in run.tape.events[seen:]:
            if isinstance(event, TradeEvent):
                touched.add(event.price)
        shown = run.source.levels
        assert run.tape.source() == shown
        for side, rows in run.tape.outside().items():
            for price in rows.keys() | shown[side].keys():
                mirrored, real = rows.get(price, 0), shown[side].get(price, 0)
                # Crossing liquidity trades at our price, not at its own.
                assert mirrored == real or (mirrored < real and touched)
        if not touched:
            assert run.tape.outside() == shown
        bid, ask = run.tape.engine.best(SOL)
        assert bid is None or ask is None or bid < ask


@settings(max_examples=150, deadline=None)
@given(st.lists(commands, max_size=40))
def test_money_is_conserved_and_limits_are_kept(sequence):
    run = Run()
    for command in sequence:
        run.step(command)
    engine = run.tape.engine
    for asset, funds in FUNDS.items():
        total = engine.collected_fees.get(asset, Decimal(0))
        for name in ("main", "other", HOUSE):
            total += sum(engine.balances(name).get(asset, (Decimal(0), Decimal(0))))
        assert total == 2 * funds
    passive = -sum(quantity for _, quantity in run.between_ours())
    for name in ("main", "other"):
        orders = {o.order_id: o for o in engine.order_history(name, limit=1000)[0]}
        filled = defaultdict(Decimal)
        for fill in engine.fills(name, limit=1000)[0]:
            order = orders[fill.order_id]
            filled[fill.order_id] += fill.quantity
            if order.price is not None:
                sign = 1 if order.side is BID else -1
                assert sign * fill.price <= sign * order.price
                assert not fill.is_maker or fill.price == order.price
            passive += fill.quantity if fill.is_maker else 0
        for order_id, quantity in filled.items():
            assert quantity == orders[order_id].executed_quantity <= orders[order_id].quantity
    assert passive <= run.tape.traded + run.tape.offered


@settings(max_examples=300, deadline=None)
@given(sequence=st.lists(commands, max_size=40))
def test_a_trade_fills_no_more_than_itself_and_nobody_before_his_turn(watch_fills, sequence):
    """Watched from outside: what each public trade of the source did to our orders."""
    run = Run()
    watch_fills(run.tape.engine, run.tape.market, ("main", "other"))
    for command in sequence:
        run.step(command)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 2_000),
    st.lists(
        st.tuples(st.sampled_from(["trade", "cancel", "add"]), st.integers(1, 4_000)), max_size=20
    ),
)
def test_one_order_is_filled_exactly_by_the_rule(size, events):
    """Against the rule for one order in its simplest form: quantity before and behind it."""
    step = Decimal("0.01")
    tape = Tape()
    mine = tape.place(BID, "100", size * step)
    ahead, behind, filled = 10_000, 0, 0
    for kind, wanted in events:
        steps = wanted if kind == "add" else min(wanted, ahead + behind)
        if kind == "add":
            behind += steps
            tape.show(BID, "100", (ahead + behind) * step)
        elif not steps:
            continue
        elif kind == "cancel":
            before = steps * ahead // (ahead + behind)
            ahead -= before
            behind -= steps - before
            tape.show(BID, "100", (ahead + behind) * step)
        else:
            tape.trade(ASK, "100", steps * step)
            reaches = max(0, steps - ahead)
            filled += min(reaches, size - filled)
            # At the source all of it came from others: first those before us, then those behind.
            behind -= max(0, steps - ahead)
            ahead = max(0, ahead - steps)
            tape.show(BID, "100", (ahead + behind) * step)
        assert tape.executed(mine) == filled * step
        assert tape.outside()[BID].get(100, 0) == (ahead + behind) * step
