"""Between the wire's vocabulary and Hummingbot's.

Pure functions, the only module that names both.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import (
    InFlightOrder,
    OrderState,
    OrderUpdate,
    TradeUpdate,
)
from hummingbot.core.data_type.trade_fee import TokenAmount, TradeFeeBase, TradeFeeSchema
from hummingbot.core.event.events import OrderBookTradeEvent

from .api import models, streams
from .api.endpoints import MAX_CLIENT_ID, ExecuteOrder
from .api.symbols import trading_pair_of

MICROSECONDS_A_SECOND = 1_000_000
MILLISECONDS_A_SECOND = 1_000

_SIDES = {TradeType.BUY: models.Side.BID, TradeType.SELL: models.Side.ASK}
_ORDER_TYPES = {
    OrderType.LIMIT: models.OrderType.LIMIT,
    OrderType.LIMIT_MAKER: models.OrderType.LIMIT,
    OrderType.MARKET: models.OrderType.MARKET,
}
_STATES = {
    models.OrderStatus.NEW: OrderState.OPEN,
    models.OrderStatus.TRIGGER_PENDING: OrderState.OPEN,
    models.OrderStatus.TRIGGERED: OrderState.OPEN,
    models.OrderStatus.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    models.OrderStatus.FILLED: OrderState.FILLED,
    models.OrderStatus.CANCELLED: OrderState.CANCELED,
    models.OrderStatus.TRIGGER_FAILED: OrderState.FAILED,
}


def wire_client_id(client_order_id: str, attempt: int = 0) -> int:
    """The uint32 that stands for a Hummingbot order id on the wire.

    A hash, so that a restarted bot finds its orders again without having kept a table. Two orders
    that are open at the same time share one with a chance of 1 in 4 billion; the exchange then
    refuses the second, and the next `attempt` gives it another id.
    """
    digest = hashlib.blake2b(f"{client_order_id}/{attempt}".encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % MAX_CLIENT_ID


def build_order(
    *,
    symbol: models.Symbol,
    client_id: int,
    trade_type: TradeType,
    order_type: OrderType,
    amount: Decimal,
    price: Decimal | None,
    redeem_lent: bool = False,
    time_in_force: str | None = None,
) -> ExecuteOrder:
    """The request that places an order.

    Args:
        symbol: the market.
        client_id: of `wire_client_id`.
        trade_type: buy or sell.
        order_type: LIMIT, LIMIT_MAKER (post only) or MARKET.
        amount: base units, on the market's step.
        price: quote per base, on the market's tick; not used by MARKET.
        redeem_lent: let the order take back lent funds.
        time_in_force: GTC (default), IOC or FOK, of a limit order; a market order never rests.
    """
    is_limit = order_type is not OrderType.MARKET
    return ExecuteOrder(
        symbol=symbol,
        side=_SIDES[trade_type],
        order_type=_ORDER_TYPES[order_type],
        client_id=client_id,
        quantity=amount.normalize(),
        price=price.normalize() if is_limit and price is not None else None,
        time_in_force=models.TimeInForce(time_in_force or "GTC") if is_limit else None,
        post_only=True if order_type is OrderType.LIMIT_MAKER else None,
        auto_lend_redeem=True if redeem_lent else None,
    )


def problem_of_time_in_force(order_type: OrderType, wanted: object) -> str | None:
    """What makes a time in force impossible, in words for a trader, or ``None``."""
    if wanted is None or wanted == models.TimeInForce.GTC:
        return None
    if wanted not in set(models.TimeInForce):
        return f"The time in force {wanted} is not one of GTC, IOC and FOK."
    if order_type is not OrderType.LIMIT:
        return f"A {order_type.name} order cannot be {wanted}; only a LIMIT order can."
    return None


def is_placed_by(order: models.Order | models.HistoricOrder, request: ExecuteOrder) -> bool:
    """Whether an order with our client id is the one this request placed, not another bot's."""
    return (
        order.client_id == request.client_id
        and order.symbol == request.symbol
        and order.side is request.side
        and order.order_type is request.order_type
        and order.quantity == request.quantity
        and (request.price is None or order.price == request.price)
    )


def is_order_of(
    order: models.Order | models.HistoricOrder | streams.OrderUpdate, tracked: InFlightOrder
) -> bool:
    """Whether an order of the exchange can be this tracked one: by side, amount and price."""
    return (
        order.side is _SIDES[tracked.trade_type]
        and order.order_type is _ORDER_TYPES[tracked.order_type]
        and order.quantity == tracked.amount
        and (tracked.order_type is OrderType.MARKET or order.price == tracked.price)
    )


def to_trading_rule(market: models.Market) -> TradingRule:
    """Rules of a market that accepts orders.

    Amounts in base units, prices in quote per base; no least notional.
    """
    prices, quantities = market.filters.price, market.filters.quantity
    state = market.order_book_state
    limits = {} if quantities.max_quantity is None else {"max_order_size": quantities.max_quantity}
    return TradingRule(
        trading_pair=trading_pair_of(market),
        min_order_size=quantities.min_quantity,
        min_price_increment=prices.tick_size,
        min_base_amount_increment=quantities.step_size,
        supports_market_orders=state is models.OrderBookState.OPEN,
        **limits,
    )


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What one source says of one order: the common form of replies, rows and events.

    `executed_amount` is cumulative, in base units; `reason` is why an order expired. An order that
    `is_immediate` was never to rest, so its expiry needs no reason.
    """

    exchange_order_id: str
    client_id: int | None
    status: models.OrderStatus
    executed_amount: Decimal
    timestamp_s: float
    reason: str | None = None
    is_immediate: bool = False

    @property
    def lacks_reason(self) -> bool:
        """Whether a trader would want to know why it ended, and this does not tell."""
        is_expired = self.status is models.OrderStatus.EXPIRED
        return is_expired and self.reason is None and not self.is_immediate

    @property
    def state(self) -> OrderState:
        """Hummingbot's state.

        Hummingbot has no "expired". An order that got nothing has failed, and its failure event
        carries the reason; one that was partly filled has ended like a cancelled one.
        """
        if self.status is models.OrderStatus.EXPIRED:
            was_immediate = self.is_immediate or self.reason == "ImmediateOrCancel"
            is_as_meant = self.executed_amount > 0 or was_immediate
            return OrderState.CANCELED if is_as_meant else OrderState.FAILED
        return _STATES[self.status]

    def to_order_update(self, order: InFlightOrder) -> OrderUpdate:
        """The update of a tracked order."""
        expired = self.reason is not None
        return OrderUpdate(
            trading_pair=order.trading_pair,
            update_timestamp=self.timestamp_s,
            new_state=self.state,
            client_order_id=order.client_order_id,
            exchange_order_id=self.exchange_order_id,
            misc_updates={
                "error_type": "OrderExpired",
                "error_message": f"Backpack ended the order: {self.reason}",
            }
            if expired
            else None,
        )


def report_of_order(order: models.Order) -> OrderReport:
    """What an order route says. Its time is that of the order's creation: no later one is given."""
    return OrderReport(
        exchange_order_id=order.id,
        client_id=order.client_id,
        status=order.status,
        executed_amount=order.executed_quantity,
        timestamp_s=order.created_at_ms / MILLISECONDS_A_SECOND,
        is_immediate=_is_immediate(order.time_in_force),
    )


def report_of_history(row: models.HistoricOrder) -> OrderReport:
    """What the order history says."""
    return OrderReport(
        exchange_order_id=row.id,
        client_id=row.client_id,
        status=row.status,
        executed_amount=row.executed_quantity or Decimal(0),
        timestamp_s=models.milliseconds(row.created_at_utc) / MILLISECONDS_A_SECOND,
        reason=row.expiry_reason,
        is_immediate=_is_immediate(row.time_in_force),
    )


def report_of_event(event: streams.OrderUpdate) -> OrderReport:
    """What a stream event says."""
    return OrderReport(
        exchange_order_id=event.order_id,
        client_id=event.client_id,
        status=event.status,
        executed_amount=event.executed_quantity,
        timestamp_s=event.engine_time_us / MICROSECONDS_A_SECOND,
        reason=event.reason if isinstance(event, streams.OrderExpired) else None,
        is_immediate=_is_immediate(event.time_in_force),
    )


def _is_immediate(time_in_force: models.TimeInForce | None) -> bool:
    return time_in_force in {models.TimeInForce.IOC, models.TimeInForce.FOK}


def trade_update_of_event(
    event: streams.OrderFilled, order: InFlightOrder, fees: TradeFeeSchema
) -> TradeUpdate:
    """A fill as the stream tells it."""
    return TradeUpdate(
        trade_id=str(event.trade_id),
        client_order_id=order.client_order_id,
        exchange_order_id=event.order_id,
        trading_pair=order.trading_pair,
        fill_timestamp=event.engine_time_us / MICROSECONDS_A_SECOND,
        fill_price=event.fill_price,
        fill_base_amount=event.fill_quantity,
        fill_quote_amount=event.fill_price * event.fill_quantity,
        fee=_paid_fee(fees, order.trade_type, event.fee_symbol, event.fee),
        is_taker=not event.is_maker,
    )


def trade_update_of_fill(
    fill: models.Fill, order: InFlightOrder, fees: TradeFeeSchema
) -> TradeUpdate:
    """A fill as the history tells it.

    Without a trade id (older system fills) its content identifies it.
    """
    trade_id = (
        f"{fill.timestamp_utc.isoformat()}/{fill.price}/{fill.quantity}"
        if fill.trade_id is None
        else str(fill.trade_id)
    )
    return TradeUpdate(
        trade_id=trade_id,
        client_order_id=order.client_order_id,
        exchange_order_id=fill.order_id,
        trading_pair=order.trading_pair,
        fill_timestamp=models.milliseconds(fill.timestamp_utc) / MILLISECONDS_A_SECOND,
        fill_price=fill.price,
        fill_base_amount=fill.quantity,
        fill_quote_amount=fill.price * fill.quantity,
        fee=_paid_fee(fees, order.trade_type, fill.fee_symbol, fill.fee),
        is_taker=not fill.is_maker,
    )


def _paid_fee(
    schema: TradeFeeSchema, trade_type: TradeType, asset: str, fee: Decimal
) -> TradeFeeBase:
    return TradeFeeBase.new_spot_fee(
        fee_schema=schema,
        trade_type=trade_type,
        percent_token=asset,
        flat_fees=[TokenAmount(token=asset, amount=fee)],
    )


def to_trade_event(trade: streams.PublicTrade, trading_pair: str) -> OrderBookTradeEvent:
    """A public trade for Hummingbot's book; its type is the taker's side, its time in seconds."""
    time_us = trade.event_time_us if trade.engine_time_us is None else trade.engine_time_us
    return OrderBookTradeEvent(
        trading_pair=trading_pair,
        timestamp=time_us / MICROSECONDS_A_SECOND,
        type=TradeType.SELL if trade.is_buyer_maker else TradeType.BUY,
        price=float(trade.price),
        amount=float(trade.quantity),
        trade_id=str(trade.trade_id),
        is_taker=True,
    )
