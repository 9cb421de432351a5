"""The recorded stream and the recorded bodies, from the first byte to the last."""

import collections
import itertools
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api import models, streams
from hummingbot.connector.exchange.backpack.api.depth import DepthSequence
from hummingbot.connector.exchange.backpack.api.replies import parse_reply

STREAM = "sol_usdc_2026-09-02.jsonl"


@pytest.fixture(scope="module")
def events(recording):
    """Every frame of the recorded stream, decoded."""
    decoder = streams.frame_decoder(streams.PUBLIC_EVENTS)
    return [streams.parse_frame(line, decoder) for line in recording(STREAM).splitlines()]


@pytest.fixture(scope="module")
def diffs(events):
    """The book diffs among them."""
    return [event for event in events if isinstance(event, streams.DepthDiff)]


def apply(book, diff):
    """Set the levels of a diff in a book of two plain dictionaries."""
    for side, levels in zip(book, (diff.asks, diff.bids), strict=True):
        for level in levels:
            side[level.price] = level.quantity
            if not level.quantity:
                del side[level.price]


def test_stream_recorded_decodes_frame_by_frame(events):
    """1506 frames of six kinds, as the recording's description counts them."""
    assert collections.Counter(type(event) for event in events) == {
        streams.BookTicker: 906,
        streams.DepthDiff: 400,
        streams.MarkPriceUpdate: 91,
        streams.TickerUpdate: 90,
        streams.KlineUpdate: 18,
        streams.PublicTrade: 1,
    }


def test_stream_recorded_spans_ninety_seconds_in_microseconds(events):
    """From 16:43:50 UTC on, and never backwards by more than the frames overtake each other."""
    times = [event.event_time_us for event in events]
    assert max(times) - min(times) == pytest.approx(90_170_000, abs=10_000)


def test_stream_recorded_first_candle_has_no_trades(events):
    """Its prices and its volume are null."""
    first = next(event for event in events if isinstance(event, streams.KlineUpdate))
    assert (first.open, first.close, first.high, first.low, first.volume) == (None,) * 5
    assert first.trades == 0


def test_stream_recorded_gives_the_book_that_each_book_ticker_states(events, diffs):
    """Frame by frame: the best levels known after update u are those of the book ticker of u.

    There is no snapshot to the recording, so a side can be compared once the diffs have named its
    best price. The book ticker of u may come before or after the diff of u.
    """
    stated = {
        event.last_update_id: event for event in events if isinstance(event, streams.BookTicker)
    }
    sequence = DepthSequence("SOL_USDC")
    sequence.start(diffs[0].first_update_id - 1)
    asks, bids = book = ({}, {})
    compared = 0
    for diff in diffs:
        assert sequence.accept(diff) is diff
        apply(book, diff)
        ticker = stated.get(sequence.last_update_id)
        if ticker is None:
            continue
        if ticker.ask_price in asks:
            compared += 1
            assert (min(asks), asks[min(asks)]) == (ticker.ask_price, ticker.ask_quantity)
        if ticker.bid_price in bids:
            compared += 1
            assert (max(bids), bids[max(bids)]) == (ticker.bid_price, ticker.bid_quantity)
    assert compared == 164
    assert sequence.in_sync


def test_stream_recorded_buffered_before_its_snapshot_gives_the_same_book(diffs):
    """Diffs kept until the snapshot arrives, at whatever point, end in the same book."""
    whole = ({}, {})
    for diff in diffs:
        apply(whole, diff)
    for cut in (0, 1, 199, 399):
        book = ({}, {})
        for diff in diffs[:cut]:
            apply(book, diff)
        sequence = DepthSequence("SOL_USDC")
        assert [sequence.accept(diff) for diff in diffs] == [None] * len(diffs)
        for diff in sequence.start(diffs[cut].first_update_id - 1):
            apply(book, diff)
        assert book == whole
        assert sequence.last_update_id == diffs[-1].last_update_id


@pytest.mark.parametrize(
    ("body", "endpoint", "rows"),
    [
        ("markets.json", "GetMarkets", 176),
        ("tickers.json", "GetTickers", 130),
        ("klines.json", "GetKlines", 60),
        ("trades.json", "GetTrades", 10),
    ],
)
def test_list_recorded_decodes_row_by_row(requests, recording, body, endpoint, rows):
    """The whole body of the exchange, with all its rows."""
    assert len(parse_reply(requests[endpoint], 200, recording(body))) == rows


def test_depth_recorded_decodes_with_twenty_levels_a_side(requests, recording):
    """Ascending, with the best bid last and below the best ask."""
    depth = parse_reply(requests["GetDepth"], 200, recording("depth.json"))
    assert (len(depth.asks), len(depth.bids)) == (20, 20)
    assert depth.bids[0].price < depth.bids[-1].price < depth.asks[0].price


def test_klines_recorded_follow_each_other_minute_by_minute(requests, recording):
    """Each candle starts where the one before ended."""
    candles = parse_reply(requests["GetKlines"], 200, recording("klines.json"))
    for before, after in itertools.pairwise(candles):
        assert after.start_utc == before.end_utc
        assert models.milliseconds(after.end_utc) - models.milliseconds(after.start_utc) == 60_000


def test_markets_recorded_lose_no_digit(recording):
    """Every decimal reads back as the text that was sent."""
    markets = msgspec.json.decode(recording("markets.json"), type=list[models.Market])
    raw = msgspec.json.decode(recording("markets.json"))
    for market, row in zip(markets, raw, strict=True):
        price, quantity = market.filters.price, market.filters.quantity
        sent = row["filters"]
        assert price.tick_size == Decimal(sent["price"]["tickSize"])
        assert price.min_price == Decimal(sent["price"]["minPrice"])
        assert quantity.step_size == Decimal(sent["quantity"]["stepSize"])
        assert quantity.min_quantity == Decimal(sent["quantity"]["minQuantity"])
        assert (price.max_price is None) is (sent["price"]["maxPrice"] is None)
        assert (price.mean_mark_price_band is None) is (sent["price"]["meanMarkPriceBand"] is None)
