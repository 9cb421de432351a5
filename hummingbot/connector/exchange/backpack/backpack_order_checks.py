"""Refuses an impossible order before it is sent, in words that say what is wrong with it."""

import difflib
import math
from decimal import Decimal
from typing import Any, override

from hummingbot.core.data_type.common import OrderType, TradeType

from .backpack_markets import Markets
from .backpack_translation import problem_of_time_in_force

TIME_IN_FORCE = "time_in_force"
# Far above any real order, far below what Decimal's 28 digits can divide by the smallest step.
_LARGEST_NUMBER = Decimal(10) ** 15


class OrderChecks(Markets):
    """The part of the connector that looks at orders before they are placed."""

    @override
    async def _create_order(
        self,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        problem = self._problem_of(trading_pair, amount, trade_type, order_type, price)
        problem = problem or problem_of_time_in_force(order_type, kwargs.get(TIME_IN_FORCE))
        if problem is None:
            await super()._create_order(
                trade_type, order_id, trading_pair, amount, order_type, price, **kwargs
            )
            return
        self.start_tracking_order(
            order_id=order_id,
            exchange_order_id=None,
            trading_pair=trading_pair,
            order_type=order_type,
            trade_type=trade_type,
            price=price,
            amount=trackable(amount),
            **kwargs,
        )
        self._on_order_failure(
            order_id, trading_pair, amount, trade_type, order_type, price, ValueError(problem)
        )

    def _problem_of(  # noqa: PLR0911 (one return for each problem)
        self,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
    ) -> str | None:
        """What makes an order impossible, in words for a trader, or ``None``."""
        if trading_pair not in self._trading_rules:
            return self._why_not_offered(trading_pair)
        rule = self._trading_rules[trading_pair]
        if not _is_sane(amount):
            return f"The amount {amount} is not a positive number of a possible size."
        if self.quantize_order_amount(trading_pair, amount) < rule.min_order_size:
            return (
                f"Order amount {amount} is lower than minimum order size {rule.min_order_size} for "
                f"the pair {trading_pair}. The order will not be created."
            )
        if amount > rule.max_order_size:
            return (
                f"The amount {amount} is above the largest order of {trading_pair}, "
                f"{rule.max_order_size}."
            )
        if order_type is OrderType.MARKET:
            if not rule.supports_market_orders:
                return f"{trading_pair} accepts no market orders at the moment; use a limit order."
            if not self._has_touch(trading_pair):
                return (
                    f"There is no price for {trading_pair}: a side of its order book is empty or "
                    "not loaded yet. Use a limit order, or wait until the connector is ready."
                )
            return None
        if price is None or not _is_sane(price):
            return f"The price {price} is not a positive number of a possible size."
        if self.quantize_order_price(trading_pair, price) <= 0:
            return (
                f"The price {price} is below the smallest price step of {trading_pair}, "
                f"{rule.min_price_increment}."
            )
        return None

    def _has_touch(self, trading_pair: str) -> bool:
        """Whether the book has both sides; Hummingbot asks the best bid of any market order."""
        book = self.order_books.get(trading_pair)
        if book is None:
            return False
        try:
            return not any(math.isnan(book.get_price(is_buy)) for is_buy in (True, False))
        except OSError:  # how Hummingbot's book says that a side is empty
            return False

    def _why_not_offered(self, trading_pair: str) -> str:
        if not self._trading_rules:
            return (
                f"The trading rules are not loaded yet, so no order for {trading_pair} can be "
                "placed. Wait until "
                "the connector is ready."
            )
        near = difflib.get_close_matches(trading_pair.upper(), self._trading_rules, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return (
            f"{trading_pair} is not a market of Backpack that is open for orders: it does not "
            "exist, or is closed "
            f"or cancel-only.{hint}"
        )


def trackable(amount: Decimal) -> Decimal:
    """What Hummingbot can compare: it takes a negative amount for filled, and trips over NaN."""
    return amount if _is_sane(amount) else Decimal(0)


def _is_sane(number: Decimal) -> bool:
    return number.is_finite() and 0 < number < _LARGEST_NUMBER
