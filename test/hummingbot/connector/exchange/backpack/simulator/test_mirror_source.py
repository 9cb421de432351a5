"""One exchange mirrors another one over sockets, through everything that networks do.

The run with makers, takers and cut connections lasts 20 s; ``BACKPACK_MIRROR_RUN_S=600`` makes it
ten minutes.
"""

import asyncio
import contextlib
import logging
import os
import random
import socket
import time
from collections import defaultdict
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import (
    OrderBookState,
    OrderStatus,
    OrderType,
    Side,
    Symbol,
)
from hummingbot.connector.exchange.backpack.simulator.events import Refusal, TradeEvent
from hummingbot.connector.exchange.backpack.simulator.local import (
    AccountSettings,
    LiquidityKind,
    LocalExchange,
    Settings,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.outside import HOUSE

_log = logging.getLogger(__name__)

SOL, BTC = Symbol("SOL_USDC"), Symbol("BTC_USDC")
BID, ASK = Side.BID, Side.ASK
RUN_S = float(os.environ.get("BACKPACK_MIRROR_RUN_S", "20"))
WEALTH = {"USDC": Decimal(1_000_000), "SOL": Decimal(10_000), "BTC": Decimal(20)}


class Told:
    """What the user was told."""

    def __init__(self):
        self.lines = []

    def __call__(self, level, text):
        self.lines.append((level, text))

    def saying(self, words):
        return [text for _, text in self.lines if words in text]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
async def source(open_exchange):
    """An exchange with other people: 30 frames a second in SOL_USDC."""
    return await open_exchange(markets=(SOL,), liquidity=LiquidityKind.SYNTHETIC, rate_limits=False)


@pytest.fixture
def mirror_settings(told):
    """Settings of a mirror of an exchange."""

    def build(source, **more):
        settings = {
            "markets": (SOL,),
            "liquidity": LiquidityKind.MIRROR,
            "source_rest_url": source.rest_url,
            "source_ws_url": source.ws_url,
            "accounts": (
                AccountSettings(balances=WEALTH),
                AccountSettings(name="other", balances=WEALTH),
            ),
            "tell": told,
        }
        return Settings(**(settings | more))

    return build


@pytest.fixture
async def open_mirror(mirror_settings):
    """Start a mirror of an exchange; it is closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(source, **more):
            settings = mirror_settings(source, **more)
            return await stack.enter_async_context(LocalExchange(settings))

        yield start


@pytest.fixture
async def mirror(source, open_mirror):
    return await open_mirror(source)


def outside(exchange, symbol=SOL):
    """Price to quantity of what the mirror shows of others."""
    found = {BID: defaultdict(Decimal), ASK: defaultdict(Decimal)}
    for order in exchange.engine.open_orders(HOUSE, symbol):
        found[order.side][order.price] += order.quantity - order.executed_quantity
    return {side: dict(rows) for side, rows in found.items()}


def book(exchange, symbol=SOL):
    bids, asks, _ = exchange.engine.depth(symbol, 10_000)
    return {BID: dict(bids), ASK: dict(asks)}


def in_step(source, mirror, symbol=SOL):
    """Whether everything that happened at the source has arrived."""
    last_id = source.engine.depth(symbol, 5)[2]
    return not mirror.is_blind and mirror.source.market(symbol).last_update_id == last_id


def order(side, price, quantity, *, symbol=SOL, **more):
    return ExecuteOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        **more,
    )


def market_order(side, quantity):
    return ExecuteOrder(
        symbol=SOL, side=side, order_type=OrderType.MARKET, quantity=Decimal(quantity)
    )


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


# --- following ------------------------------------------------------------------------------------


async def test_mirror_has_the_markets_and_the_book_of_its_source(source, mirror, eventually):
    assert mirror.market_source is LiquidityKind.MIRROR
    assert not mirror.is_blind
    assert mirror.blind_markets == ()
    await eventually(lambda: in_step(source, mirror))
    assert outside(mirror) == book(source) == book(mirror)
    assert mirror.engine.markets == source.engine.markets


async def test_frames_of_the_mirror_follow_those_of_the_source(
    source, mirror, open_stream, client_of
):
    streams = [await open_stream(client_of(exchange)) for exchange in (source, mirror)]
    for stream in streams:
        await stream.subscribe("depth.SOL_USDC", "trade.SOL_USDC")
        await stream.settled()
    now_s = time.monotonic()
    frames = {0: [], 1: []}
    while time.monotonic() < now_s + 2:
        await asyncio.sleep(0.05)
        for number, stream in enumerate(streams):
            frames[number] += [
                (f["data"]["e"], f["data"].get("a"), f["data"].get("b"), f["data"].get("p"))
                if f["data"]["e"] == "depth"
                else ("trade", f["data"]["p"], f["data"]["q"], f["data"]["m"])
                for f in await stream.settled()
            ]
    shorter = min(map(len, frames.values()))
    assert shorter > 30
    assert frames[0][:shorter] == frames[1][:shorter]


async def test_rules_and_markets_are_those_of_the_source(open_exchange, open_mirror, eventually):
    """A market nobody has heard of, another tick, and one that is closed there."""
    source = await open_exchange(rate_limits=False)
    rows = {market.symbol: market for market in known_markets()}
    rules = msgspec.structs.replace(
        rows[SOL].filters,
        price=msgspec.structs.replace(rows[SOL].filters.price, tick_size=Decimal("0.05")),
    )
    new = msgspec.structs.replace(
        rows[SOL], symbol=Symbol("NEW_USDC"), base_symbol="NEW", filters=rules
    )
    closed = msgspec.structs.replace(rows[BTC], order_book_state=OrderBookState.CLOSED)
    source.engine.list_markets([new, closed])
    mirror = await open_mirror(source, markets=("NEW_USDC",))

    assert list(mirror.engine.markets.values()) == [new, closed]
    source.engine.place("main", order(BID, "100.05", "3", symbol="NEW_USDC"))
    await eventually(lambda: book(mirror, "NEW_USDC")[BID])
    with pytest.raises(ValueError, match="unknown market 'SOL_USDC'"):
        await mirror.add_market("SOL_USDC")
    with pytest.raises(ValueError, match="is Closed"):
        await mirror.add_market("BTC_USDC")


async def test_market_that_the_source_delists_is_closed(source, mirror):
    rows = [market for market in known_markets() if market.symbol != SOL]
    source.engine.list_markets(rows)
    source.engine.markets.pop(SOL)
    await mirror.source.list_markets()
    assert mirror.engine.markets[SOL].order_book_state is OrderBookState.CLOSED


async def test_market_can_be_added_while_running(source, mirror, eventually):
    await source.add_market(BTC)
    await mirror.add_market(BTC)
    await mirror.add_market(BTC)
    assert not mirror.is_blind
    await eventually(lambda: in_step(source, mirror, BTC))
    assert outside(mirror, BTC) == book(source, BTC)
    with pytest.raises(ValueError, match="unknown market"):
        await mirror.add_market("NO_SUCH")


async def test_synthetic_market_can_be_added_while_running(source, client_of):
    client = client_of(source)
    before = await client.get("/api/v1/ticker", symbol="BTC_USDC")
    assert before.status == 204
    await source.add_market(BTC)
    assert all(book(source, BTC).values())
    assert (await client.get("/api/v1/ticker", symbol="BTC_USDC")).json["trades"] != "0"
    with pytest.raises(ValueError, match="no spot market"):
        await source.add_market("SOL_USDC_PERP")


async def test_candles_before_the_start_are_those_of_the_source(
    source, mirror, client_of, eventually
):
    def rows_of(answer):
        return [(row["start"], row["close"], row["volume"]) for row in answer.json[:-1]]

    now_s = int(time.time())
    deadline_s = time.monotonic() + 10
    for interval, back_s in (("1m", 50_000), ("1h", 900_000), ("1d", 9_000_000)):
        query = {"symbol": SOL, "interval": interval, "startTime": now_s - back_s}
        query["endTime"] = now_s - 120
        real = rows_of(await client_of(source).get("/api/v1/klines", **query))
        shown = []
        while shown != real and time.monotonic() < deadline_s:
            await asyncio.sleep(0.05)
            shown = rows_of(await client_of(mirror).get("/api/v1/klines", **query))
        assert len(real) > 30
        assert shown == real


# --- trading --------------------------------------------------------------------------------------


async def test_order_waits_behind_the_source_and_is_filled_by_its_trades(
    open_exchange, open_mirror, client_of, eventually
):
    """The scripted tape, over sockets: 10 behind 100; 60 trade, 30 are cancelled, 20 trade."""
    source = await open_exchange(accounts=(AccountSettings(balances=WEALTH),), rate_limits=False)
    engine = source.engine
    first = engine.place("main", order(BID, "100", "90"))
    second = engine.place("main", order(BID, "100", "10"))
    engine.place("main", order(ASK, "101", "50"))
    mirror = await open_mirror(source)
    mine = (await client_of(mirror).place("Bid", "100", "10", post_only=True)).json
    engine.open_account("taker", WEALTH, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0))

    engine.place("taker", order(ASK, "100", "60", time_in_force="IOC"))
    engine.cancel("main", SOL, order_id=first.order_id)
    await eventually(lambda: in_step(source, mirror))
    assert mirror.engine.fills("main")[1] == 0
    engine.place("main", order(BID, "100", "10"))
    engine.place("taker", order(ASK, "100", "20", time_in_force="IOC"))

    await eventually(lambda: mirror.engine.fills("main")[1])
    await eventually(lambda: in_step(source, mirror))
    assert engine.order_history("main", order_id=second.order_id)[0][0].status == "Filled"
    fills, _ = mirror.engine.fills("main")
    assert [(f.price, f.quantity, f.is_maker) for f in fills] == [(100, 10, True)]
    assert str(fills[0].order_id) == mine["id"]
    assert outside(mirror) == book(source)
    trades = sum(t.quantity for t in mirror.engine.trades(SOL, 10))
    assert trades == 80


async def test_orders_of_before_a_restart_stand_behind_the_source(
    open_exchange, mirror_settings, eventually, tmp_path
):
    """One that the market has passed meanwhile is filled with what is offered there."""
    source = await open_exchange(accounts=(AccountSettings(balances=WEALTH),), rate_limits=False)
    source.engine.place("main", order(BID, "100", "90"))
    source.engine.place("main", order(ASK, "102", "50"))
    settings = mirror_settings(source, state_file=tmp_path / "demo.json")
    async with LocalExchange(settings) as mirror:
        waiting = mirror.engine.place("main", order(BID, "100", "10"))
        passed = mirror.engine.place("other", order(BID, "101", "10"))
    source.engine.place("main", order(ASK, "101", "7"))

    async with LocalExchange(settings) as mirror:
        assert [f.quantity for f in mirror.engine.fills("other", order_id=passed.order_id)[0]] == [
            7
        ]
        source.engine.place("main", order(BID, "100", "10"))
        await eventually(lambda: in_step(source, mirror))
        source.engine.open_account("x", WEALTH, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0))
        source.engine.place("x", order(ASK, "100", "95", time_in_force="IOC"))
        await eventually(lambda: in_step(source, mirror))
        # 3 of the trade met the order at 101 first, 90 stood before the one at 100.
        assert [f.quantity for f in mirror.engine.fills("other", order_id=passed.order_id)[0]] == [
            3,
            7,
        ]
        filled = mirror.engine.fills("main", order_id=waiting.order_id)[0]
        assert [f.quantity for f in filled] == [2]


async def test_market_order_takes_what_the_source_shows(source, mirror, eventually):
    await eventually(lambda: in_step(source, mirror))
    asks = sorted(book(source)[ASK].items())
    quantity = asks[0][1] + asks[1][1]

    bought = mirror.engine.place("main", market_order(BID, quantity))

    assert bought.status is OrderStatus.FILLED
    cost = asks[0][0] * asks[0][1] + asks[1][0] * asks[1][1]
    assert bought.executed_quote_quantity == cost
    assert book(mirror)[ASK].keys().isdisjoint({asks[0][0], asks[1][0]})


# --- out of sight ---------------------------------------------------------------------------------


async def test_blind_mirror_says_so_once_and_fills_nothing(
    source, mirror, told, eventually, client_of
):
    bid, ask = mirror.engine.best(SOL)
    mirror.engine.place("main", order(BID, bid, "5", post_only=True))
    mirror.engine.place("main", order(ASK, ask, "5", post_only=True))
    assert told.lines == [(logging.INFO, f"The live market at {source.rest_url} is in sight.")]
    with source.faults.refuse_websockets():
        source.faults.drop_websockets()
        await eventually(lambda: mirror.is_blind)
        assert mirror.blind_markets == (SOL,)
        fills = mirror.engine.fills("main")[1]
        before = book(mirror)
        refused = await client_of(mirror).call(market_order(BID, "1"))
        assert (refused.status, refused.json["code"]) == (400, "TRADING_PAUSED")
        with pytest.raises(Refusal, match="cannot be seen"):
            mirror.engine.place("main", order(BID, ask, "1"))
        await asyncio.sleep(1.5)
        assert mirror.is_blind
        assert mirror.engine.fills("main")[1] == fills
        assert book(mirror) == before
        assert len(told.saying("out of sight")) == 1
    await eventually(lambda: not mirror.is_blind)
    assert len(told.saying("back in sight after")) == 1
    await eventually(lambda: in_step(source, mirror))


async def test_lost_frame_leads_to_a_new_snapshot(source, mirror, told, eventually):
    with source.faults.skip_frames("depth.SOL_USDC") as fault:
        await fault.wait_hit()
    await eventually(lambda: told.saying("out of sight"))
    await eventually(lambda: in_step(source, mirror))
    assert mirror.source.market(SOL).shown(BID) == book(source)[BID]


async def test_repeated_frames_change_nothing(source, mirror, eventually):
    printed = []
    mirror.engine.subscribe(lambda e: printed.append(e) if isinstance(e, TradeEvent) else None)
    with source.faults.duplicate_frames(times=None) as fault:
        await eventually(lambda: len(printed) > 2)
        assert fault.hits
    ids = {(trade.price, trade.quantity) for trade in source.engine.trades(SOL, 100)}
    assert {(trade.price, trade.quantity) for trade in printed} <= ids
    assert len(printed) <= len(source.engine.trades(SOL, 100))
    await eventually(lambda: in_step(source, mirror))
    assert outside(mirror) == book(source)


async def test_stream_that_stands_still_is_noticed(source, mirror, told, eventually):
    mirror.source._stale_after_s = 0.5
    with source.faults.silence():
        await eventually(lambda: mirror.is_blind)
    assert told.saying("the stream of SOL_USDC stands still")
    await eventually(lambda: in_step(source, mirror))


async def test_quiet_market_is_not_doubted(open_exchange, open_mirror, told):
    source = await open_exchange(rate_limits=False)
    source.engine.place("main", order(BID, "100", "1"))
    mirror = await open_mirror(source)
    mirror.source._stale_after_s = 0.1
    await asyncio.sleep(2.5)
    assert not mirror.is_blind
    assert told.saying("out of sight") == []


async def test_silent_source_that_cannot_be_asked_is_doubted(source, mirror, told, eventually):
    mirror.source._stale_after_s = 0.5
    with source.faults.silence(), source.faults.server_error("GET /api/v1/depth", times=None):
        await eventually(lambda: told.saying("cannot be checked"))
        assert mirror.is_blind
    await eventually(lambda: in_step(source, mirror))


async def test_snapshot_that_cannot_be_had_is_asked_for_again(source, open_mirror, eventually):
    with source.faults.server_error("GET /api/v1/depth", times=2):
        mirror = await open_mirror(source)
    await eventually(lambda: in_step(source, mirror))
    assert outside(mirror) == book(source)


async def test_frame_that_cannot_be_read_is_passed_over(source, mirror, eventually):
    for text in ("not JSON", '{"data":{"e":"depth"},"stream":"depth.SOL_USDC"}'):
        mirror.source._on_message(text)
    assert not mirror.is_blind
    await eventually(lambda: in_step(source, mirror))


async def test_frame_with_a_level_that_cannot_be_leads_to_a_new_snapshot(
    source, mirror, told, eventually
):
    next_id = mirror.source.market(SOL).last_update_id + 1
    mirror.source._on_message(
        '{"data":{"e":"depth","E":1,"T":1,"s":"SOL_USDC","b":[["100","-1"]],"a":[],'
        f'"U":{next_id},"u":{next_id}}},"stream":"depth.SOL_USDC"}}'
    )
    assert mirror.is_blind
    assert told.saying("has no level of -1")
    await eventually(lambda: in_step(source, mirror))
    assert outside(mirror) == book(source)


async def test_error_of_our_own_does_not_end_the_mirror(source, mirror, monkeypatch, eventually):
    market = mirror.source.market(SOL)

    def broken(diff):
        monkeypatch.setattr(market, "on_diff", on_diff)
        raise RuntimeError("made up")

    on_diff = market.on_diff
    monkeypatch.setattr(market, "on_diff", broken)
    await eventually(lambda: mirror.is_blind)
    await eventually(lambda: in_step(source, mirror))


async def test_market_list_is_renewed_and_the_old_one_serves_on(source, mirror, eventually):
    mirror.source._listed_s -= 3_600
    with source.faults.server_error("GET /api/v1/markets") as fault:
        await fault.wait_hit()
        await eventually(lambda: time.monotonic() - mirror.source._listed_s < 60)
    source.engine.set_order_book_state(BTC, OrderBookState.POST_ONLY)
    mirror.source._listed_s -= 3_600
    await eventually(
        lambda: mirror.engine.markets[BTC].order_book_state is OrderBookState.POST_ONLY
    )
    assert not mirror.is_blind


async def test_market_that_a_late_source_does_not_have_is_told(
    open_exchange, mirror_settings, told, eventually
):
    port = free_port()
    at = type(
        "At", (), {"rest_url": f"http://127.0.0.1:{port}", "ws_url": f"ws://127.0.0.1:{port}"}
    )
    settings = mirror_settings(at, source_patience_s=0.2, markets=())
    async with LocalExchange(settings) as mirror:
        await mirror.add_market("NO_SUCH")
        await open_exchange(rate_limits=False, port=port)
        await eventually(lambda: told.saying("does not list NO_SUCH"))
        assert mirror.blind_markets == ("NO_SUCH",)


async def test_mirror_starts_blind_and_finds_its_source_later(
    open_exchange, mirror_settings, told, eventually
):
    port = free_port()
    at = type(
        "At", (), {"rest_url": f"http://127.0.0.1:{port}", "ws_url": f"ws://127.0.0.1:{port}"}
    )
    async with LocalExchange(mirror_settings(at, source_patience_s=0.3)) as mirror:
        assert mirror.is_blind
        assert mirror.blind_markets == (SOL,)
        assert len(told.saying("is not in sight (GET /api/v1/markets: no reply")) == 1
        assert len(told.lines) == 1
        with pytest.raises(Refusal, match="cannot be seen"):
            mirror.engine.place("main", order(BID, "100", "1"))
        source = await open_exchange(
            markets=(SOL,), liquidity=LiquidityKind.SYNTHETIC, rate_limits=False, port=port
        )
        await eventually(lambda: in_step(source, mirror))
        assert outside(mirror) == book(source)


async def test_source_that_was_started_anew_is_followed(open_exchange, open_mirror, eventually):
    """Its ids begin again, far below those of before."""
    port = free_port()
    settings = Settings(markets=(SOL,), rate_limits=False, port=port)
    async with LocalExchange(settings) as source:
        mirror = await open_mirror(source)
        await eventually(lambda: source.engine.trades(SOL, 5))
        await eventually(lambda: in_step(source, mirror))
    await eventually(lambda: mirror.is_blind)
    seen = []
    mirror.engine.subscribe(lambda e: seen.append(e) if isinstance(e, TradeEvent) else None)
    async with LocalExchange(settings) as source:
        await eventually(lambda: in_step(source, mirror))
        assert outside(mirror) == book(source)
        await eventually(lambda: seen)


# --- auto -----------------------------------------------------------------------------------------


async def test_auto_mirrors_what_it_can_reach(source, open_mirror):
    mirror = await open_mirror(source, liquidity=LiquidityKind.AUTO)
    assert mirror.market_source is LiquidityKind.MIRROR
    assert not mirror.is_blind


async def test_auto_is_synthetic_where_nothing_can_be_reached(mirror_settings, told):
    port = free_port()
    at = type(
        "At", (), {"rest_url": f"http://127.0.0.1:{port}", "ws_url": f"ws://127.0.0.1:{port}"}
    )
    settings = mirror_settings(at, liquidity=LiquidityKind.AUTO, candle_history=True)
    async with LocalExchange(settings) as exchange:
        assert exchange.market_source is LiquidityKind.SYNTHETIC
        assert not exchange.is_blind
        assert exchange.source is None
        assert len(told.lines) == 1
        assert told.lines[0][0] == logging.WARNING
        assert "a synthetic one is used" in told.lines[0][1]
        assert all(book(exchange).values())
        assert exchange.engine.place("main", market_order(BID, "1")).status == "Filled"
        await exchange.add_market(BTC)
        assert all(book(exchange, BTC).values())


@pytest.mark.parametrize("broken", ["GET /api/v1/markets", "GET /api/v1/depth"])
async def test_auto_waits_no_longer_than_it_should(source, mirror_settings, told, broken):
    """A source that hangs, at the first request or at the last."""
    settings = mirror_settings(source, liquidity=LiquidityKind.AUTO, source_patience_s=0.5)
    with source.faults.accept_then_hang(broken):
        began_s = time.monotonic()
        async with LocalExchange(settings) as exchange:
            assert time.monotonic() - began_s < 2
            assert exchange.market_source is LiquidityKind.SYNTHETIC
            assert exchange.engine.markets == {m.symbol: m for m in known_markets()}
            assert exchange.engine.open_orders(HOUSE) == []
            assert len(told.saying("a synthetic one is used")) == 1
            assert exchange.engine.place("main", market_order(BID, "1")).status == "Filled"


# --- the run --------------------------------------------------------------------------------------


class Traders:
    """A market maker and a taker on the mirror, and what is checked while they trade."""

    def __init__(self, source, mirror):
        self.source = source
        self.mirror = mirror
        self.random = random.Random(11)
        self.points = 0
        self.taken = {}
        self.traded = Decimal(0)
        mirror.engine.subscribe(self.on_event)
        source.engine.subscribe(self.on_source_event)

    def on_event(self, event):
        if isinstance(event, TradeEvent):
            # Crossing liquidity trades at our price: its level is one of those that are beyond.
            self.taken[event.price] = event.is_buyer_maker

    def on_source_event(self, event):
        if isinstance(event, TradeEvent):
            self.traded += event.quantity

    def act(self):
        """Quote anew, and now and then take."""
        engine = self.mirror.engine
        if self.mirror.is_blind:
            return
        bid, ask = engine.best(SOL)
        if bid is None or ask is None:
            return
        tick = Decimal("0.01")
        for open_order in engine.open_orders("main")[:-6]:
            engine.cancel("main", SOL, order_id=open_order.order_id)
        for side, price in ((BID, bid), (ASK, ask)):
            away = self.random.choice([-1, 0, 0, 1, 2]) * tick * (1 if side is ASK else -1)
            quantity = Decimal(self.random.randint(1, 900)) / 100
            with contextlib.suppress(Refusal):
                engine.place("main", order(side, price + away, quantity, post_only=True))
        if self.random.random() < 0.2:
            side = self.random.choice((BID, ASK))
            with contextlib.suppress(Refusal):
                engine.place(
                    "other", market_order(side, Decimal(self.random.randint(1, 3000)) / 100)
                )

    def check(self):
        """The source's book is known exactly; what is shown differs only where ours traded."""
        real, known = book(self.source), self.mirror.source.market(SOL)
        assert {side: known.shown(side) for side in Side} == real
        shown = outside(self.mirror)
        for side in Side:
            for price in shown[side].keys() | real[side].keys():
                mirrored, quantity = shown[side].get(price, 0), real[side].get(price, 0)
                assert mirrored <= quantity
                if mirrored != quantity:
                    assert any(
                        traded >= price if side is ASK else traded <= price for traded in self.taken
                    )
        ours = defaultdict(Decimal)
        for name in ("main", "other"):
            for mine in self.mirror.engine.open_orders(name):
                ours[mine.side, mine.price] += mine.quantity - mine.executed_quantity
        for side, rows in book(self.mirror).items():
            assert rows == {
                price: shown[side].get(price, 0) + ours.get((side, price), 0)
                for price in shown[side].keys() | {p for s, p in ours if s is side}
            }
        self.points += 1

    def check_accounts(self):
        engine = self.mirror.engine
        for asset, funds in WEALTH.items():
            total = engine.collected_fees.get(asset, Decimal(0))
            for name in ("main", "other", HOUSE):
                total += sum(engine.balances(name).get(asset, (Decimal(0), Decimal(0))))
            assert total == 2 * funds
        makers = [f for f in engine.fills("main", limit=10**6)[0] if f.is_maker]
        orders = {o.order_id: o for o in engine.order_history("main", limit=10**6)[0]}
        assert makers
        assert all(fill.price == orders[fill.order_id].price for fill in makers)
        assert engine.fills("other")[1]


@pytest.mark.timeout(RUN_S + 120)
async def test_books_stay_equal_over_a_run_with_cut_connections(source, mirror, told, watch_fills):
    traders = Traders(source, mirror)
    watched = watch_fills(mirror.engine, mirror.source.market(SOL), ("main", "other"))
    end_s = time.monotonic() + RUN_S
    cuts = [end_s - RUN_S * share for share in (0.2, 0.5, 0.8)]
    # What is traded is drawn: go on until there was a fill of each kind.
    kinds = ("at the price", "through")
    while (now_s := time.monotonic()) < end_s or not all(watched[kind] for kind in kinds):
        if cuts and now_s > cuts[-1]:
            cuts.pop()
            assert source.faults.drop_websockets()
        traders.act()
        await asyncio.sleep(0.1)
        if in_step(source, mirror):
            traders.check()

    assert len(told.saying("out of sight")) == 3
    assert traders.points > RUN_S * 2
    traders.check_accounts()
    _log.info(
        "%d points checked, %d fills of the maker, %d of the taker, %s SOL traded at the source",
        traders.points,
        mirror.engine.fills("main")[1],
        mirror.engine.fills("other")[1],
        traders.traded,
    )
