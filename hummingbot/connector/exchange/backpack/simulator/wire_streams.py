"""Engine events as the exchange's stream data: one-letter keys, padded decimals, times in µs.

Padding, as the recorded frames show: prices to the digits of the tick, quantities to the digits of
the step, quote amounts to both together; a cumulated amount that is still zero is a bare ``0``;
fees, balances, tickers and candles are not padded.
The envelope with the name of the stream is put around by
`envelope`, because one event serves several streams.
"""

import datetime
from decimal import Decimal

from ..api.models import Market, OrderType
from .events import BalanceEvent, BookTickerEvent, DepthEvent, OrderEvent, TradeEvent
from .statistics import Candle, TickerFigures
from .wire import US_PER_MS, Json, Levels, decimals, encode, number, optional
from .wire_account import quote_quantity

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (the exchange's times are naive and mean UTC)


def envelope(data: bytes, topic: str) -> bytes:
    """A whole frame: data under the name the subscriber asked for."""
    return b'{"data":' + data + b',"stream":' + encode(topic) + b"}"


def error_frame(code: int, message: str) -> bytes:
    """The only frame that answers a request; the socket stays open."""
    return encode({"id": None, "error": {"code": code, "message": message}})


class Padding:
    """How many digits after the point the frames of one market have."""

    __slots__ = ("price_decimals", "quantity_decimals", "quote_decimals")

    def __init__(self, market: Market) -> None:
        self.price_decimals = decimals(market.filters.price.tick_size)
        self.quantity_decimals = decimals(market.filters.quantity.step_size)
        self.quote_decimals = self.price_decimals + self.quantity_decimals

    def price(self, value: Decimal) -> str:
        """To the digits of the tick."""
        return f"{value:.{self.price_decimals}f}"

    def quantity(self, value: Decimal) -> str:
        """To the digits of the step."""
        return f"{value:.{self.quantity_decimals}f}"

    def quote(self, value: Decimal) -> str:
        """To the digits of tick and step together, those of a product of both."""
        return f"{value:.{self.quote_decimals}f}"


def depth(event: DepthEvent, pad: Padding, sent_us: int) -> bytes:
    """Data of ``depth.<symbol>``; a removed level has a padded zero quantity."""
    return encode(
        {
            "E": sent_us,
            "T": event.time_us,
            "U": event.first_update_id,
            "a": _levels(event.asks, pad),
            "b": _levels(event.bids, pad),
            "e": "depth",
            "s": event.symbol,
            "u": event.last_update_id,
        }
    )


def _levels(levels: Levels, pad: Padding) -> list[tuple[str, str]]:
    return [(pad.price(price), pad.quantity(quantity)) for price, quantity in levels]


def book_ticker(event: BookTickerEvent, pad: Padding, sent_us: int) -> bytes:
    """Data of ``bookTicker.<symbol>``; the keys of an empty side are absent."""
    data: Json = {}
    if event.ask is not None:
        data["A"] = pad.quantity(event.ask[1])
    if event.bid is not None:
        data["B"] = pad.quantity(event.bid[1])
    data |= {"E": sent_us, "T": event.time_us}
    if event.ask is not None:
        data["a"] = pad.price(event.ask[0])
    if event.bid is not None:
        data["b"] = pad.price(event.bid[0])
    return encode(data | {"e": "bookTicker", "s": event.symbol, "u": event.last_update_id})


def trade(event: TradeEvent, pad: Padding, sent_us: int) -> bytes:
    """Data of ``trade.<symbol>``. `T` is in µs but exact to the millisecond only."""
    return encode(
        {
            "E": sent_us,
            "T": event.time_us // US_PER_MS * US_PER_MS,
            "a": str(event.seller_order_id),
            "b": str(event.buyer_order_id),
            "e": "trade",
            "m": event.is_buyer_maker,
            "p": pad.price(event.price),
            "q": pad.quantity(event.quantity),
            "s": event.symbol,
            "t": event.trade_id,
        }
    )


def ticker(figures: TickerFigures, sent_us: int) -> bytes:
    """Data of ``ticker.<symbol>``: not padded (``1498534.937``), no `T`, and `n` a number."""
    return encode(
        {
            "E": sent_us,
            "V": number(figures.quote_volume),
            "c": number(figures.last_price),
            "e": "ticker",
            "h": number(figures.high),
            "l": number(figures.low),
            "n": figures.trades,
            "o": number(figures.first_price),
            "s": figures.symbol,
            "v": number(figures.volume),
        }
    )


def kline(candle: Candle, symbol: str, sent_us: int, *, is_closed: bool) -> bytes:
    """Data of ``kline.<interval>.<symbol>``, the only one with keys not in alphabetical order.

    Whether recent frames are padded cannot be told from the recordings; like tickers they are not.
    """
    return encode(
        {
            "E": sent_us,
            "e": "kline",
            "s": symbol,
            "T": _iso(candle.end_s),
            "X": is_closed,
            "c": optional(candle.close),
            "h": optional(candle.high),
            "l": optional(candle.low),
            "n": candle.trades,
            "o": optional(candle.open),
            "t": _iso(candle.start_s),
            "v": number(candle.volume) if candle.trades else None,
        }
    )


def _iso(time_s: int) -> str:
    return (_EPOCH + datetime.timedelta(seconds=time_s)).isoformat(timespec="seconds")


def balance_update(event: BalanceEvent, sent_us: int) -> bytes:
    """Data of ``account.balanceUpdate``."""
    return encode(
        {
            "A": number(event.available),
            "E": sent_us,
            "L": number(event.locked),
            "S": "0",
            "T": event.time_us,
            "a": event.asset,
            "e": "balanceUpdate",
        }
    )


def order_update(event: OrderEvent, market: Market, pad: Padding, sent_us: int) -> bytes:
    """Data of ``account.orderUpdate``.

    `c` and `y` are absent on orders without client id and on orders that are not post-only; `p` on
    market orders; `t` is null when the event is not a fill.
    """
    order, fill = event.order, event.fill
    data: Json = {"E": sent_us}
    if fill is not None:
        data |= {"L": pad.price(fill.price), "N": fill.fee_symbol}
    data["O"] = "USER"
    if (quote := quote_quantity(order, market)) is not None:
        # Market orders have a quote amount in ticks ("4.30"), limit orders the product's digits
        # ("20.1520").
        is_market = order.order_type is OrderType.MARKET
        data["Q"] = pad.price(quote) if is_market else pad.quote(quote)
    if order.expiry_reason is not None:
        data["R"] = order.expiry_reason
    data |= {
        "S": order.side.value,
        "T": event.time_us,
        "V": order.self_trade_prevention.value,
        "X": order.status.value,
        "Z": _cumulated(pad.quote(order.executed_quote_quantity), order.executed_quantity),
    }
    if order.client_id is not None:
        data["c"] = order.client_id
    data |= {"e": event.kind.value, "f": order.time_in_force.value, "i": str(order.order_id)}
    if fill is not None:
        data |= {"l": pad.quantity(fill.quantity), "m": fill.is_maker, "n": number(fill.fee)}
    data["o"] = order.order_type.value.upper()
    if order.price is not None:
        data["p"] = pad.price(order.price)
    if order.quantity is not None:
        data["q"] = pad.quantity(order.quantity)
    data |= {"r": False, "s": order.symbol, "t": None if fill is None else fill.trade_id}
    if order.post_only:
        data["y"] = True
    data["z"] = _cumulated(pad.quantity(order.executed_quantity), order.executed_quantity)
    return encode(data)


def _cumulated(padded: str, executed: Decimal) -> str:
    return padded if executed else "0"
