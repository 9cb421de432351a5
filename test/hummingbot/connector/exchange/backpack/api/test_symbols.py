"""Symbols and trading pairs."""

import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import symbols
from hummingbot.connector.exchange.backpack.api.models import Market, MarketType, OrderBookState


@pytest.fixture(scope="module")
def ours(rest_payloads, as_sent):
    """Our own market list."""
    return msgspec.json.decode(as_sent(rest_payloads["GetMarkets"][0]), type=list[Market])


@pytest.fixture(scope="module")
def recorded(recording):
    """The market list as recorded."""
    return msgspec.json.decode(recording("markets.json"), type=list[Market])


def test_tradable_symbols_leaves_out_what_accepts_no_orders(ours):
    """Closed and cancel-only markets are not offered, other market types neither."""
    assert symbols.tradable_symbols(ours) == {
        "ABC_USDC": "ABC-USDC",
        "TINY_USDC": "TINY-USDC",
        "CALM_USDC": "CALM-USDC",
        "SLOW_USDC": "SLOW-USDC",
        "STOCK.US_USDC": "STOCK.US-USDC",
    }


def test_tradable_symbols_of_perpetuals_have_the_pair_of_their_assets(ours):
    """The suffix of the symbol is not part of the pair."""
    assert symbols.tradable_symbols(ours, MarketType.PERP) == {"ABC_USDC_PERP": "ABC-USDC"}


def test_tradable_symbols_of_two_markets_with_one_pair_keeps_the_first(ours):
    """The result can be turned round."""
    twin = msgspec.structs.replace(ours[0], symbol="ABC_USDC_2")
    assert list(symbols.tradable_symbols([ours[0], twin])) == ["ABC_USDC"]
    assert list(symbols.tradable_symbols([twin, ours[0]])) == ["ABC_USDC_2"]


def test_tradable_symbols_of_an_unwritable_pair_is_left_out(ours):
    """A hyphen within an asset would make the pair ambiguous."""
    hyphenated = msgspec.structs.replace(ours[0], base_symbol="A-BC")
    assert symbols.tradable_symbols([hyphenated]) == {}


def test_tradable_symbols_does_not_go_by_visibility(ours):
    """`visible` is a hint for front ends only."""
    hidden = msgspec.structs.replace(ours[0], visible=False)
    assert symbols.tradable_symbols([hidden]) == {"ABC_USDC": "ABC-USDC"}


ASSET = st.text("ABk.0_x", min_size=1, max_size=5)


@given(
    st.lists(st.tuples(ASSET, ASSET, st.sampled_from(MarketType), st.sampled_from(OrderBookState)))
)
def test_tradable_symbols_is_one_to_one_for_any_market_list(ours, rows):
    """Whatever the names, a pair leads back to its symbol and to the assets."""
    markets = [
        msgspec.structs.replace(
            ours[0],
            symbol=f"{base}_{quote}_{number}",
            base_symbol=base,
            quote_symbol=quote,
            market_type=kind,
            order_book_state=state,
        )
        for number, (base, quote, kind, state) in enumerate(rows)
    ]
    pairs = symbols.tradable_symbols(markets)
    assert len(set(pairs.values())) == len(pairs)
    for market in markets:
        if market.symbol in pairs:
            assert pairs[market.symbol].split("-") == [market.base_symbol, market.quote_symbol]
            assert market.order_book_state.accepts_orders


@pytest.mark.parametrize("kind", [MarketType.SPOT, MarketType.PERP])
def test_tradable_symbols_over_all_recorded_markets_round_trip(recorded, kind):
    """Every open market of the recording has a pair of its own that leads back to it."""
    pairs = symbols.tradable_symbols(recorded, kind)
    back = {pair: symbol for symbol, pair in pairs.items()}
    open_markets = [
        market
        for market in recorded
        if market.market_type is kind and market.order_book_state is OrderBookState.OPEN
    ]
    assert len(pairs) == len(back) == len(open_markets) > 50
    for market in open_markets:
        assert back[symbols.trading_pair_of(market)] == market.symbol


def test_tradable_symbols_of_the_recording_resist_naive_splitting(recorded):
    """Names with dots, digits and lower case are there, and told apart by the market list alone."""
    pairs = symbols.tradable_symbols(recorded, MarketType.PERP)
    assert pairs["kPEPE_USDC_PERP"] == "kPEPE-USDC"
    assert any("." in pair for pair in pairs.values())
    assert symbols.tradable_symbols(recorded)["0G_USDC"] == "0G-USDC"


def test_markets_recorded_are_all_there_with_the_facts_of_their_states(recorded):
    """176 rows: 87 spot, 89 perpetual, 136 open and 40 closed."""
    assert len(recorded) == 176
    assert sum(market.market_type is MarketType.SPOT for market in recorded) == 87
    assert sum(market.order_book_state is OrderBookState.CLOSED for market in recorded) == 40
    assert {market.order_book_state for market in recorded} == {
        OrderBookState.OPEN,
        OrderBookState.CLOSED,
    }
    ticks = [market.filters.price.tick_size for market in recorded]
    assert (min(ticks), max(ticks)) == (Decimal("0.000000001"), Decimal("0.1"))
    steps = [market.filters.quantity.step_size for market in recorded]
    assert (min(steps), max(steps)) == (Decimal("0.00001"), 10_000)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E-9", "0.000000001"),
        ("0.000000001", "0.000000001"),
        ("1E+4", "10000"),
        ("2.50", "2.50"),
        ("0", "0"),
        ("-12.5", "-12.5"),
        ("0E-8", "0.00000000"),
    ],
)
def test_plain_writes_digits_without_an_exponent(number, text):
    """The exchange reads no exponents."""
    assert symbols.plain(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_plain_of_any_number_reads_back_as_the_same_number(number):
    """Nothing is rounded."""
    text = symbols.plain(number)
    assert Decimal(text) == number
    assert set(text) <= set("-0123456789.")


def test_plain_of_every_recorded_tick_times_any_count_has_no_exponent(recorded):
    """Ticks and steps are what prices and quantities are made of."""
    for market, count in itertools.product(recorded, (1, 7, 10**9)):
        for unit in (market.filters.price.tick_size, market.filters.quantity.step_size):
            assert "E" not in symbols.plain(unit * count)
