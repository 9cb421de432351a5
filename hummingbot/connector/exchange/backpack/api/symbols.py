"""Backpack symbols and Hummingbot trading pairs.

A symbol is never taken apart: names such as ``AAPL.US_USDC_PERP`` or ``X_USDC_PREDICTION`` make
splitting at ``_`` wrong. Base and quote come from the market list.
"""

from collections.abc import Iterable
from decimal import Decimal

from .models import Market, MarketType, Symbol


def trading_pair_of(market: Market) -> str:
    """Hummingbot's name of a market, such as ``SOL-USDC``."""
    return f"{market.base_symbol}-{market.quote_symbol}"


def tradable_symbols(
    markets: Iterable[Market], market_type: MarketType = MarketType.SPOT
) -> dict[Symbol, str]:
    """Symbols of the markets that accept orders, with their trading pairs.

    Args:
        markets: rows of ``GET /api/v1/markets``, which mixes market types and lists closed markets.
        market_type: the only type to take.

    Returns:
        Symbol to trading pair, one to one. A base or quote with a hyphen cannot be written as a
        trading pair and is left out; of two markets with the same pair the first stays.
    """
    pairs: dict[Symbol, str] = {}
    seen: set[str] = set()
    for market in markets:
        pair = trading_pair_of(market)
        if (
            market.market_type is market_type
            and market.order_book_state.accepts_orders
            and pair.count("-") == 1
            and pair not in seen
        ):
            seen.add(pair)
            pairs[market.symbol] = pair
    return pairs


def plain(number: Decimal) -> str:
    """Decimal digits without an exponent, as the exchange wants them.

    ``0.000000001`` and never ``1E-9``.
    """
    return format(number, "f")
