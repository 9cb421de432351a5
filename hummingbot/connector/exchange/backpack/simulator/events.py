"""What the matching engine knows and tells: orders, fills and the events that streams carry.

Pure values. Prices are in quote units per base unit, quantities in base units, times in
microseconds since the epoch.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ..api.models import (
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)

ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """An order as the engine keeps it; changed by the engine only."""

    order_id: int
    account_id: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    created_at_us: int
    updated_at_us: int
    status: OrderStatus = OrderStatus.NEW
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    executed_quantity: Decimal = ZERO
    executed_quote_quantity: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.REJECT_TAKER
    client_id: int | None = None
    expiry_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRecord:
    """One side of a trade. `fee` is in units of `fee_symbol`, the asset received."""

    trade_id: int
    order_id: int
    account_id: str
    symbol: Symbol
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_symbol: str
    is_maker: bool
    time_us: int
    client_id: int | None = None


class OrderEventKind(StrEnum):
    """The ``e`` of an order update."""

    ACCEPTED = "orderAccepted"
    FILL = "orderFill"
    CANCELLED = "orderCancelled"
    EXPIRED = "orderExpired"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """An order changed. `order` is a copy, as it was right after the event; `fill` on FILL only."""

    kind: OrderEventKind
    order: OrderRecord
    time_us: int
    fill: FillRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceEvent:
    """Funds of one asset of one account, absolute."""

    account_id: str
    asset: str
    available: Decimal
    locked: Decimal
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthEvent:
    """Changed levels ``(price, absolute quantity)``; zero removes.

    Ids are contiguous per symbol.
    """

    symbol: Symbol
    first_update_id: int
    last_update_id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTickerEvent:
    """Best bid and ask after they changed; ``None`` for an empty side."""

    symbol: Symbol
    last_update_id: int
    bid: tuple[Decimal, Decimal] | None
    ask: tuple[Decimal, Decimal] | None
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEvent:
    """A public trade."""

    symbol: Symbol
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_order_id: int
    seller_order_id: int
    is_buyer_maker: bool
    time_us: int


type EngineEvent = OrderEvent | BalanceEvent | DepthEvent | BookTickerEvent | TradeEvent


class Refusal(Exception):
    """A request the exchange refuses, with the status and body that it answers.

    `code` is ``None`` for a plain-text body.
    """

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
