"""A diff that crosses the book shows that something was missed, though no update id was."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack import backpack_book_watch
from hummingbot.connector.exchange.backpack.api.models import Depth
from hummingbot.connector.exchange.backpack.api.streams import DepthDiff
from hummingbot.connector.exchange.backpack.backpack_book_feed import BookFeed, BookRow
from hummingbot.core.data_type.order_book import OrderBook

PAIR = "SOL-USDC"


def diff_frame(update_id, *, bids=(), asks=()):
    """A depth frame as the exchange sends it."""
    data = {
        "E": 1_795_000_000_000_000,
        "T": 1_795_000_000_000_000,
        "U": update_id,
        "a": [list(level) for level in asks],
        "b": [list(level) for level in bids],
        "e": "depth",
        "s": "SOL_USDC",
        "u": update_id,
    }
    return msgspec.json.encode({"data": data, "stream": "depth.SOL_USDC"}).decode()


@pytest.fixture
def source(trader):
    return trader.connector._orderbook_ds


def feed_of(source):
    return source._feeds["SOL_USDC"]


def best_prices(trader):
    book = trader.connector.get_order_book(PAIR)
    return book.get_price(False), book.get_price(True)


async def test_crossed_book_is_loaded_again_and_not_ready_until_then(
    trader, source, quote, eventually
):
    """Bids at the ask cannot be: the pair is not ready, and then right again."""
    wrong_id = feed_of(source).sequence.last_update_id + 1
    source.on_message(diff_frame(wrong_id, bids=[("100.10", "5.00")]))
    assert not trader.connector.ready
    await eventually(lambda: trader.connector.ready)
    assert best_prices(trader) == (99.9, 100.1)
    assert source.crossings == 1
    quote("Bid", "99.95", "1")
    await eventually(lambda: best_prices(trader) == (99.95, 100.1))


async def test_ask_at_the_bid_crosses_too(trader, source, eventually):
    """The other side."""
    wrong_id = feed_of(source).sequence.last_update_id + 1
    source.on_message(diff_frame(wrong_id, asks=[("99.90", "5.00")]))
    assert source.crossings == 1
    await eventually(lambda: trader.connector.ready)
    assert best_prices(trader) == (99.9, 100.1)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([("100.50", "1.00")], [("101.00", "1.00")]),  # the bid crosses the ask that was there
        ([("99.00", "1.00")], [("99.90", "1.00")]),  # the ask crosses the bid that was there
        ([("100.05", "1.00")], [("100.02", "1.00")]),  # they cross each other
        ([("100.10", "5.00")], [("100.10", "0.00"), ("100.09", "1.00")]),  # too little room
    ],
)
async def test_diff_of_both_sides_crosses_too(trader, source, eventually, bids, asks):
    """Hummingbot's book would drop the older level without a word."""
    wrong_id = feed_of(source).sequence.last_update_id + 1
    source.on_message(diff_frame(wrong_id, bids=bids, asks=asks))
    assert not trader.connector.ready
    assert source.crossings == 1
    await eventually(lambda: trader.connector.ready)
    assert best_prices(trader) == (99.9, 100.1)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([("100.10", "0.00")], []),  # removing a level crosses nothing
        ([("100.09", "5.00")], []),
        ([("100.10", "5.00")], [("100.10", "0.00")]),  # the ask makes room in the same diff
        ([("99.90", "0.00")], [("99.90", "5.00")]),  # so does the bid
        ([("99.95", "5.00")], [("100.05", "5.00")]),
    ],
)
async def test_what_does_not_cross_is_applied(trader, source, bids, asks):
    """No book is loaded without need."""
    feed = feed_of(source)
    update_id = feed.sequence.last_update_id + 1
    source.on_message(diff_frame(update_id, bids=bids, asks=asks))
    assert source.crossings == 0
    assert feed.sequence.last_update_id == update_id


async def test_market_that_stays_crossed_is_not_loaded_without_end(trader, source):
    """The first time at once, then with growing pauses."""
    feed = feed_of(source)
    pauses_s = [feed.pause_after_fault_s(now_s) for now_s in (1000.0, 1001.0, 1002.0, 1003.0)]
    assert pauses_s[0] == 0
    assert 0 < pauses_s[1] < pauses_s[2] < pauses_s[3]
    assert feed.pause_after_fault_s(1100.0) == 0
    assert Decimal(str(best_prices(trader)[0])) == Decimal("99.9")


async def test_side_that_is_empty_is_crossed_by_nothing(
    exchange, quote, start_trader, eventually, monkeypatch
):
    """Hummingbot's book raises when it has no price; the stream must not break on it."""
    monkeypatch.setattr(backpack_book_watch, "TICK_S", 0.05)
    quote("Bid", "99.90", "50")
    trader = await start_trader(exchange)
    quote("Bid", "120.00", "1")
    quote("Ask", "130.00", "1")
    source = trader.connector._orderbook_ds
    await eventually(lambda: source.metrics.total_diffs_processed == 2)
    assert best_prices(trader) == (120.0, 130.0)
    assert (source.crossings, source.gaps, source.stream.connects) == (0, 0, 1)


# === against a book of plain numbers

TICKS = st.integers(1, 12)
ROWS = st.dictionaries(TICKS, st.integers(0, 2), max_size=3)


def rows_of(levels):
    return [BookRow(float(price), float(amount)) for price, amount in levels.items()]


def changed(levels, change):
    return {price: amount for price, amount in (levels | change).items() if amount}


def crosses(bids, asks):
    return bool(bids and asks) and max(bids) >= min(asks)


@given(st.lists(st.tuples(ROWS, ROWS), max_size=20))
def test_book_is_right_or_known_to_be_crossed(changes):
    """Whatever comes, on one side or on both: the levels told, or False."""
    feed = BookFeed("SOL_USDC", "SOL-USDC")
    feed.book = OrderBook()
    feed.load(Depth[BookRow](asks=[], bids=[], last_update_id=0, timestamp_us=0), [])
    bids, asks = {}, {}
    for update_id, (bid_change, ask_change) in enumerate(changes, start=1):
        bids, asks = changed(bids, bid_change), changed(asks, ask_change)
        diff = DepthDiff[BookRow](
            event_time_us=0,
            symbol="SOL_USDC",
            first_update_id=update_id,
            last_update_id=update_id,
            bids=rows_of(bid_change),
            asks=rows_of(ask_change),
        )
        assert feed.on_diff(diff) is not crosses(bids, asks)
        if crosses(bids, asks):
            return
        assert {row.price: row.amount for row in feed.book.bid_entries()} == bids
        assert {row.price: row.amount for row in feed.book.ask_entries()} == asks
