"""What a market accepts: one order at a time, without looking at books or balances.

Turns a request into an `Intent` with all numbers on the market's grid, or refuses it in the
exchange's words. Where no wording is recorded, the text follows the pattern of those that are.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..api.endpoints import MAX_CLIENT_ID, ExecuteOrder
from ..api.models import (
    Market,
    MarketType,
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)
from .events import Refusal

# Numbers at or above this are refused. Together with the grids (at most 9 decimals) it keeps every
# product and every sum within the 28 digits that Decimal holds exactly.
_LARGEST_EXPONENT: Final = 15
_MAX_DIGITS: Final = 28
_FINEST_EXPONENT: Final = -12

UNKNOWN_SYMBOL_TEXT: Final = (
    'parse request payload error: failed to parse "MarketSymbol": Invalid market symbol '
    '(occurred while parsing "OrderExecutePayload")'
)


def invalid_request(message: str) -> Refusal:
    """A request that can never be right."""
    return Refusal(400, "INVALID_CLIENT_REQUEST", message)


def invalid_order(message: str) -> Refusal:
    """An order that cannot be accepted, as it is or now."""
    return Refusal(400, "INVALID_ORDER", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An order that passed the market's rules.

    A limit order has `price` and `quantity`; a market order `quantity` (base units) or
    `quote_quantity` (quote units), never both. Price and quantity carry the market's decimals.
    """

    symbol: Symbol
    side: Side
    order_type: OrderType
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    self_trade_prevention: SelfTradePrevention
    client_id: int | None


class MarketRules:
    """The grids and limits of one market, prepared once.

    `price_unit` and `quantity_unit` are the last decimal place of the tick and of the step: numbers
    quantised to them have the padding that streams show.
    """

    __slots__ = ("market", "price_unit", "quantity_unit")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.price_unit = _last_place(market.filters.price.tick_size)
        self.quantity_unit = _last_place(market.filters.quantity.step_size)

    def read(self, order: ExecuteOrder) -> Intent:
        """Check `order` against the rules.

        Raises:
            Refusal: with status, code and text of the exchange.
        """
        if self.market.market_type is not MarketType.SPOT:
            raise Refusal(400, "NOT_IMPLEMENTED", "Only spot markets trade on this local exchange")
        _check_kind(order)
        if order.client_id is not None and not 0 <= order.client_id <= MAX_CLIENT_ID:
            raise invalid_request("Invalid client id")
        is_limit = order.order_type is OrderType.LIMIT
        price, quantity, quote_quantity = self._sizes(order, is_limit=is_limit)
        return Intent(
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            price=price,
            quantity=quantity,
            quote_quantity=quote_quantity,
            time_in_force=order.time_in_force or TimeInForce.GTC,
            post_only=bool(order.post_only),
            self_trade_prevention=order.self_trade_prevention or SelfTradePrevention.REJECT_TAKER,
            client_id=order.client_id,
        )

    def _sizes(
        self, order: ExecuteOrder, *, is_limit: bool
    ) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        if not is_limit:
            # A price on a market order is ignored: the reply of the exchange has no such key.
            _check_market_sizes(order)
            if order.quote_quantity is not None:
                return None, None, _quote_amount(order.quote_quantity)
        if order.quantity is None:
            raise invalid_request("Limit orders must specify a `quantity`")
        quantity = self._quantity(order.quantity)
        if not is_limit:
            return None, quantity, None
        if order.price is None:
            raise invalid_request("Limit orders must specify a `price`")
        price = self._price(order.price)
        if price.adjusted() + quantity.adjusted() >= _LARGEST_EXPONENT:
            raise invalid_request("Quantity is above the maximum allowed value")
        return price, quantity, None

    def _price(self, value: Decimal) -> Decimal:
        filters = self.market.filters.price
        if not value.is_finite():
            raise Refusal(400, "INVALID_PRICE", "Invalid price")
        if value < filters.min_price or value <= 0:
            raise invalid_request("Price is below the minimum allowed value")
        if value.adjusted() >= _LARGEST_EXPONENT or (
            filters.max_price is not None and value > filters.max_price
        ):
            raise invalid_request("Price is above the maximum allowed value")
        return _on_grid(value, filters.tick_size, self.price_unit, "Price")

    def _quantity(self, value: Decimal) -> Decimal:
        filters = self.market.filters.quantity
        if not value.is_finite():
            raise Refusal(400, "INVALID_QUANTITY", "Invalid quantity")
        if value.adjusted() >= _LARGEST_EXPONENT and value > 0:
            raise invalid_request("Quantity is above the maximum allowed value")
        if value < filters.min_quantity or value <= 0:
            # Too many decimals is the more useful answer where both apply.
            if value > 0:
                _on_grid(value, filters.step_size, self.quantity_unit, "Quantity")
            raise invalid_request("Quantity is below the minimum allowed value")
        if filters.max_quantity is not None and value > filters.max_quantity:
            raise invalid_request("Quantity is above the maximum allowed value")
        return _on_grid(value, filters.step_size, self.quantity_unit, "Quantity")


def _check_kind(order: ExecuteOrder) -> None:
    if (order.trigger_price is None) != (order.trigger_quantity is None):
        raise invalid_request("Must specify both `triggerPrice` and `triggerQuantity` or neither")
    if order.trigger_price is not None:
        raise invalid_order("Trigger orders are not supported by this local exchange")
    if order.reduce_only:
        # Futures only: on spot there is no position that it could reduce.
        raise invalid_order("Reduce only order not reduced")
    if order.post_only:
        if order.order_type is OrderType.MARKET:
            raise invalid_order("Market orders cannot be post only")
        if order.time_in_force not in {None, TimeInForce.GTC}:
            raise invalid_order("Post only orders must be good till cancelled")
    if order.order_type is OrderType.LIMIT and order.quote_quantity is not None:
        raise invalid_order("Only market orders can specify a `quoteQuantity`")


def _check_market_sizes(order: ExecuteOrder) -> None:
    if (order.quantity is None) == (order.quote_quantity is None):
        raise invalid_request("Market orders must specify a `quantity` or `quoteQuantity`")
    size = order.quote_quantity if order.quantity is None else order.quantity
    if size is not None and size.is_finite() and size <= 0:
        raise invalid_request("Market orders must specify a positive `quantity`")


def _quote_amount(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise Refusal(400, "INVALID_QUANTITY", "Invalid quantity")
    if value.adjusted() >= _LARGEST_EXPONENT:
        raise invalid_request("Quantity is above the maximum allowed value")
    digits, exponent = value.as_tuple()[1:]
    # A quote amount has no step; only what no asset can express is refused.
    if len(digits) > _MAX_DIGITS or int(exponent) < _FINEST_EXPONENT:
        raise invalid_request("Quantity decimal too long")
    return value


def _on_grid(value: Decimal, increment: Decimal, unit: Decimal, name: str) -> Decimal:
    """`value` padded to the decimals of `unit`, if it is a multiple of `increment`.

    What the exchange says to a value with few decimals that is not a multiple (a step of 10000) is
    not recorded; the same refusal is given.
    """
    padded = value.quantize(unit)
    if padded != value or padded % increment:
        raise invalid_request(f"{name} decimal too long")
    return padded


def _last_place(increment: Decimal) -> Decimal:
    exponent = increment.normalize().as_tuple().exponent
    return Decimal(1).scaleb(min(0, int(exponent)))
