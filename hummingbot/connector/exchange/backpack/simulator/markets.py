"""The markets of the local exchange: a table of our own with parameters as the exchange had them.

Figures of 1 September 2026. All are quoted in USDC. Columns: `tick`, `least` and `most` are prices
(quote per base), `impact` the factor that a market order may go past the best price, `low` and
`high` the band around the mark price as factors, `step` and `fewest` quantities (base units),
`hours` the funding interval, which some spot markets have, too, and `price` a price to start from.
A dash means that the market has no such rule.
"""

import datetime
from decimal import Decimal
from typing import Final

from ..api.models import (
    MarginFunction,
    Market,
    MarketFilters,
    MarketType,
    OrderBookState,
    PremiumBand,
    PriceBand,
    PriceFilters,
    QuantityFilters,
    Symbol,
)

_SPOT: Final = """
base   state  tick        least       most  impact low  high step    fewest  hours price
SOL    Open   0.01        0.01        -     1.01   0.97 1.03 0.01    0.01    -     100.67
PYTH   Open   0.000001    0.001       -     1.05   0.85 1.15 1       1       8     0.050537
JTO    Open   0.00001     0.1         -     1.05   0.85 1.15 1       1       8     0.42028
HNT    Closed 0.001       0.1         -     1.05   0.85 1.15 0.1     0.1     -     2.5
MOBILE Closed 0.0000001   0.0000001   -     1.05   0.85 1.15 1       1       8     0.0002
BONK   Open   0.000000001 0.000000001 -     1.05   0.85 1.15 10000   10000   8     0.000003138
WIF    Open   0.00001     0.0001      -     1.05   0.85 1.15 0.1     0.1     8     0.1982
USDT   Open   0.0001      0.1         -     1.005  0.99 1.01 1       1       -     0.9998
JUP    Open   0.00001     0.0001      -     1.03   0.88 1.24 0.1     0.1     -     0.21688
RENDER Open   0.0001      0.001       -     1.05   0.85 1.15 0.1     0.1     8     1.4372
BTC    Open   0.1         0.1         -     1.01   0.97 1.03 0.00001 0.00001 8     77420.6
W      Open   0.000001    0.0001      -     1.05   0.85 1.15 10      10      -     0.00959
KMNO   Open   0.000001    0.00001     -     1.05   0.85 1.15 10      10      -     0.02405
ETH    Open   0.01        0.01        -     1.01   0.97 1.03 0.0001  0.0001  -     2424
DRIFT  Closed 0.0001      0.0001      -     1.05   0.85 1.15 0.01    0.01    -     0.4
PEPE   Open   0.000000001 0.000000001 -     1.05   0.85 1.15 10000   10000   8     0.00000352
SHIB   Open   0.000000001 0.000000001 -     1.05   0.85 1.15 10000   10000   8     0.000005092
LINK   Open   0.001       0.001       -     1.05   0.85 1.15 0.1     0.1     8     11.373
UNI    Open   0.0001      0.001       -     1.05   0.85 1.15 0.1     0.1     8     5.7618
ONDO   Open   0.00001     0.0001      -     1.05   0.85 1.15 0.1     0.1     8     0.34412
STRK   Open   0.000001    0.0001      -     1.05   0.85 1.15 10      10      -     0.026573
WLD    Open   0.00001     0.0001      -     1.05   0.85 1.15 1       1       -     0.36111
ZRO    Open   0.0001      0.0001      -     1.05   0.85 1.15 1       1       -     1.01
LDO    Open   0.00001     0.0001      -     1.05   0.85 1.15 1       1       8     0.36819
AAVE   Open   0.01        0.01        -     1.05   0.85 1.15 0.01    0.01    -     124.73
CLOUD  Open   0.000001    0.0001      -     1.05   0.85 1.15 10      10      -     0.026909
GOAT   Closed 0.0001      0.0001      -     1.05   0.85 1.15 0.01    0.01    -     0.05
ENA    Open   0.00001     0.0001      -     1.05   0.85 1.15 0.1     0.1     -     0.15986
PENGU  Open   0.000001    0.00001     -     1.05   0.85 1.15 100     100     -     0.008623
TRUMP  Open   0.0001      0.001       -     1.05   0.85 1.15 0.01    0.01    -     2.374
SUI    Open   0.0001      0.0001      -     1.05   0.85 1.15 0.1     0.1     -     0.7333
WAL    Open   0.00001     0.0001      -     1.03   0.85 1.15 1       1       -     0.02529
SEND   Closed 0.0001      0.0001      -     1.06   0.76 1.24 0.1     1       -     0.35
BLUE   Open   0.000001    0.00001     -     1.03   0.85 1.15 10      10      -     0.009788
PUMP   Open   0.0000001   0.000001    1000  1.03   0.9  1.1  100     100     -     0.0042928
SEI    Open   0.00001     0.00001     1000  1.03   0.9  1.1  1       1       -     0.04638
DOGE   Open   0.00001     0.00001     1000  1.05   0.9  1.1  1       1       -     0.08234
XRP    Open   0.0001      0.0001      1000  1.03   0.94 1.06 0.1     0.1     -     1.3657
APT    Open   0.0001      0.001       1000  1.04   0.94 1.06 0.1     0.1     -     0.5622
WLFI   Open   0.00001     0.0001      1000  1.05   0.91 1.09 1       1       -     0.05683
0G     Open   0.00001     0.0001      1000  1.05   0.82 1.18 1       1       -     0.19961
XPL    Open   0.00001     0.0001      1000  1.05   0.88 1.12 1       1       -     0.08687
HYPE   Open   0.001       0.001       1000  1.04   0.94 1.06 0.01    0.01    -     81.994
2Z     Open   0.00001     0.00001     1000  1.05   0.88 1.12 1       1       -     0.05363
BNB    Open   0.01        0.1         5000  1.03   0.97 1.03 0.001   0.001   -     683.47
MET    Open   0.00001     0.0001      1000  1.05   0.91 1.09 1       1       -     0.19024
MON    Open   0.000001    0.000001    1000  1.05   0.91 1.09 10      10      -     0.026103
STABLE Open   0.000001    0.000001    1000  1.05   0.88 1.12 10      10      -     0.029219
FOGO   Open   0.000001    0.000001    1000  1.05   0.85 1.15 10      10      -     0.007314
SKR    Open   0.000001    0.0000001   1000  1.05   0.85 1.15 100     100     -     0.023508
PAXG   Open   0.1         0.1         20000 1.03   0.95 1.05 0.0001  0.0001  -     4349.5
ZEC    Open   0.01        0.01        10000 1.04   0.95 1.05 0.01    0.01    -     838.42
BP     Open   0.00001     0.00001     1000  1.05   -    -    1       1       -     0.41962
MU.US  Open   0.01        0.01        10000 1.01   0.95 1.05 0.01    0.01    -     937.93
TRX    Open   0.00001     0.00001     1000  1.03   0.95 1.05 1       1       -     0.32279
"""

_PERP: Final = """
base  state tick      least    most    impact low  high step    fewest  hours price
SOL   Open  0.01      0.01     1000    1.01   0.9  1.1  0.01    0.01    1     100.61
BTC   Open  0.1       0.1      1000000 1.01   0.94 1.06 0.00001 0.00001 1     77346.3
ETH   Open  0.01      0.01     1000000 1.01   0.92 1.09 0.0001  0.0001  1     2422.07
XRP   Open  0.0001    0.000001 1000    1.03   0.94 1.06 0.0001  0.0001  1     1.3646
DOGE  Open  0.00001   0.00001  1000    1.03   0.9  1.12 0.01    0.01    1     0.08217
kPEPE Open  0.0000001 0.000001 1000    1.03   0.9  1.1  100     100     1     0.0034864
MU.US Open  0.01      0.01     5000    1.01   0.95 1.05 0.001   0.001   1     936.24
"""

# Margin functions (initial and maintenance: base and factor), bound of the funding rate (basis
# points), limit of the open interest (base units), weight of the position limit.
_MARGIN: Final = """
base  initial    initial_factor maintenance maintenance_factor bound open       weight
SOL   0.02       0.000075       0.0135      0.0000375          100   4000000    1
BTC   0.01333333 0.00002494     0.00666667  0.00001496         100   4000       1
ETH   0.02       0.00004214     0.01111111  0.00002528         100   64000      1
XRP   0.04       0.00006705     0.02        0.00004023         150   10000000   4
DOGE  0.05       0.0001192      0.03333333  0.00007152         150   160000000  4
kPEPE 0.06666667 0.00015676     0.03333333  0.00009406         150   1200000000 4
MU.US 0.1        0.0006         0.05        0.00036            150   42000      20
"""

_QUOTE: Final = "USDC"
_LISTED_UTC: Final = datetime.datetime(2025, 1, 21, 6, 34, 54, 691858)  # noqa: DTZ001 (as sent)
_MS_PER_HOUR: Final = 3_600_000
_BORROW_ENTRY: Final = PriceBand(min_multiplier=Decimal("0.99"), max_multiplier=Decimal("1.01"))


def known_markets() -> list[Market]:
    """All markets, spot and perpetual ones, some of them closed."""
    margins = {row["base"]: row for row in _rows(_MARGIN)}
    spot = [_market(row, None) for row in _rows(_SPOT)]
    return spot + [_market(row, margins[row["base"]]) for row in _rows(_PERP)]


def reference_price(symbol: Symbol) -> Decimal:
    """Price to start from, in quote units per base unit.

    Raises:
        KeyError: not one of `known_markets`.
    """
    return _REFERENCE_PRICES[symbol]


def _rows(table: str) -> list[dict[str, str]]:
    names, *rows = (line.split() for line in table.strip().splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def _number(text: str) -> Decimal | None:
    return None if text == "-" else Decimal(text)


def _market(row: dict[str, str], margin: dict[str, str] | None) -> Market:
    hours = row["hours"]
    bound = None if margin is None else Decimal(margin["bound"])
    return Market(
        symbol=_symbol(row, margin),
        base_symbol=row["base"],
        quote_symbol=_QUOTE,
        market_type=MarketType.SPOT if margin is None else MarketType.PERP,
        filters=MarketFilters(
            price=_price_filters(row, is_spot=margin is None),
            quantity=QuantityFilters(
                min_quantity=Decimal(row["fewest"]), step_size=Decimal(row["step"])
            ),
        ),
        order_book_state=OrderBookState(row["state"]),
        # Closed markets stay visible on the exchange: a client must go by the state.
        visible=True,
        created_at_utc=_LISTED_UTC,
        funding_interval_ms=None if hours == "-" else int(hours) * _MS_PER_HOUR,
        funding_rate_lower_bound_bps=None if bound is None else -bound,
        funding_rate_upper_bound_bps=bound,
        imf_function=None if margin is None else _margin(margin, "initial"),
        mmf_function=None if margin is None else _margin(margin, "maintenance"),
        open_interest_limit=Decimal(0) if margin is None else Decimal(margin["open"]),
        position_limit_weight=None if margin is None else Decimal(margin["weight"]),
        rwa_market_type="STOCK" if row["base"].endswith(".US") else None,
    )


def _symbol(row: dict[str, str], margin: dict[str, str] | None) -> Symbol:
    return Symbol(f"{row['base']}_{_QUOTE}" + ("" if margin is None else "_PERP"))


def _price_filters(row: dict[str, str], *, is_spot: bool) -> PriceFilters:
    impact = Decimal(row["impact"])
    low, high = _number(row["low"]), _number(row["high"])
    is_open = row["state"] == OrderBookState.OPEN
    return PriceFilters(
        tick_size=Decimal(row["tick"]),
        min_price=Decimal(row["least"]),
        max_price=_number(row["most"]),
        # Against the last price: as recorded, wide on open markets, narrower on closed ones.
        min_multiplier=Decimal("0.25") if is_open else Decimal("0.75"),
        max_multiplier=Decimal(2) if is_open else Decimal("1.25"),
        min_impact_multiplier=2 - impact,
        max_impact_multiplier=impact,
        mean_mark_price_band=(
            None
            if low is None or high is None
            else PriceBand(min_multiplier=low, max_multiplier=high)
        ),
        mean_premium_band=None if is_spot else PremiumBand(tolerance_pct=Decimal("0.05")),
        borrow_entry_fee_min_multiplier=_BORROW_ENTRY.min_multiplier if is_spot else None,
        borrow_entry_fee_max_multiplier=_BORROW_ENTRY.max_multiplier if is_spot else None,
    )


def _margin(row: dict[str, str], kind: str) -> MarginFunction:
    return MarginFunction(
        base=Decimal(row[kind]), factor=Decimal(row[f"{kind}_factor"]), type="sqrt"
    )


_REFERENCE_PRICES: Final = {
    _symbol(row, margin): Decimal(row["price"])
    for table, margin in ((_SPOT, None), (_PERP, {}))
    for row in _rows(table)
}
