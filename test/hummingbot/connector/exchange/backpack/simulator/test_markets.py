"""The table of markets, compared with the recorded list where that is at hand."""

import os
from pathlib import Path

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api.models import Market, MarketType, OrderBookState
from hummingbot.connector.exchange.backpack.simulator.markets import (
    known_markets,
    reference_price,
)

REPOSITORY = Path(__file__).resolve().parents[6]
SHARED = Path(os.environ.get("BACKPACK_SHARED") or REPOSITORY.parent / "shared")
RECORDED = SHARED / "exchange" / "recordings" / "markets.json"

MARKETS = known_markets()


def test_list_mixes_spot_and_perpetual_open_and_closed_markets():
    kinds = [(market.market_type, market.order_book_state) for market in MARKETS]

    assert kinds.count((MarketType.SPOT, OrderBookState.OPEN)) >= 20
    assert kinds.count((MarketType.SPOT, OrderBookState.CLOSED)) >= 1
    assert kinds.count((MarketType.PERP, OrderBookState.OPEN)) >= 3
    assert len({market.symbol for market in MARKETS}) == len(MARKETS)


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.symbol)
def test_reference_price_fits_the_market(market):
    price, filters = reference_price(market.symbol), market.filters.price

    assert price % filters.tick_size == 0
    assert price >= filters.min_price
    assert filters.max_price is None or price <= filters.max_price


def test_reference_price_of_an_unknown_market_is_an_error():
    with pytest.raises(KeyError):
        reference_price("NO_SUCH")


def test_traps_of_the_recorded_list_are_there():
    by_symbol = {market.symbol: market for market in MARKETS}

    assert by_symbol["BTC_USDC"].funding_interval_ms == 28_800_000, "spot with an interval"
    pyth = by_symbol["PYTH_USDC"].filters.price
    assert pyth.min_price != pyth.tick_size
    assert by_symbol["SEND_USDC"].filters.quantity.min_quantity == 1
    assert by_symbol["BP_USDC"].filters.price.mean_mark_price_band is None
    assert by_symbol["MU.US_USDC_PERP"].base_symbol == "MU.US"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not at hand")
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.symbol)
def test_rules_of_orders_are_those_recorded(market):
    recorded = msgspec.json.decode(RECORDED.read_bytes(), type=list[Market], strict=False)
    same = next(row for row in recorded if row.symbol == market.symbol)

    assert market.filters.quantity == same.filters.quantity
    for rule in (
        "tick_size",
        "min_price",
        "max_price",
        "min_impact_multiplier",
        "max_impact_multiplier",
        "mean_mark_price_band",
        "mean_premium_band",
    ):
        assert getattr(market.filters.price, rule) == getattr(same.filters.price, rule)
    for field in (
        "base_symbol",
        "quote_symbol",
        "market_type",
        "order_book_state",
        "visible",
        "funding_interval_ms",
        "funding_rate_lower_bound_bps",
        "funding_rate_upper_bound_bps",
        "imf_function",
        "mmf_function",
        "position_limit_weight",
        "rwa_market_type",
    ):
        assert getattr(market, field) == getattr(same, field)
