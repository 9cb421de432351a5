"""REST payloads as typed values.

Every price, quantity and fee is a `Decimal`. Every time field carries its unit in its name: `*_ms`
and `*_us` are integers since the Unix epoch, `*_utc` is a naive `datetime` in UTC (the exchange
sends no zone). Unknown keys are ignored, so that the exchange may add fields; unknown order states
are refused, because guessing one could end a live order.
"""

import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType, override

import msgspec

Symbol = NewType("Symbol", str)
"""A market in Backpack's notation, such as ``SOL_USDC`` or ``SOL_USDC_PERP``."""


class Side(StrEnum):
    """Side of an order or fill."""

    BID = "Bid"
    ASK = "Ask"


class OrderType(StrEnum):
    """Kind of order on the REST interface (streams spell it in capitals)."""

    LIMIT = "Limit"
    MARKET = "Market"

    @classmethod
    @override
    def _missing_(cls, value: object) -> "OrderType | None":
        return {"LIMIT": cls.LIMIT, "MARKET": cls.MARKET}.get(str(value))


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTradePrevention(StrEnum):
    """Which side is refused when an account would trade with itself."""

    REJECT_TAKER = "RejectTaker"
    REJECT_MAKER = "RejectMaker"
    REJECT_BOTH = "RejectBoth"
    ALLOW = "Allow"


class OrderStatus(StrEnum):
    """State of an order. Strict: a state that is not listed here does not decode."""

    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    TRIGGER_PENDING = "TriggerPending"
    TRIGGER_FAILED = "TriggerFailed"
    TRIGGERED = "Triggered"

    @property
    def is_terminal(self) -> bool:
        """Whether the order can never change again."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.TRIGGER_FAILED}
)


class MarketType(StrEnum):
    """Kind of market; `UNKNOWN` stands for a kind this version does not know."""

    SPOT = "SPOT"
    PERP = "PERP"
    IPERP = "IPERP"
    DATED = "DATED"
    PREDICTION = "PREDICTION"
    RFQ = "RFQ"
    UNKNOWN = "UNKNOWN"

    @classmethod
    @override
    def _missing_(cls, value: object) -> "MarketType":
        return cls.UNKNOWN


class OrderBookState(StrEnum):
    """What a market accepts; `UNKNOWN` must be treated as not tradable."""

    OPEN = "Open"
    CLOSED = "Closed"
    CANCEL_ONLY = "CancelOnly"
    LIMIT_ONLY = "LimitOnly"
    POST_ONLY = "PostOnly"
    UNKNOWN = "Unknown"

    @classmethod
    @override
    def _missing_(cls, value: object) -> "OrderBookState":
        return cls.UNKNOWN

    @property
    def accepts_orders(self) -> bool:
        """Whether at least one kind of new order is accepted."""
        return self in {OrderBookState.OPEN, OrderBookState.LIMIT_ONLY, OrderBookState.POST_ONLY}


class SystemStatus(StrEnum):
    """Reply of ``/api/v1/status``."""

    OK = "Ok"
    MAINTENANCE = "Maintenance"


class SortDirection(StrEnum):
    """Order of history rows; the exchange defaults to newest first."""

    ASC = "Asc"
    DESC = "Desc"


class FillType(StrEnum):
    """Origin of a fill, as a filter of the fill history."""

    USER = "User"
    BOOK_LIQUIDATION = "BookLiquidation"
    ADL = "Adl"
    BACKSTOP = "Backstop"
    LIQUIDATION = "Liquidation"
    ALL_LIQUIDATION = "AllLiquidation"
    COLLATERAL_CONVERSION = "CollateralConversion"
    COLLATERAL_CONVERSION_AND_SPOT_LIQUIDATION = "CollateralConversionAndSpotLiquidation"


class KlinePriceType(StrEnum):
    """Price that a candle follows."""

    LAST = "Last"
    INDEX = "Index"
    MARK = "Mark"


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all REST payloads: immutable, camel-case on the wire, unknown keys ignored."""


class Status(Model, frozen=True, kw_only=True):
    """``GET /api/v1/status``."""

    status: SystemStatus
    message: str | None = None


class PriceBand(Model, frozen=True, kw_only=True):
    """Bounds of an order's price, as factors of the mean mark price."""

    min_multiplier: Decimal
    max_multiplier: Decimal


class PremiumBand(Model, frozen=True, kw_only=True):
    """Bound of a perpetual's premium over its index."""

    tolerance_pct: Decimal


class PriceFilters(Model, frozen=True, kw_only=True):
    """Price rules of a market. ``None`` means that the rule does not apply.

    `min_price` is not a multiple of `tick_size` in general. The multipliers bound an order's price:
    the plain pair against the last active price, the impact pair how far past the best ask or bid a
    market order may go, and `mean_mark_price_band` against the mean mark price.
    """

    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal | None = None
    min_multiplier: Decimal | None = None
    max_multiplier: Decimal | None = None
    min_impact_multiplier: Decimal | None = None
    max_impact_multiplier: Decimal | None = None
    min_price_update_multiplier: Decimal | None = None
    max_price_update_multiplier: Decimal | None = None
    mean_mark_price_band: PriceBand | None = None
    mean_premium_band: PremiumBand | None = None
    borrow_entry_fee_min_multiplier: Decimal | None = None
    borrow_entry_fee_max_multiplier: Decimal | None = None


class QuantityFilters(Model, frozen=True, kw_only=True):
    """Quantity rules of a market, in base units."""

    min_quantity: Decimal
    step_size: Decimal
    max_quantity: Decimal | None = None


class MarketFilters(Model, frozen=True, kw_only=True):
    """Rules for orders of a market."""

    price: PriceFilters
    quantity: QuantityFilters


class MarginFunction(Model, frozen=True, kw_only=True):
    """Margin fraction as a function of position size."""

    base: Decimal
    factor: Decimal
    type: str


class Market(Model, frozen=True, kw_only=True):
    """One row of ``GET /api/v1/markets``.

    `visible` is only a hint for front ends: closed markets are mostly visible. Use
    `order_book_state`. `funding_interval_ms` is set on some spot markets too, so it does not tell a
    perpetual.
    """

    symbol: Symbol
    base_symbol: str
    quote_symbol: str
    market_type: MarketType
    filters: MarketFilters
    order_book_state: OrderBookState
    visible: bool = True
    created_at_utc: datetime.datetime | None = msgspec.field(name="createdAt", default=None)
    funding_interval_ms: int | None = msgspec.field(name="fundingInterval", default=None)
    funding_rate_lower_bound_bps: Decimal | None = msgspec.field(
        name="fundingRateLowerBound", default=None
    )
    funding_rate_upper_bound_bps: Decimal | None = msgspec.field(
        name="fundingRateUpperBound", default=None
    )
    imf_function: MarginFunction | None = None
    mmf_function: MarginFunction | None = None
    open_interest_limit: Decimal | None = None
    position_limit_weight: Decimal | None = None
    rwa_market_type: str | None = None


class DepthLevel(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Price level ``[price, quantity]``.

    Price in quote units, quantity in base units, absolute (0 removes).
    """

    price: Decimal
    quantity: Decimal


class Depth[Level](Model, frozen=True, kw_only=True):
    """``GET /api/v1/depth``: bids AND asks ascending by price, so the best bid is the last bid.

    `Level` is the type of a row, normally `DepthLevel`; an order book may ask for its own row type
    to be decoded straight from the bytes.
    """

    asks: list[Level]
    bids: list[Level]
    last_update_id: int
    timestamp_us: int = msgspec.field(name="timestamp")


class Ticker(Model, frozen=True, kw_only=True):
    """``GET /api/v1/ticker`` and one row of ``/api/v1/tickers``: rolling 24 hours.

    `price_change_percent` is a fraction (0.01 is one percent). `volume` in base, `quote_volume` in
    quote units.
    """

    symbol: Symbol
    first_price: Decimal
    last_price: Decimal
    high: Decimal
    low: Decimal
    price_change: Decimal
    price_change_percent: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class Trade(Model, frozen=True, kw_only=True):
    """One public trade.

    `quantity` in base, `quote_quantity` in quote units; buyer maker means the taker sold.
    """

    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    timestamp_ms: int = msgspec.field(name="timestamp")
    is_buyer_maker: bool
    id: int | None = None


class Kline(Model, frozen=True, kw_only=True):
    """One candle; prices are ``None`` while nothing traded.

    `volume` in base, `quote_volume` in quote units.
    """

    start_utc: datetime.datetime = msgspec.field(name="start")
    end_utc: datetime.datetime = msgspec.field(name="end")
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal
    quote_volume: Decimal
    trades: int


class Account(Model, frozen=True, kw_only=True):
    """``GET /api/v1/account``. Fees are basis points (10 is 0.10 %), negative for a rebate."""

    auto_borrow_settlements: bool
    auto_lend: bool
    auto_realize_pnl: bool
    auto_repay_borrows: bool
    borrow_limit: Decimal
    futures_maker_fee_bps: Decimal = msgspec.field(name="futuresMakerFee")
    futures_taker_fee_bps: Decimal = msgspec.field(name="futuresTakerFee")
    leverage_limit: Decimal
    limit_orders: int
    liquidating: bool
    position_limit: Decimal
    spot_maker_fee_bps: Decimal = msgspec.field(name="spotMakerFee")
    spot_taker_fee_bps: Decimal = msgspec.field(name="spotTakerFee")
    trigger_orders: int


class Balance(Model, frozen=True, kw_only=True):
    """Funds of one asset in ``GET /api/v1/capital``, in units of the asset."""

    available: Decimal
    locked: Decimal
    staked: Decimal = Decimal(0)


class BorrowLendPosition(Model, frozen=True, kw_only=True):
    """Funds lent (positive `net_quantity`) or borrowed (negative), in units of `symbol`."""

    symbol: str
    net_quantity: Decimal
    id: str | None = None


class Order(Model, frozen=True, kw_only=True):
    """An order as the order routes send it.

    A market order has no `price` and no `post_only`; a limit order has no `quote_quantity`.
    `quantity` is in base units, `executed_quote_quantity` in quote units; the average price is
    their quotient. No fee is given here.
    """

    id: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    status: OrderStatus
    created_at_ms: int = msgspec.field(name="createdAt")
    executed_quantity: Decimal
    executed_quote_quantity: Decimal
    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.REJECT_TAKER
    client_id: int | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    post_only: bool = False
    reduce_only: bool | None = None
    related_order_id: str | None = None
    strategy_id: str | None = None
    trigger_by: str | None = None
    trigger_price: Decimal | None = None
    trigger_quantity: str | None = None
    triggered_at_ms: int | None = msgspec.field(name="triggeredAt", default=None)
    take_profit_trigger_price: Decimal | None = None
    take_profit_limit_price: Decimal | None = None
    take_profit_trigger_by: str | None = None
    stop_loss_trigger_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    stop_loss_trigger_by: str | None = None


class HistoricOrder(Model, frozen=True, kw_only=True):
    """One row of ``GET /wapi/v1/history/orders``: open and finished orders alike.

    Differs from `Order`: the creation time is a naive UTC date, the reason of an expiry is given,
    and `quote_quantity` (price times quantity) is present on limit orders too.
    """

    id: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    status: OrderStatus
    created_at_utc: datetime.datetime = msgspec.field(name="createdAt")
    executed_quantity: Decimal | None = None
    executed_quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade_prevention: SelfTradePrevention | None = None
    client_id: int | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    post_only: bool | None = None
    expiry_reason: str | None = None
    system_order_type: str | None = None
    strategy_id: str | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: str | None = None
    trigger_by: str | None = None
    trigger_price: Decimal | None = None
    trigger_quantity: str | None = None


class Fill(Model, frozen=True, kw_only=True):
    """One row of ``GET /wapi/v1/history/fills``.

    `quantity` in base units, `price` in quote per base, `fee` in units of `fee_symbol`: on spot the
    fee is taken from what is received, base on a buy and quote on a sell.
    """

    order_id: str
    symbol: Symbol
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_symbol: str
    is_maker: bool
    timestamp_utc: datetime.datetime = msgspec.field(name="timestamp")
    trade_id: int | None = None
    client_id: int | None = None
    system_order_type: str | None = None


class PlacedOrder(Order, frozen=True, kw_only=True, tag_field="operation", tag="Ok"):
    """An order of a batch that was accepted."""


class RefusedOrder(Model, frozen=True, kw_only=True, tag_field="operation", tag="Err"):
    """An order of a batch that was refused."""

    code: str
    message: str


def milliseconds(moment_utc: datetime.datetime) -> int:
    """Milliseconds since the epoch of a naive UTC date, as the history routes send it."""
    whole = moment_utc.replace(tzinfo=datetime.UTC)
    return round(whole.timestamp() * 1000)
