"""A diff that crosses the book shows that something was missed, though no update id was."""

from decimal import Decimal

import msgspec
import pytest

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
        ([("100.10", "0.00")], []),  # removing a level crosses nothing
        ([("100.09", "5.00")], []),
        ([("100.10", "5.00")], [("100.10", "0.00")]),  # the ask makes room in the same diff
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


async def test_side_that_is_empty_is_crossed_by_nothing(exchange, quote, start_trader, eventually):
    """Hummingbot's book raises when it has no price; the stream must not break on it."""
    quote("Bid", "99.90", "50")
    trader = await start_trader(exchange)
    quote("Bid", "120.00", "1")
    quote("Ask", "130.00", "1")
    source = trader.connector._orderbook_ds
    await eventually(lambda: source.metrics.total_diffs_processed == 2)
    assert best_prices(trader) == (120.0, 130.0)
    assert (source.crossings, source.gaps, source.stream.connects) == (0, 0, 1)
