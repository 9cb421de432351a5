"""Other people's liquidity as data: levels and trades of a recorded or live stream.

The stream says how much the rest of the world shows at a price; one house account holds that much.
Our accounts' orders rest among it: what crosses them trades with them, and an order of ours keeps
its place in the queue, the house's share of its level growing and shrinking behind it first.
"""

from decimal import Decimal
from typing import Final

from ..api.models import OrderStatus, OrderType, SelfTradePrevention, Side, TimeInForce
from .accounts import Account
from .book import price_of, remaining
from .events import ZERO, OrderRecord
from .execution import Execution
from .matching import End, Plan, plan_matches
from .rules import Intent
from .venue import Venue

HOUSE: Final = "the rest of the world"


class OutsideMarket:
    """The house account and what it shows."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._house = Account(HOUSE, maker_fee_bps=ZERO, taker_fee_bps=ZERO, unlimited=True)
        execution.accounts[HOUSE] = self._house

    def set_level(self, venue: Venue, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Make the house's quantity at `price` exactly `quantity`.

        There is at least one depth event, even if nothing changed, so that a replayed stream keeps
        its update ids.
        """
        price, quantity = _on_grid(venue, price, quantity)
        book_side = venue.book.side(side)
        queue = book_side.orders_at(price)
        ours = [order for order in queue if order.account_id == HOUSE]
        change = quantity - sum((remaining(order) for order in ours), ZERO)
        if change > 0 and (not queue or queue[-1].account_id != HOUSE):
            # A new order: behind others at this price, or against those that it crosses.
            self._submit(venue, side, price, change, TimeInForce.GTC)
            return
        if change > 0:
            book_side.resize(queue[-1], (queue[-1].quantity or ZERO) + change)
        for order in reversed(ours):
            if change >= 0:
                break
            change += self.shrink(venue, order, -change)
        self._execution.publish_level(venue, side, price)

    def print_trade(
        self, venue: Venue, price: Decimal, quantity: Decimal, taker_side: Side
    ) -> None:
        """Print a trade of the world at `price`, after trading with ours at better prices."""
        price, quantity = _on_grid(venue, price, quantity)
        tick = venue.rules.market.filters.price.tick_size
        better = price + tick if taker_side is Side.ASK else price - tick
        if self.has_others(venue, taker_side, better):
            taker = self._submit(venue, taker_side, better, quantity, TimeInForce.IOC)
            quantity -= taker.executed_quantity
        if quantity == 0:
            return
        is_buyer_maker = taker_side is Side.ASK
        maker_id, taker_id = self._execution.new_order_id(), self._execution.new_order_id()
        self._execution.print_trade(
            venue,
            price,
            quantity,
            buyer_order_id=maker_id if is_buyer_maker else taker_id,
            seller_order_id=taker_id if is_buyer_maker else maker_id,
            is_buyer_maker=is_buyer_maker,
        )

    def trade_with(self, venue: Venue, order: OrderRecord, quantity: Decimal) -> None:
        """Let the house take `quantity` of a resting order of ours, at its price."""
        price = price_of(order)
        side = Side.ASK if order.side is Side.BID else Side.BID
        intent = _intent(venue, side, price, quantity, TimeInForce.IOC)
        plan = Plan([(order, quantity)], quantity, price * quantity, quantity, End.COMPLETE)
        self._execution.submit(self._house, venue, intent, plan)

    def has_others(self, venue: Venue, taker_side: Side, bound: Decimal) -> bool:
        """Whether an account of ours has an order that a taker of `taker_side` at `bound` meets."""
        for level in venue.book.against(taker_side).levels():
            if level.price < bound if taker_side is Side.ASK else level.price > bound:
                return False
            if any(order.account_id != HOUSE for order in level.orders.values()):
                return True
        return False

    def shrink(self, venue: Venue, order: OrderRecord, most: Decimal) -> Decimal:
        """Take up to `most` off `order`, one of the house; returns how much.

        Nothing is told.
        """
        left = remaining(order)
        if left > most:
            venue.book.side(order.side).resize(order, (order.quantity or ZERO) - most)
            return most
        venue.book.side(order.side).remove(order)
        order.status = OrderStatus.CANCELLED
        self._house.close(order, venue.market)
        return left

    def _submit(
        self, venue: Venue, side: Side, price: Decimal, quantity: Decimal, life: TimeInForce
    ) -> OrderRecord:
        intent = _intent(venue, side, price, quantity, life)
        step_size = venue.market.filters.quantity.step_size
        plan = plan_matches(venue.book, intent, HOUSE, price, step_size)
        return self._execution.submit(self._house, venue, intent, plan)


def _intent(
    venue: Venue, side: Side, price: Decimal, quantity: Decimal, life: TimeInForce
) -> Intent:
    return Intent(
        symbol=venue.market.symbol,
        side=side,
        order_type=OrderType.LIMIT,
        price=price,
        quantity=quantity,
        quote_quantity=None,
        time_in_force=life,
        post_only=False,
        # The house's own crossed levels are out of date: the stream has moved on.
        self_trade_prevention=SelfTradePrevention.REJECT_MAKER,
        client_id=None,
    )


def _on_grid(venue: Venue, price: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal]:
    """Both with the market's decimals.

    Raises:
        ValueError: not finite, a price of zero or less, or a negative quantity.
    """
    if not (price.is_finite() and quantity.is_finite()) or price <= 0 or quantity < 0:
        msg = f"{venue.market.symbol} has no level of {quantity} at {price}"
        raise ValueError(msg)
    return price.quantize(venue.rules.price_unit), quantity.quantize(venue.rules.quantity_unit)
