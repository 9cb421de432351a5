"""The resting orders of one market, in price-time priority.

Knows prices, queues and levels; it must not know accounts, fees, rules or events. A price has a
level with an ordered queue of orders; the prices of a side are a sorted list, so that the best
price is at one end and a cancel by id costs one look-up.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal

from ..api.models import Side
from .events import ZERO, OrderRecord

type PriceLevel = tuple[Decimal, Decimal]
"""``(price, quantity)``: quote units per base unit, base units."""


def remaining(order: OrderRecord) -> Decimal:
    """Quantity of `order` that is not yet executed, in base units."""
    return (order.quantity or ZERO) - order.executed_quantity


def price_of(order: OrderRecord) -> Decimal:
    """Limit price of a resting order; market orders never rest."""
    if order.price is None:
        msg = f"order {order.order_id} has no price"
        raise ValueError(msg)
    return order.price


class Level:
    """Orders at one price, oldest first; `quantity` is the sum of what remains of them."""

    __slots__ = ("orders", "price", "quantity")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.quantity = ZERO
        # Not a plain dict: taking the oldest from its front over and over is quadratic there.
        self.orders: OrderedDict[int, OrderRecord] = OrderedDict()


class BookSide:
    """The bids or the asks of a market."""

    __slots__ = ("_levels", "_prices", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._levels: dict[Decimal, Level] = {}
        self._prices: list[Decimal] = []

    def __len__(self) -> int:
        """Count the price levels."""
        return len(self._prices)

    def add(self, order: OrderRecord) -> None:
        """Queue `order` behind all others at its price."""
        price = price_of(order)
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = Level(price)
            insort(self._prices, price)
        level.orders[order.order_id] = order
        level.quantity += remaining(order)

    def remove(self, order: OrderRecord) -> None:
        """Take `order` out, whatever remains of it.

        Raises:
            KeyError: the order does not rest here.
        """
        level = self._levels[price_of(order)]
        del level.orders[order.order_id]
        level.quantity -= remaining(order)
        if not level.orders:
            self._drop(level.price)

    def reduce(self, order: OrderRecord, quantity: Decimal) -> None:
        """Tell that `quantity` (base units) of `order` is about to leave by a fill.

        The order keeps its place; with nothing left of it, it goes.
        """
        level = self._levels[price_of(order)]
        level.quantity -= quantity
        if quantity == remaining(order):
            del level.orders[order.order_id]
            if not level.orders:
                self._drop(level.price)

    def resize(self, order: OrderRecord, quantity: Decimal) -> None:
        """Set the total quantity of `order`, in base units and above what it executed.

        It keeps its place in the queue.
        """
        level = self._levels[price_of(order)]
        level.quantity += quantity - (order.quantity or ZERO)
        order.quantity = quantity

    def quantity_at(self, price: Decimal) -> Decimal:
        """Quantity resting at `price`, in base units; zero without a level."""
        level = self._levels.get(price)
        return ZERO if level is None else level.quantity

    def orders_at(self, price: Decimal) -> list[OrderRecord]:
        """Orders resting at `price`, oldest first."""
        level = self._levels.get(price)
        return [] if level is None else list(level.orders.values())

    def best(self) -> PriceLevel | None:
        """Best price and its quantity, ``None`` for an empty side."""
        if not self._prices:
            return None
        level = self._levels[self._prices[-1 if self.side is Side.BID else 0]]
        return level.price, level.quantity

    def levels(self) -> Iterator[Level]:
        """Levels from the best price on; the side must not change meanwhile."""
        prices = reversed(self._prices) if self.side is Side.BID else self._prices
        return map(self._levels.__getitem__, prices)

    def depth(self, limit: int) -> list[PriceLevel]:
        """The best `limit` levels, ASCENDING by price on both sides, as the exchange sends them."""
        prices = self._prices
        shown = prices[max(0, len(prices) - limit) :] if self.side is Side.BID else prices[:limit]
        return [(price, self._levels[price].quantity) for price in shown]

    def crosses(self, price: Decimal) -> bool:
        """Whether an order of the other side at `price` would trade with the best order here."""
        if not self._prices:
            return False
        if self.side is Side.BID:
            return price <= self._prices[-1]
        return price >= self._prices[0]

    def _drop(self, price: Decimal) -> None:
        del self._levels[price]
        del self._prices[bisect_left(self._prices, price)]


class Book:
    """Both sides of a market with the id of its last change and the touch as last published."""

    __slots__ = ("asks", "bids", "last_update_id", "touch")

    def __init__(self, last_update_id: int) -> None:
        self.bids = BookSide(Side.BID)
        self.asks = BookSide(Side.ASK)
        self.last_update_id = last_update_id
        self.touch: tuple[PriceLevel | None, PriceLevel | None] = (None, None)

    @property
    def is_used(self) -> bool:
        """Whether anything rests here."""
        return bool(len(self.bids) or len(self.asks))

    def side(self, side: Side) -> BookSide:
        """Orders on `side`."""
        return self.bids if side is Side.BID else self.asks

    def against(self, side: Side) -> BookSide:
        """Orders that one on `side` trades with."""
        return self.asks if side is Side.BID else self.bids
