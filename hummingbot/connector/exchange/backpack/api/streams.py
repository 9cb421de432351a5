"""WebSocket topics, subscription frames and events.

The wire's one-letter keys get full names here, every time its unit. Events are told apart by their
key ``e``. The exchange acknowledges nothing: the first sign of a successful subscription is data;
errors come as a frame of their own and leave the socket open.

Source: interface description, section Streams; recordings.
"""

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from .errors import UNREADABLE, DecodeError, SubscriptionRejected
from .models import (
    DepthLevel,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)

ORDER_UPDATES = "account.orderUpdate"
BALANCE_UPDATES = "account.balanceUpdate"
PRIVATE_PREFIX = "account."
DEPTH_WINDOWS = ("200ms", "600ms", "1000ms")


def depth_topic(symbol: str, window: str | None = None) -> str:
    """Book diffs, real-time or aggregated over one of `DEPTH_WINDOWS`."""
    return f"depth.{window}.{symbol}" if window else f"depth.{symbol}"


def trade_topic(symbol: str) -> str:
    """Public trades."""
    return f"trade.{symbol}"


def book_ticker_topic(symbol: str) -> str:
    """Best bid and ask."""
    return f"bookTicker.{symbol}"


def ticker_topic(symbol: str) -> str:
    """Rolling statistics, once a second."""
    return f"ticker.{symbol}"


def kline_topic(symbol: str, interval: str) -> str:
    """Candles of an interval such as ``1m``."""
    return f"kline.{interval}.{symbol}"


def subscribe_frame(topics: Sequence[str], signature: Sequence[str] | None = None) -> str:
    """Frame that subscribes; private topics need a `signature` of `Signer.subscription`."""
    return _frame("SUBSCRIBE", topics, signature)


def unsubscribe_frame(topics: Sequence[str], signature: Sequence[str] | None = None) -> str:
    """Frame that unsubscribes.

    Whether private topics need a signature is not known; it is accepted with one.
    """
    return _frame("UNSUBSCRIBE", topics, signature)


def _frame(method: str, topics: Sequence[str], signature: Sequence[str] | None) -> str:
    frame: dict[str, object] = {"method": method, "params": list(topics)}
    if signature is not None:
        frame["signature"] = list(signature)
    return msgspec.json.encode(frame).decode()


# They come by the thousand and cannot refer to themselves: nothing for the garbage collector to do.
class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", gc=False):
    """Base of all events.

    `event_time_us` is when the exchange sent it, microseconds since the epoch.
    """

    event_time_us: int = msgspec.field(name="E")


class DepthDiff[Level](Event, frozen=True, kw_only=True, tag="depth"):
    """Changed levels of a book: absolute quantities, zero removes.

    Update ids are contiguous per market.
    """

    symbol: Symbol = msgspec.field(name="s")
    first_update_id: int = msgspec.field(name="U")
    last_update_id: int = msgspec.field(name="u")
    asks: list[Level] = msgspec.field(name="a")
    bids: list[Level] = msgspec.field(name="b")
    engine_time_us: int | None = msgspec.field(name="T", default=None)


class PublicTrade(Event, frozen=True, kw_only=True, tag="trade"):
    """A public trade; `price` in quote per base, `quantity` in base units."""

    symbol: Symbol = msgspec.field(name="s")
    trade_id: int = msgspec.field(name="t")
    price: Decimal = msgspec.field(name="p")
    quantity: Decimal = msgspec.field(name="q")
    is_buyer_maker: bool = msgspec.field(name="m")
    buyer_order_id: str | None = msgspec.field(name="b", default=None)
    seller_order_id: str | None = msgspec.field(name="a", default=None)
    engine_time_us: int | None = msgspec.field(name="T", default=None)

    @property
    def taker_side(self) -> Side:
        """Side of the order that took liquidity."""
        return Side.ASK if self.is_buyer_maker else Side.BID


class BookTicker(Event, frozen=True, kw_only=True, tag="bookTicker"):
    """Best prices; `last_update_id` equals the diff's. It may arrive before or after that diff."""

    symbol: Symbol = msgspec.field(name="s")
    last_update_id: int = msgspec.field(name="u")
    ask_price: Decimal | None = msgspec.field(name="a", default=None)
    ask_quantity: Decimal | None = msgspec.field(name="A", default=None)
    bid_price: Decimal | None = msgspec.field(name="b", default=None)
    bid_quantity: Decimal | None = msgspec.field(name="B", default=None)
    engine_time_us: int | None = msgspec.field(name="T", default=None)


class TickerUpdate(Event, frozen=True, kw_only=True, tag="ticker"):
    """Rolling statistics of 24 hours; `volume` in base, `quote_volume` in quote units."""

    symbol: Symbol = msgspec.field(name="s")
    first_price: Decimal = msgspec.field(name="o")
    last_price: Decimal = msgspec.field(name="c")
    high: Decimal = msgspec.field(name="h")
    low: Decimal = msgspec.field(name="l")
    volume: Decimal = msgspec.field(name="v")
    quote_volume: Decimal = msgspec.field(name="V")
    trades: int = msgspec.field(name="n")


class KlineUpdate(Event, frozen=True, kw_only=True, tag="kline"):
    """A candle; prices and volume are ``None`` while nothing traded.

    `is_closed` on its final frame. Naive UTC.
    """

    symbol: Symbol = msgspec.field(name="s")
    start_utc: datetime.datetime = msgspec.field(name="t")
    end_utc: datetime.datetime = msgspec.field(name="T")
    open: Decimal | None = msgspec.field(name="o", default=None)
    close: Decimal | None = msgspec.field(name="c", default=None)
    high: Decimal | None = msgspec.field(name="h", default=None)
    low: Decimal | None = msgspec.field(name="l", default=None)
    volume: Decimal | None = msgspec.field(name="v", default=None)
    trades: int = msgspec.field(name="n")
    is_closed: bool = msgspec.field(name="X")


class MarkPriceUpdate(Event, frozen=True, kw_only=True, tag="markPrice"):
    """Mark and index price and the estimated funding rate (a fraction per interval)."""

    symbol: Symbol = msgspec.field(name="s")
    mark_price: Decimal = msgspec.field(name="p")
    index_price: Decimal | None = msgspec.field(name="i", default=None)
    funding_rate: Decimal | None = msgspec.field(name="f", default=None)
    next_funding_ms: int | None = msgspec.field(name="n", default=None)
    engine_time_us: int | None = msgspec.field(name="T", default=None)


class OrderUpdate(Event, frozen=True, kw_only=True):
    """State of one of our orders after an event; the subclass tells which.

    `executed_quantity` (base) and `executed_quote_quantity` (quote) are cumulative. `client_id` is
    absent when the order was placed without one.
    """

    symbol: Symbol = msgspec.field(name="s")
    order_id: str = msgspec.field(name="i")
    side: Side = msgspec.field(name="S")
    status: OrderStatus = msgspec.field(name="X")
    order_type: OrderType = msgspec.field(name="o")
    executed_quantity: Decimal = msgspec.field(name="z")
    executed_quote_quantity: Decimal = msgspec.field(name="Z")
    engine_time_us: int = msgspec.field(name="T")
    client_id: int | None = msgspec.field(name="c", default=None)
    time_in_force: TimeInForce | None = msgspec.field(name="f", default=None)
    quantity: Decimal | None = msgspec.field(name="q", default=None)
    quote_quantity: Decimal | None = msgspec.field(name="Q", default=None)
    price: Decimal | None = msgspec.field(name="p", default=None)
    post_only: bool | None = msgspec.field(name="y", default=None)
    reduce_only: bool | None = msgspec.field(name="r", default=None)
    self_trade_prevention: SelfTradePrevention | None = msgspec.field(name="V", default=None)
    origin: str | None = msgspec.field(name="O", default=None)
    related_order_id: str | None = msgspec.field(name="I", default=None)
    strategy_id: int | None = msgspec.field(name="H", default=None)
    trigger_price: Decimal | None = msgspec.field(name="P", default=None)
    trigger_by: str | None = msgspec.field(name="B", default=None)
    trigger_quantity: str | None = msgspec.field(name="Y", default=None)
    take_profit_trigger_price: Decimal | None = msgspec.field(name="a", default=None)
    stop_loss_trigger_price: Decimal | None = msgspec.field(name="b", default=None)
    take_profit_limit_price: Decimal | None = msgspec.field(name="j", default=None)
    stop_loss_limit_price: Decimal | None = msgspec.field(name="k", default=None)
    take_profit_trigger_by: str | None = msgspec.field(name="d", default=None)
    stop_loss_trigger_by: str | None = msgspec.field(name="g", default=None)


class OrderAccepted(OrderUpdate, frozen=True, kw_only=True, tag="orderAccepted"):
    """The order entered the book (market orders send it too, just before their fills)."""


class OrderFilled(OrderUpdate, frozen=True, kw_only=True, tag="orderFill"):
    """A fill: `fill_quantity` in base units at `fill_price`, `fee` in units of `fee_symbol`."""

    trade_id: int = msgspec.field(name="t")
    fill_quantity: Decimal = msgspec.field(name="l")
    fill_price: Decimal = msgspec.field(name="L")
    is_maker: bool = msgspec.field(name="m")
    fee: Decimal = msgspec.field(name="n")
    fee_symbol: str = msgspec.field(name="N")


class OrderCancelled(OrderUpdate, frozen=True, kw_only=True, tag="orderCancelled"):
    """Cancelled on request."""


class OrderExpired(OrderUpdate, frozen=True, kw_only=True, tag="orderExpired"):
    """Ended by the exchange; the reason comes under ``R`` (documented) or ``er`` (in a client)."""

    documented_reason: str | None = msgspec.field(name="R", default=None)
    other_reason: str | None = msgspec.field(name="er", default=None)

    @property
    def reason(self) -> str | None:
        """Why it ended, in the spelling of the exchange."""
        return self.documented_reason or self.other_reason


class OrderModified(OrderUpdate, frozen=True, kw_only=True, tag="orderModified"):
    """A resting reduce-only order was shrunk by the exchange."""


class TriggerPlaced(OrderUpdate, frozen=True, kw_only=True, tag="triggerPlaced"):
    """A conditional order waits; `quantity` is zero, `trigger_quantity` holds the size."""


class TriggerFailed(OrderUpdate, frozen=True, kw_only=True, tag="triggerFailed"):
    """A triggered order could not be placed."""


class BalanceUpdate(Event, frozen=True, kw_only=True, tag="balanceUpdate"):
    """Funds of one asset, absolute. Undocumented but recorded, so polling must remain possible."""

    asset: str = msgspec.field(name="a")
    available: Decimal = msgspec.field(name="A")
    locked: Decimal = msgspec.field(name="L")
    staked: Decimal = msgspec.field(name="S", default=Decimal(0))
    engine_time_us: int | None = msgspec.field(name="T", default=None)


type AnyOrderUpdate = (
    OrderAccepted
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | OrderModified
    | TriggerPlaced
    | TriggerFailed
)
type PrivateEvent = AnyOrderUpdate | BalanceUpdate
type PublicEvent[Level] = (
    DepthDiff[Level] | PublicTrade | BookTicker | TickerUpdate | KlineUpdate | MarkPriceUpdate
)


class StreamFault(msgspec.Struct, frozen=True):
    """Code and text of an error frame."""

    code: int
    message: str


class Frame[E](msgspec.Struct, frozen=True, gc=False):
    """One WebSocket message: an event under the name of its topic, or an error."""

    data: E | None = None
    stream: str | None = None
    error: StreamFault | None = None


@cache
def frame_decoder(event: Any) -> msgspec.json.Decoder[Frame[Any]]:  # noqa: ANN401 (a union of event types)
    """Decoder of frames whose event is one of `event`, made once."""
    return msgspec.json.Decoder(Frame[event], strict=False)


PRIVATE_EVENTS = (
    OrderAccepted
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | OrderModified
    | TriggerPlaced
    | TriggerFailed
    | BalanceUpdate
)
PUBLIC_EVENTS = (
    DepthDiff[DepthLevel] | PublicTrade | BookTicker | TickerUpdate | KlineUpdate | MarkPriceUpdate
)


def parse_frame[E](payload: bytes | str, decoder: msgspec.json.Decoder[Frame[E]]) -> E:
    """The event of a frame.

    Raises:
        SubscriptionRejected: the frame reports an error.
        DecodeError: the frame is not one of the decoder's events.
    """
    try:
        frame = decoder.decode(payload)
    except UNREADABLE as e:
        raise DecodeError("stream frame", str(e), _raw(payload)) from e
    if frame.error is not None:
        raise SubscriptionRejected(frame.error.code, frame.error.message)
    if frame.data is None:
        raise DecodeError("stream frame", "neither data nor error", _raw(payload))
    return frame.data


def _raw(payload: bytes | str) -> bytes:
    # Text of a broken peer may hold what UTF-8 cannot express.
    return payload.encode(errors="replace") if isinstance(payload, str) else payload


def private_topics(topics: Iterable[str]) -> list[str]:
    """Those of `topics` that need a signature."""
    return [topic for topic in topics if topic.startswith(PRIVATE_PREFIX)]
