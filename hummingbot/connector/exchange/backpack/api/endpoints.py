"""Each REST operation as a small frozen value: how it is called, and what it answers.

The `instruction` belongs to the operation, so signing cannot be forgotten and never guesses:
``None`` means public. Parameters that are ``None`` are absent, on the wire and in the signed text.
Prices and quantities travel as strings in plain digits, exactly as they are signed.

Source: interface description of the vendor, operations by path.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, override

import msgspec

from .models import (
    Account,
    Balance,
    BorrowLendPosition,
    Depth,
    DepthLevel,
    Fill,
    FillType,
    HistoricOrder,
    Kline,
    KlinePriceType,
    Market,
    MarketType,
    Order,
    OrderType,
    PlacedOrder,
    RefusedOrder,
    SelfTradePrevention,
    Side,
    SortDirection,
    Status,
    Symbol,
    Ticker,
    TimeInForce,
    Trade,
)
from .symbols import plain

type Parameter = str | int | bool | list[str]
"""A parameter as it is sent: decimals already text, lists only in queries (the key is repeated)."""

MAX_BATCH_ORDERS = 50
MAX_CLIENT_ID = 2**32 - 1
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
MAX_PAGE = 1000


class Method(StrEnum):
    """HTTP method."""

    GET = "GET"
    POST = "POST"
    DELETE = "DELETE"


class Bucket(StrEnum):
    """Budget that a request is counted in.

    2000 a minute for all, 30 a minute for time-range history.
    """

    GENERAL = "general"
    HISTORY = "history"


class Endpoint[R](msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One operation with its parameters; `R` is what its reply decodes to."""

    method: ClassVar[Method] = Method.GET
    path: ClassVar[str]
    instruction: ClassVar[str | None] = None
    bucket: ClassVar[Bucket] = Bucket.GENERAL
    may_be_empty: ClassVar[bool] = False
    response: ClassVar[Any]

    @property
    def name(self) -> str:
        """Method and path, for messages."""
        return f"{self.method.value} {self.path}"

    @property
    def is_write(self) -> bool:
        """Whether it changes the account, so that a lost reply leaves the outcome unknown."""
        return self.method is not Method.GET

    def parameters(self) -> dict[str, Parameter]:
        """Parameters as sent, sorted by key, absent ones left out."""
        names, values_of = _fields(type(self))
        return {
            name: value if type(value) in _AS_THEY_ARE else _wire(value)
            for name, value in zip(names, values_of(self), strict=True)
            if value is not None
        }

    def signed_parts(self) -> Iterator[tuple[str, dict[str, Parameter]]]:
        """Instruction and parameters of each part of the signed text."""
        if self.instruction is not None:
            yield self.instruction, self.parameters()

    def query(self) -> list[tuple[str, str]]:
        """Query of a GET request, raw (not percent-encoded) text."""
        return list(pairs(self.parameters())) if self.method is Method.GET else []

    def body(self) -> bytes | None:
        """JSON body of a request that is not a GET."""
        return None if self.method is Method.GET else msgspec.json.encode(self.parameters())


@cache
def _fields(
    endpoint: type[msgspec.Struct],
) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Names on the wire, sorted, and what gets the values of all at once."""
    by_name = sorted((f.encode_name, f.name) for f in msgspec.structs.fields(endpoint))
    # The empty attribute lists of some operations are none that `attrgetter` takes, and of one
    # attribute it makes no tuple.
    attributes = [attribute for _, attribute in by_name]
    values_of = attrgetter(*attributes) if len(attributes) > 1 else _few(attributes)
    return tuple(name for name, _ in by_name), values_of


def _few(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda endpoint: tuple(getattr(endpoint, attribute) for attribute in attributes)


_AS_THEY_ARE = frozenset({str, int, bool})


def _wire(value: Any) -> Parameter:  # noqa: ANN401 (any field type of an endpoint)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, tuple):
        return [str(_wire(item)) for item in value]
    if isinstance(value, str | int):
        return value
    msg = f"{type(value).__name__} cannot be sent as a request parameter"
    raise TypeError(msg)


def texts(value: Parameter) -> list[str]:
    """A parameter as it stands in a query and in the signed text, once for each item of a list."""
    if isinstance(value, list):
        return value
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)]


def pairs(parameters: dict[str, Parameter]) -> Iterator[tuple[str, str]]:
    """Key and text of every parameter, a list giving its key once for each item."""
    for key, value in parameters.items():
        for item in texts(value):
            yield key, item


class GetStatus(Endpoint[Status], frozen=True, kw_only=True):
    """Whether the exchange is up."""

    path = "/api/v1/status"
    response = Status


class Ping(Endpoint[str], frozen=True, kw_only=True):
    """Plain text ``pong``."""

    path = "/api/v1/ping"
    response = str


class GetTime(Endpoint[int], frozen=True, kw_only=True):
    """Plain text digits: milliseconds since the epoch."""

    path = "/api/v1/time"
    response = int


class GetMarkets(Endpoint[list[Market]], frozen=True, kw_only=True):
    """All markets; without a filter spot and perpetual ones mixed."""

    path = "/api/v1/markets"
    response = list[Market]
    market_type: tuple[MarketType, ...] | None = None


class GetMarket(Endpoint[Market], frozen=True, kw_only=True):
    """One market."""

    path = "/api/v1/market"
    response = Market
    symbol: Symbol


class GetDepth(Endpoint[Depth[DepthLevel]], frozen=True, kw_only=True):
    """Order book around the touch; `limit` is one of `DEPTH_LIMITS` (levels a side)."""

    path = "/api/v1/depth"
    response = Depth[DepthLevel]
    symbol: Symbol
    limit: int = 1000


class GetTicker(Endpoint[Ticker | None], frozen=True, kw_only=True):
    """Rolling statistics of one market; ``None`` (204) if nothing traded."""

    path = "/api/v1/ticker"
    may_be_empty = True
    response = Ticker
    symbol: Symbol
    interval: str | None = None


class GetTickers(Endpoint[list[Ticker]], frozen=True, kw_only=True):
    """Rolling statistics of all markets that traded."""

    path = "/api/v1/tickers"
    response = list[Ticker]
    interval: str | None = None


class GetTrades(Endpoint[list[Trade]], frozen=True, kw_only=True):
    """Latest public trades, newest first; `limit` up to 1000."""

    path = "/api/v1/trades"
    response = list[Trade]
    symbol: Symbol
    limit: int | None = None


class GetKlines(Endpoint[list[Kline]], frozen=True, kw_only=True):
    """Candles; the times are SECONDS since the epoch, the candle in progress may be missing."""

    path = "/api/v1/klines"
    bucket = Bucket.HISTORY
    response = list[Kline]
    symbol: Symbol
    interval: str
    start_time_s: int = msgspec.field(name="startTime")
    end_time_s: int | None = msgspec.field(name="endTime", default=None)
    price_type: KlinePriceType | None = None


class GetAccount(Endpoint[Account], frozen=True, kw_only=True):
    """Fees and settings of the account."""

    path = "/api/v1/account"
    instruction = "accountQuery"
    response = Account


class GetCapital(Endpoint[dict[str, Balance]], frozen=True, kw_only=True):
    """Funds by asset; assets at zero are absent, lent funds are not included."""

    path = "/api/v1/capital"
    instruction = "balanceQuery"
    response = dict[str, Balance]


class GetBorrowLendPositions(Endpoint[list[BorrowLendPosition]], frozen=True, kw_only=True):
    """Funds lent and borrowed."""

    path = "/api/v1/borrowLend/positions"
    instruction = "borrowLendPositionQuery"
    response = list[BorrowLendPosition]


class GetOrder(Endpoint[Order], frozen=True, kw_only=True):
    """One RESTING order by exactly one of `order_id` and `client_id`; anything else is a 404."""

    path = "/api/v1/order"
    instruction = "orderQuery"
    response = Order
    symbol: Symbol
    order_id: str | None = None
    client_id: int | None = None


class ExecuteOrder(Endpoint[Order], frozen=True, kw_only=True):
    """Place an order; the reply is the order after the engine has worked on it.

    `client_id` is at most `MAX_CLIENT_ID` and unique among the account's open orders. A market
    order takes `quantity` (base) or `quote_quantity` (quote), not both.
    """

    method = Method.POST
    path = "/api/v1/order"
    instruction = "orderExecute"
    response = Order
    symbol: Symbol
    side: Side
    order_type: OrderType
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    client_id: int | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    auto_lend: bool | None = None
    auto_lend_redeem: bool | None = None
    auto_borrow: bool | None = None
    auto_borrow_repay: bool | None = None
    trigger_price: Decimal | None = None
    trigger_quantity: str | None = None
    trigger_by: str | None = None


class CancelOrder(Endpoint[Order | None], frozen=True, kw_only=True):
    """Cancel by exactly one of `order_id` and `client_id`.

    ``None`` (202) means accepted, not yet done.
    """

    method = Method.DELETE
    path = "/api/v1/order"
    instruction = "orderCancel"
    may_be_empty = True
    response = Order
    symbol: Symbol
    order_id: str | None = None
    client_id: int | None = None


class GetOpenOrders(Endpoint[list[Order]], frozen=True, kw_only=True):
    """All open orders, those waiting for a trigger included."""

    path = "/api/v1/orders"
    instruction = "orderQueryAll"
    response = list[Order]
    symbol: Symbol | None = None
    market_type: MarketType | None = None


class ExecuteOrders(Endpoint[list[PlacedOrder | RefusedOrder]], frozen=True, kw_only=True):
    """Place up to `MAX_BATCH_ORDERS` orders; one result for each, in the same order."""

    method = Method.POST
    path = "/api/v1/orders"
    instruction = "orderExecute"
    response = list[PlacedOrder | RefusedOrder]
    orders: tuple[ExecuteOrder, ...]

    @override
    def signed_parts(self) -> Iterator[tuple[str, dict[str, Parameter]]]:
        """Each order signs as if it were alone, under its own instruction."""
        for order in self.orders:
            yield from order.signed_parts()

    @override
    def body(self) -> bytes:
        """A bare JSON array."""
        return msgspec.json.encode([order.parameters() for order in self.orders])


class CancelOrders(Endpoint[list[Order] | None], frozen=True, kw_only=True):
    """Cancel all orders of one market; ``None`` (202) means accepted, not yet done."""

    method = Method.DELETE
    path = "/api/v1/orders"
    instruction = "orderCancelAll"
    may_be_empty = True
    response = list[Order]
    symbol: Symbol
    order_type: str | None = None


class GetFills(Endpoint[list[Fill]], frozen=True, kw_only=True):
    """History of fills, newest first by default; `limit` up to 1000, paged by `offset`.

    Whether `from_ms` and `to_ms` include their bounds is not documented: overlap, and drop repeats
    by trade id.
    """

    path = "/wapi/v1/history/fills"
    instruction = "fillHistoryQueryAll"
    bucket = Bucket.HISTORY
    response = list[Fill]
    order_id: str | None = None
    symbol: Symbol | None = None
    from_ms: int | None = msgspec.field(name="from", default=None)
    to_ms: int | None = msgspec.field(name="to", default=None)
    limit: int | None = None
    offset: int | None = None
    fill_type: FillType | None = None
    market_type: tuple[MarketType, ...] | None = None
    sort_direction: SortDirection | None = None


class GetOrderHistory(Endpoint[list[HistoricOrder]], frozen=True, kw_only=True):
    """History of orders, newest first by default; it has neither a client id nor a time filter."""

    path = "/wapi/v1/history/orders"
    instruction = "orderHistoryQueryAll"
    bucket = Bucket.HISTORY
    response = list[HistoricOrder]
    order_id: str | None = None
    symbol: Symbol | None = None
    limit: int | None = None
    offset: int | None = None
    market_type: tuple[MarketType, ...] | None = None
    sort_direction: SortDirection | None = None


ENDPOINTS: tuple[type[Endpoint[Any]], ...] = (
    GetStatus,
    Ping,
    GetTime,
    GetMarkets,
    GetMarket,
    GetDepth,
    GetTicker,
    GetTickers,
    GetTrades,
    GetKlines,
    GetAccount,
    GetCapital,
    GetBorrowLendPositions,
    GetOrder,
    ExecuteOrder,
    CancelOrder,
    GetOpenOrders,
    ExecuteOrders,
    CancelOrders,
    GetFills,
    GetOrderHistory,
)
"""Every operation of this module."""
