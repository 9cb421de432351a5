"""A recorded stream played into the engine."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, Symbol
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    BookTickerEvent,
    DepthEvent,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.liquidity import ReplayLiquidity
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets

SOL = Symbol("SOL_USDC")
BID, ASK = Side.BID, Side.ASK
REPOSITORY = Path(__file__).resolve().parents[6]
SHARED = Path(os.environ.get("BACKPACK_SHARED") or REPOSITORY.parent / "shared")
RECORDED = SHARED / "exchange" / "recordings" / "sol_usdc_2026-09-02.jsonl"
needs_recording = pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not at hand")

START_US = 1_788_367_430_000_000


def frame(stream, at_ms, **data):
    """A frame of ours with the keys and units of the recorded ones."""
    time_us = START_US + at_ms * 1000
    symbol = stream.split(".", 1)[1]
    return {"data": {"E": time_us, "T": time_us, "s": symbol, **data}, "stream": stream}


def depth(at_ms, update_id, bids=(), asks=()):
    return frame(
        "depth.SOL_USDC", at_ms, e="depth", U=update_id, u=update_id, b=list(bids), a=list(asks)
    )


def ticker(at_ms, update_id, bid, ask):
    return frame(
        "bookTicker.SOL_USDC",
        at_ms,
        e="bookTicker",
        u=update_id,
        b=bid[0],
        B=bid[1],
        a=ask[0],
        A=ask[1],
    )


def trade(at_ms, price, quantity, *, is_buyer_maker):
    return frame(
        "trade.SOL_USDC",
        at_ms,
        e="trade",
        t=1,
        p=price,
        q=quantity,
        m=is_buyer_maker,
        a="1",
        b="2",
    )


OURS = [
    ticker(0, 101, ("99", "5"), ("100", "2")),
    depth(0, 101, asks=[("100", "2")]),
    depth(100, 102, bids=[("98.90", "7")]),
    ticker(150, 102, ("12", "1"), ("13", "1")),  # while depth frames speak, tickers are not heard
    depth(300, 103, asks=[("100.10", "4")]),
    depth(400, 104, asks=[("100", "0.00")]),
    frame("markPrice.SOL_USDC_PERP", 450, e="markPrice", p="98.93"),
    frame("depth.NO_SUCH", 460, e="depth", U=1, u=1, b=[], a=[]),
    trade(500, "99", "1.5", is_buyer_maker=True),
    ticker(700, 110, ("99", "6"), ("100.10", "4")),
    ticker(900, 120, ("100.10", "3"), ("100.20", "1")),
    ticker(1000, 130, ("98.95", "2"), ("99", "8")),
    ticker(1100, 140, ("98.90", "7"), ("99", "8")),
]


class Player:
    """An engine with a recording in it."""

    def __init__(self, path, **options):
        self.engine = Engine(known_markets(), clock_us=lambda: 0)
        self.engine.open_account(
            "user",
            {"USDC": Decimal(100_000), "SOL": Decimal(1_000)},
            maker_fee_bps=Decimal(8),
            taker_fee_bps=Decimal(10),
        )
        self.liquidity = ReplayLiquidity(self.engine, path, **options)
        self.liquidity.start()
        self.events = []
        self.engine.subscribe(self.events.append)

    def steps(self, number):
        for _ in range(number):
            self.liquidity.step()

    def book(self):
        return self.engine.depth(SOL, 1000)[:2]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def order(self, side, price, quantity):
        return self.engine.place(
            "user",
            ExecuteOrder(
                symbol=SOL,
                side=side,
                order_type=OrderType.LIMIT,
                price=Decimal(price),
                quantity=Decimal(quantity),
                post_only=True,
            ),
        )


def write(path, frames):
    path.write_text("".join(json.dumps(each) + "\n" for each in frames))
    return path


@pytest.fixture
def ours(tmp_path):
    return write(tmp_path / "ours.jsonl", OURS)


def test_start_shows_the_first_touch_and_the_levels_spoken_of_behind_it(ours):
    player = Player(ours)

    bids, asks = player.book()
    assert bids == [(Decimal("98.90"), 7), (99, 5)]
    assert asks == [(100, 2), (Decimal("100.10"), 4)]
    assert player.engine.depth(SOL, 5)[2] == 100, "the first frame gets its recorded id"


def test_depth_frames_keep_their_update_ids(ours):
    player = Player(ours)
    player.steps(6)

    diffs = player.of(DepthEvent)
    assert [diff.first_update_id for diff in diffs] == [101, 102, 103, 104]
    assert player.book() == ([(Decimal("98.90"), 7), (99, 5)], [(Decimal("100.10"), 4)])


def test_trades_are_printed(ours):
    player = Player(ours)
    player.steps(7)

    printed = player.of(TradeEvent)
    assert [(t.price, t.quantity, t.is_buyer_maker) for t in printed] == [
        (99, Decimal("1.5"), True)
    ]


def test_after_the_depth_frames_tickers_move_the_touch(ours):
    player = Player(ours)
    touches = []
    for _ in range(4):
        player.steps(8 if not touches else 1)
        bids, asks = player.book()
        touches.append((bids[-1], asks[0]))

    assert touches == [
        ((99, 6), (Decimal("100.10"), 4)),
        ((Decimal("100.10"), 3), (Decimal("100.20"), 1)),
        ((Decimal("98.95"), 2), (99, 8)),
        ((Decimal("98.90"), 7), (99, 8)),
    ]
    diffs = player.of(DepthEvent)
    assert [d.first_update_id for d in diffs] == list(range(101, 101 + len(diffs)))


def test_delays_are_those_of_the_recording(ours):
    player, delays = Player(ours, speed=2.0), []
    for _ in range(10):
        delays.append(round(player.liquidity.next_delay_s(), 6))
        player.steps(1)

    assert delays == [0.5, 0.0, 0.05, 0.025, 0.075, 0.05, 0.05, 0.1, 0.1, 0.05]


def test_recording_begins_again_at_its_end(ours):
    player = Player(ours)
    player.steps(11)
    assert player.liquidity.next_delay_s() == 1.0
    player.steps(2)

    bids, asks = player.book()
    assert bids[-1][0] < asks[0][0]
    assert dict(asks)[Decimal(100)] == 2
    player.steps(9)
    assert player.book()[1][0] == (99, 8)


def test_nothing_is_said_twice(tmp_path):
    """A level that crossing ones took away is not taken away again."""
    path = write(tmp_path / "two_rounds.jsonl", [OURS[0], OURS[1], *OURS[9:11]])
    player, book = Player(path), {}
    for side, levels in zip("ba", player.book(), strict=True):
        book.update({(side, price): quantity for price, quantity in levels})
    player.steps(8)

    for event in player.of(DepthEvent)[1:]:
        for side, levels in (("b", event.bids), ("a", event.asks)):
            for price, quantity in levels:
                assert book.get((side, price), 0) != quantity
                book[side, price] = quantity


def test_recording_can_stop_quietly(ours):
    player = Player(ours, loop=False)
    player.steps(11)
    shown, seen = player.book(), len(player.events)
    player.steps(3)

    assert player.book() == shown
    assert len(player.events) == seen
    assert player.liquidity.next_delay_s() > 1


def test_order_of_a_user_trades_with_a_touch_that_moves_through_it(ours):
    player = Player(ours)
    player.steps(6)
    mine = player.order(ASK, "100.05", "2")

    player.steps(3)

    done = player.engine.order_history("user", order_id=mine.order_id)[0][0]
    assert done.executed_quantity == 2
    assert player.of(TradeEvent)[-1].price == Decimal("100.05")
    assert player.book()[0][-1] == (Decimal("100.10"), 1), "what was left of 3 rests"


def test_orders_of_a_user_stay_while_levels_around_them_go(ours):
    player = Player(ours)
    mine = player.order(BID, "99.40", "1")
    player.steps(10)

    done = player.engine.order_history("user", order_id=mine.order_id)[0][0]
    assert done.executed_quantity == 1, "the touch came down to 99 and met it"
    assert player.book()[0][-1][0] < player.book()[1][0][0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no depth, bookTicker or trade frame"),
        ('{"stream":"ticker.SOL_USDC","data":{}}\n', "no depth, bookTicker or trade frame"),
        ("nonsense\n", "line 1 is not a recorded frame"),
        ('\n{"stream":"depth.SOL_USDC","data":{"e":"depth"}}\n', "line 2 is not a recorded frame"),
    ],
)
def test_file_that_is_no_recording_is_an_error(tmp_path, content, message):
    path = tmp_path / "broken.jsonl"
    path.write_text(content)

    with pytest.raises(ValueError, match=message):
        Player(path)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Player(tmp_path / "missing.jsonl")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_senseless_speed_is_an_error(ours, speed):
    with pytest.raises(ValueError, match="speed"):
        Player(ours, speed=speed)


def test_recording_of_tickers_alone_is_enough(tmp_path):
    player = Player(write(tmp_path / "tickers.jsonl", OURS[-3:-1]))

    assert player.book() == ([(Decimal("100.10"), 3)], [(Decimal("100.20"), 1)])
    player.steps(2)
    assert player.book() == ([(Decimal("98.95"), 2)], [(99, 8), (Decimal("100.20"), 1)])


def test_recording_of_depth_alone_is_enough(tmp_path):
    player = Player(write(tmp_path / "depth.jsonl", OURS[1:3]))

    assert player.book() == ([], []), "nothing is known before the first frame"
    player.steps(2)
    assert player.book() == ([(Decimal("98.90"), 7)], [(100, 2)])
    assert [event.last_update_id for event in player.of(DepthEvent)] == [101, 102]


def test_recording_of_trades_alone_is_enough(tmp_path):
    player = Player(write(tmp_path / "trades.jsonl", [OURS[8]]))
    player.steps(2)

    assert [t.price for t in player.of(TradeEvent)] == [99, 99]
    assert player.book() == ([], [])


@needs_recording
def test_recorded_stream_comes_out_as_it_was_recorded():
    """Every depth frame with its ids, levels and padding, and the touch of every book ticker."""
    frames = [json.loads(line)["data"] for line in RECORDED.read_text().splitlines()]
    diffs = [each for each in frames if each["e"] == "depth"]
    tickers = [each for each in frames if each["e"] == "bookTicker"]
    player = Player(RECORDED)
    player.steps(len(diffs) + len(tickers) + 1)

    def text(levels):
        return [[str(price), str(quantity)] for price, quantity in levels]

    played = [(d.first_update_id, text(d.bids), text(d.asks)) for d in player.of(DepthEvent)]
    assert played[: len(diffs)] == [(d["U"], d["b"], d["a"]) for d in diffs]
    by_id = {each["u"]: each for each in tickers}
    compared = 0
    for event in player.of(BookTickerEvent):
        if event.last_update_id <= diffs[-1]["u"] and event.last_update_id in by_id:
            recorded = by_id[event.last_update_id]
            assert text([event.bid, event.ask]) == [
                [recorded["b"], recorded["B"]],
                [recorded["a"], recorded["A"]],
            ]
            compared += 1
    assert compared > 50


@needs_recording
def test_touch_follows_the_recorded_tickers_over_two_rounds():
    frames = [json.loads(line)["data"] for line in RECORDED.read_text().splitlines()]
    kept = [each for each in frames if each["e"] in {"depth", "bookTicker", "trade"}]
    last_diff_us = max(each["E"] for each in kept if each["e"] == "depth")
    player, compared = Player(RECORDED), 0
    for recorded in kept * 2:
        player.steps(1)
        bids, asks = player.book()
        assert bids[-1][0] < asks[0][0]
        if recorded["e"] == "bookTicker" and recorded["E"] > last_diff_us:
            assert bids[-1] == (Decimal(recorded["b"]), Decimal(recorded["B"]))
            assert asks[0] == (Decimal(recorded["a"]), Decimal(recorded["A"]))
            compared += 1
    assert compared > 1_000
