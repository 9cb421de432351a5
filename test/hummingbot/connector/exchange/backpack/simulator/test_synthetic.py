"""The synthetic market: alive, sane, fair between markets, repeatable and cheap in memory."""

from collections import Counter
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import (
    MarketType,
    OrderBookState,
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    ZERO,
    BookTickerEvent,
    DepthEvent,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.liquidity import SyntheticLiquidity
from hummingbot.connector.exchange.backpack.simulator.markets import (
    known_markets,
    reference_price,
)

SOL, BTC = Symbol("SOL_USDC"), Symbol("BTC_USDC")
# A stable coin with a narrow band, tiny ticks with huge steps, coarse ticks, a market without band.
SYMBOLS = [SOL, BTC, *map(Symbol, ("USDT_USDC", "BONK_USDC", "PEPE_USDC", "BP_USDC", "JUP_USDC"))]
SPOT = [
    market.symbol
    for market in known_markets()
    if market.market_type is MarketType.SPOT and market.order_book_state is OrderBookState.OPEN
]


class World:
    """An engine with synthetic liquidity whose clock runs as the liquidity asks."""

    def __init__(self, symbols, *, seed=7, **options):
        self.now_us = 1_800_000_000_000_000
        self.engine = Engine(known_markets(), clock_us=lambda: self.now_us)
        self.liquidity = SyntheticLiquidity(self.engine, symbols, seed=seed, **options)
        self.liquidity.start()
        self.events = []
        self.engine.subscribe(self.events.append)

    def run(self, seconds, each=lambda: None):
        until_us = self.now_us + seconds * 1_000_000
        while self.now_us < until_us:
            self.now_us += round(self.liquidity.next_delay_s() * 1_000_000)
            self.liquidity.step()
            each()

    def count(self, kind):
        return Counter(event.symbol for event in self.events if isinstance(event, kind))

    def order(self, side, price, quantity, order_type=OrderType.LIMIT, **more):
        return self.engine.place(
            "user",
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=order_type,
                price=None if price is None else Decimal(price),
                quantity=Decimal(quantity),
                **more,
            ),
        )

    def open_user(self):
        self.engine.open_account(
            "user",
            {"USDC": Decimal(10**9), "SOL": Decimal(10**7)},
            maker_fee_bps=Decimal(8),
            taker_fee_bps=Decimal(10),
        )


@pytest.mark.parametrize("symbol", SPOT)
def test_start_fills_the_book_around_the_reference_price(symbol):
    world = World([symbol])

    bids, asks, _ = world.engine.depth(symbol, 1000)
    assert len(bids) >= 5
    assert len(asks) >= 5
    reference = float(reference_price(symbol))
    assert 0.99 * reference < float(bids[-1][0]) < float(asks[0][0]) < 1.01 * reference


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_market_lives_within_bounds_and_is_never_crossed_or_empty(symbol):
    world = World([symbol])
    world.run(120)

    frames = world.count(DepthEvent)[symbol]
    assert 20 <= frames / 120 <= 50
    assert world.count(BookTickerEvent)[symbol] > 120
    assert world.count(TradeEvent)[symbol] > 30
    tickers = [event for event in world.events if isinstance(event, BookTickerEvent)]
    assert all(event.bid and event.ask and event.bid[0] < event.ask[0] for event in tickers)
    mids = {(event.bid[0] + event.ask[0]) / 2 for event in tickers}
    reference = reference_price(symbol)
    assert len(mids) > 10, "the price moves"
    assert all(abs(mid / reference - 1) < Decimal("0.025") for mid in mids)
    takers = [event.is_buyer_maker for event in world.events if isinstance(event, TradeEvent)]
    assert 0.2 < sum(takers) / len(takers) < 0.8, "both ways"
    quantities = sorted(event.quantity for event in world.events if isinstance(event, TradeEvent))
    assert quantities[-1] > 5 * quantities[len(quantities) // 2], "some trades are large"


def test_frames_per_second_are_adjustable():
    world = World([SOL], frames_per_second=200.0)
    world.run(20)

    assert 130 <= world.count(DepthEvent)[SOL] / 20 <= 270


def test_markets_get_fair_turns():
    world = World(SPOT)
    world.run(10)

    frames = world.count(DepthEvent)
    assert set(frames) == set(SPOT)
    assert min(frames.values()) > 0.5 * max(frames.values())


def test_steps_do_not_crowd_however_many_markets_there_are():
    world = World(SPOT, frames_per_second=50.0)
    delays = []
    world.run(5, lambda: delays.append(world.liquidity.next_delay_s()))

    assert sum(delays) / len(delays) >= 0.004


def test_next_delay_is_the_same_until_the_step():
    liquidity = World([SOL]).liquidity

    assert liquidity.next_delay_s() == liquidity.next_delay_s() > 0


def test_same_seed_gives_the_same_events_and_another_seed_others():
    runs = [World([SOL, BTC], seed=seed) for seed in (1, 1, 2)]
    for world in runs:
        world.run(20)

    assert runs[0].events == runs[1].events
    assert runs[0].events != runs[2].events


def test_other_markets_do_not_change_what_happens_in_one():
    alone, together = World([SOL]), World([SOL, BTC])
    for _ in range(300):
        alone.liquidity.step()
        together.liquidity.step()
        together.liquidity.step()

    def trades(world):
        return [
            (event.price, event.quantity)
            for event in world.events
            if isinstance(event, TradeEvent) and event.symbol == SOL
        ]

    assert len(trades(alone)) > 5
    shorter = min(len(trades(alone)), len(trades(together)))
    assert trades(alone)[:shorter] == trades(together)[:shorter]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", ["0.001", "0.0015"])
def test_simple_market_maker_is_filled_within_two_minutes(seed, spread):
    """Quotes 0.1 % or 0.15 % from the mid price, renewed every 15 seconds."""
    world = World([SOL], seed=seed)
    world.open_user()
    tick = Decimal("0.01")
    for _ in range(8):
        world.engine.cancel_all("user", SOL)
        bid, ask = world.engine.best(SOL)
        mid = (bid + ask) / 2
        world.order(Side.BID, mid * (1 - Decimal(spread)) // tick * tick, "5", post_only=True)
        world.order(Side.ASK, mid * (1 + Decimal(spread)) // tick * tick, "5", post_only=True)
        world.run(15)

    assert world.engine.fills("user")[1] >= 1


def stand_in_the_way(world, side, quantity):
    """A user's quote 0.4 % beyond the market, so that nobody's on the other side fits there."""
    world.open_user()
    bids, asks, _ = world.engine.depth(SOL, 1000)
    if side is Side.BID:
        price = (asks[0][0] * Decimal("1.004")).quantize(Decimal("0.01"))
        taken = sum(each for level, each in asks if level <= price)
    else:
        price = (bids[-1][0] * Decimal("0.996")).quantize(Decimal("0.01"))
        taken = sum(each for level, each in bids if level >= price)
    world.order(side, price, taken, time_in_force=TimeInForce.IOC)
    return world.order(side, price, quantity, post_only=True)


@pytest.mark.parametrize("side", Side)
def test_quote_of_a_user_far_beyond_the_fair_price_is_taken_soon(side):
    world = World([SOL])
    mine = stand_in_the_way(world, side, "150")

    world.run(12)

    done = world.engine.order_history("user", order_id=mine.order_id)[0][0]
    assert done.executed_quantity == 150


@pytest.mark.parametrize("side", Side)
def test_makers_quote_around_a_user_in_the_way_where_nobody_takes(side):
    world = World([SOL])
    mine = stand_in_the_way(world, side, "150")
    world.engine.set_order_book_state(SOL, OrderBookState.POST_ONLY)

    world.run(10)

    bids, asks, _ = world.engine.depth(SOL, 1000)
    touch = [bids[-1], asks[0]] if side is Side.BID else [asks[0], bids[-1]]
    assert touch[0] == (mine.price, 150)
    assert abs(touch[1][0] - mine.price) == Decimal("0.01")
    assert len(bids) >= 5
    assert len(asks) >= 5


def test_makers_return_after_users_moved_the_price_out_of_the_bands():
    """Two trades of users with each other, 2.5 % up each time, and nobody else's asks left."""
    world = World([SOL])
    world.open_user()
    _, asks, _ = world.engine.depth(SOL, 1000)
    price = asks[0][0]
    for _ in range(2):
        price = (price * Decimal("1.025")).quantize(Decimal("0.01"))
        _, asks, _ = world.engine.depth(SOL, 1000)
        everything = sum(quantity for _, quantity in asks) + 1
        world.order(Side.BID, price, everything)
        world.order(Side.ASK, price, "1", self_trade_prevention=SelfTradePrevention.ALLOW)
    assert world.engine.last_price(SOL) == price

    world.engine.cancel_all("user", SOL)
    world.run(20)

    bids, asks, _ = world.engine.depth(SOL, 1000)
    fair = world.liquidity.markets[0].fair.price
    assert len(asks) >= 5
    assert abs(float(bids[-1][0] + asks[0][0]) / 2 / fair - 1) < 0.002


def test_start_waits_for_a_market_that_is_not_open():
    engine = Engine(known_markets(), clock_us=lambda: 0)
    engine.set_order_book_state(SOL, OrderBookState.CANCEL_ONLY)
    liquidity = SyntheticLiquidity(engine, [SOL], seed=7)
    liquidity.start()
    assert engine.best(SOL) == (None, None)

    engine.set_order_book_state(SOL, OrderBookState.OPEN)
    for _ in range(100):
        liquidity.step()

    assert None not in engine.best(SOL)


def test_makers_move_their_quotes_before_they_are_run_over():
    """After a jump of half a percent the quotes follow; most of them are not traded away."""
    world = World([SOL])
    world.liquidity.markets[0].fair.push(0.005)
    fair = world.liquidity.markets[0].fair.price
    world.run(6)

    bids, asks, _ = world.engine.depth(SOL, 1000)
    assert abs(float(bids[-1][0] + asks[0][0]) / 2 / fair - 1) < 0.002
    assert world.count(TradeEvent)[SOL] <= 12


def test_book_recovers_from_a_user_who_takes_everything():
    world = World([SOL])
    world.open_user()
    _, asks, _ = world.engine.depth(SOL, 1000)
    everything = sum(quantity for _, quantity in asks)
    world.order(Side.BID, asks[-1][0], everything, time_in_force=TimeInForce.IOC)
    assert world.engine.best(SOL)[1] is None

    world.run(10)

    bids, asks, _ = world.engine.depth(SOL, 1000)
    assert len(asks) >= 5
    assert bids[-1][0] < asks[0][0]


def test_fair_price_of_an_hour_stays_near_the_reference():
    world = World([SOL], frames_per_second=10.0)
    seen = []
    market = world.liquidity.markets[0]
    reference = float(reference_price(SOL))
    for _ in range(5 * 3600):
        world.liquidity.step()
        world.events.clear()
        seen.append(market.fair.price / reference - 1)

    assert max(map(abs, seen)) <= 0.02
    assert abs(sum(seen) / len(seen)) < 0.012
    assert max(seen) - min(seen) > 0.004


def test_memory_does_not_grow_with_time():
    """What the engine keeps of the liquidity accounts is their open orders, and these are few."""
    world = World([SOL])
    accounts = world.engine._accounts
    for _ in range(3):
        world.run(60)
        assert sum(len(account.open) for account in accounts.values()) <= 44
        assert all(not a.orders and not a.fills and not a._by_client_id for a in accounts.values())


@pytest.mark.parametrize(
    ("state", "quotes", "trades"),
    [
        (OrderBookState.CLOSED, False, False),
        (OrderBookState.CANCEL_ONLY, False, False),
        (OrderBookState.POST_ONLY, True, False),
        (OrderBookState.LIMIT_ONLY, True, True),
    ],
)
def test_liquidity_respects_the_state_of_the_book(state, quotes, trades):
    world = World([SOL])
    world.engine.set_order_book_state(SOL, state)
    world.run(30)

    assert bool(world.count(DepthEvent)) is quotes
    assert bool(world.count(TradeEvent)) is trades


def test_one_engine_has_one_synthetic_liquidity():
    world = World([SOL])

    with pytest.raises(ValueError, match="exists"):
        SyntheticLiquidity(world.engine, [BTC], seed=1)


@pytest.mark.parametrize("frames", [0.0, -1.0, float("nan")])
def test_senseless_rate_is_an_error(frames):
    engine = Engine(known_markets(), clock_us=lambda: 0)

    with pytest.raises(ValueError, match="frames_per_second"):
        SyntheticLiquidity(engine, [SOL], seed=1, frames_per_second=frames)


def test_no_symbols_make_a_quiet_liquidity():
    world = World([])
    world.liquidity.step()

    assert world.events == []
    assert world.engine.best(SOL) == (None, None)


def test_money_of_makers_and_takers_is_conserved():
    world = World([SOL])
    world.run(30)

    accounts = world.engine._accounts
    for asset in ("SOL", "USDC"):
        held = [world.engine.balances(name).get(asset, (ZERO, ZERO)) for name in accounts]
        assert any(available for available, _ in held)
        assert sum((available + locked for available, locked in held), ZERO) == 0
