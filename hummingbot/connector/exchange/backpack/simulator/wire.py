"""Engine values as the exchange's REST bodies: alphabetical keys, unpadded decimals, ids as text.

Public data and what all bodies share; orders and funds are in `wire_account`, stream frames in
`wire_streams`. Knows nothing of HTTP and sockets.
"""

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache

import msgspec

from ..api.models import MarginFunction, Market, PriceFilters
from .events import TradeEvent
from .statistics import Candle, TickerFigures

type Json = dict[str, object]
type Levels = Sequence[tuple[Decimal, Decimal]]

US_PER_MS = 1_000
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (the exchange's times are naive and mean UTC)

encode = msgspec.json.encode
"""JSON bytes of a dictionary, keys in the order they were put in."""


def number(value: Decimal) -> str:
    """Digits without exponent and trailing zeros, as REST bodies write every decimal."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def optional(value: Decimal | None) -> str | None:
    """As `number`; ``None`` stays JSON null."""
    return None if value is None else number(value)


@cache
def decimals(increment: Decimal) -> int:
    """How many digits after the point a tick or step has: 2 for 0.01, 0 for 10000."""
    text = number(increment)
    return len(text.partition(".")[2])


def naive_iso(time_us: int) -> str:
    """``2026-09-01T17:54:04.094``: UTC without a zone; no fraction on a whole second."""
    moment = _EPOCH + datetime.timedelta(milliseconds=time_us // US_PER_MS)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def spaced(time_s: int) -> str:
    """``2026-09-01 16:52:00``: the form of candle times on the REST interface, UTC."""
    return (_EPOCH + datetime.timedelta(seconds=time_s)).isoformat(sep=" ", timespec="seconds")


def error(code: str, message: str) -> bytes:
    """Body of an error that the exchange answers in JSON."""
    return encode({"code": code, "message": message})


def market(row: Market) -> Json:
    """One row of ``/api/v1/markets``."""
    quantity = row.filters.quantity
    return {
        "baseSymbol": row.base_symbol,
        "createdAt": row.created_at_utc and row.created_at_utc.isoformat(),
        "filters": {
            "price": _price_filters(row.filters.price),
            "quantity": {
                "maxQuantity": optional(quantity.max_quantity),
                "minQuantity": number(quantity.min_quantity),
                "stepSize": number(quantity.step_size),
            },
        },
        "fundingInterval": row.funding_interval_ms,
        "fundingRateLowerBound": optional(row.funding_rate_lower_bound_bps),
        "fundingRateUpperBound": optional(row.funding_rate_upper_bound_bps),
        "imfFunction": _margin_function(row.imf_function),
        "marketType": row.market_type.value,
        "mmfFunction": _margin_function(row.mmf_function),
        "openInterestLimit": optional(row.open_interest_limit),
        "orderBookState": row.order_book_state.value,
        "positionLimitWeight": optional(row.position_limit_weight),
        "quoteSymbol": row.quote_symbol,
        "rwaMarketType": row.rwa_market_type,
        "symbol": row.symbol,
        "visible": row.visible,
    }


def _price_filters(filters: PriceFilters) -> Json:
    band, premium = filters.mean_mark_price_band, filters.mean_premium_band
    return {
        "borrowEntryFeeMaxMultiplier": optional(filters.borrow_entry_fee_max_multiplier),
        "borrowEntryFeeMinMultiplier": optional(filters.borrow_entry_fee_min_multiplier),
        "discoveryBoundBand": None,
        "maxImpactMultiplier": optional(filters.max_impact_multiplier),
        "maxMultiplier": optional(filters.max_multiplier),
        "maxPrice": optional(filters.max_price),
        "maxPriceUpdateMultiplier": optional(filters.max_price_update_multiplier),
        "meanMarkPriceBand": band
        and {
            "maxMultiplier": number(band.max_multiplier),
            "minMultiplier": number(band.min_multiplier),
        },
        "meanPremiumBand": premium and {"tolerancePct": number(premium.tolerance_pct)},
        "minImpactMultiplier": optional(filters.min_impact_multiplier),
        "minMultiplier": optional(filters.min_multiplier),
        "minPrice": number(filters.min_price),
        "minPriceUpdateMultiplier": optional(filters.min_price_update_multiplier),
        "tickSize": number(filters.tick_size),
    }


def _margin_function(function: MarginFunction | None) -> Json | None:
    if function is None:
        return None
    return {
        "base": number(function.base),
        "factor": number(function.factor),
        "type": function.type,
    }


def depth(bids: Levels, asks: Levels, last_update_id: int, time_us: int) -> Json:
    """``/api/v1/depth``: both sides ascending by price, the id as text, the time in µs."""
    return {
        "asks": [(number(price), number(quantity)) for price, quantity in asks],
        "bids": [(number(price), number(quantity)) for price, quantity in bids],
        "lastUpdateId": str(last_update_id),
        "timestamp": time_us,
    }


def trade(event: TradeEvent) -> Json:
    """One row of ``/api/v1/trades``; `timestamp` in ms."""
    return {
        "id": event.trade_id,
        "isBuyerMaker": event.is_buyer_maker,
        "price": number(event.price),
        "quantity": number(event.quantity),
        "quoteQuantity": number(event.price * event.quantity),
        "timestamp": event.time_us // US_PER_MS,
    }


def ticker(figures: TickerFigures) -> Json:
    """``/api/v1/ticker``; `priceChangePercent` is a fraction of six decimals, `trades` text."""
    change = figures.last_price - figures.first_price
    fraction = (change / figures.first_price).quantize(Decimal("0.000001"))
    return {
        "firstPrice": number(figures.first_price),
        "high": number(figures.high),
        "lastPrice": number(figures.last_price),
        "low": number(figures.low),
        "priceChange": number(change),
        "priceChangePercent": number(fraction),
        "quoteVolume": number(figures.quote_volume),
        "symbol": figures.symbol,
        "trades": str(figures.trades),
        "volume": number(figures.volume),
    }


def kline(candle: Candle) -> Json:
    """One row of ``/api/v1/klines``: null prices when nothing traded, `trades` is text."""
    return {
        "close": optional(candle.close),
        "end": spaced(candle.end_s),
        "high": optional(candle.high),
        "low": optional(candle.low),
        "open": optional(candle.open),
        "quoteVolume": number(candle.quote_volume),
        "start": spaced(candle.start_s),
        "trades": str(candle.trades),
        "volume": number(candle.volume),
    }


def assets(symbols: Iterable[str]) -> list[Json]:
    """``/api/v1/assets``: names only; without blockchains nothing moves in or out."""
    return [
        {"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": []}
        for symbol in sorted(symbols)
    ]
