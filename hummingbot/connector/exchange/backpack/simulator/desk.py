"""The commands on other people's liquidity in one market, for who feeds it with a live stream.

Finer than `Engine.set_level`: what leaves a level leaves the place in the queue that it is told to
leave. Events wait until `flush`, so that one frame of a source is one command.
"""

from decimal import Decimal

from ..api.models import Side
from .book import price_of, remaining
from .events import OrderRecord
from .execution import Execution
from .fill_model import Part
from .outside import HOUSE, OutsideMarket
from .venue import Venue


class OutsideDesk:
    """One market as seen by the rest of the world.

    Args:
        outside: holds the rest of the world's liquidity.
        execution: carries out what is asked for.
        venue: the market.
    """

    def __init__(self, outside: OutsideMarket, execution: Execution, venue: Venue) -> None:
        self._outside = outside
        self._execution = execution
        self._venue = venue

    @property
    def step(self) -> Decimal:
        """Unit that quantities are counted in, base units."""
        return self._venue.rules.quantity_unit

    def queue(self, side: Side, price: Decimal) -> list[Part]:
        """What rests at `price`, oldest first."""
        return [_part(order) for order in self._venue.book.side(side).orders_at(price)]

    def ours_before(self, side: Side, price: Decimal) -> list[Part]:
        """Our resting orders at prices better than `price`, in price-time priority."""
        parts: list[Part] = []
        for level in self._venue.book.side(side).levels():
            if level.price <= price if side is Side.BID else level.price >= price:
                break
            parts += [_part(o) for o in level.orders.values() if o.account_id != HOUSE]
        return parts

    def meets_ours(self, side: Side, price: Decimal) -> bool:
        """Whether an order on `side` at `price` would trade with a resting one of ours."""
        return self._outside.has_others(self._venue, side, price)

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order on `side` at `price` would trade with anything."""
        return self._venue.book.against(side).crosses(price)

    def set_level(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """As `Engine.set_level`: additions and removals at the back of the queue.

        Raises:
            ValueError: a number that no level can have.
        """
        self._outside.set_level(self._venue, side, price, quantity)

    def withdraw(self, side: Side, part: Part, quantity: Decimal) -> None:
        """Take `quantity` off an order of others, without a trade and without a word."""
        self._outside.shrink(self._venue, self._order(side, part), quantity)

    def publish(self, side: Side, price: Decimal) -> None:
        """Tell what the level at `price` holds now."""
        self._execution.publish_level(self._venue, side, price)

    def fill(self, side: Side, part: Part, quantity: Decimal) -> None:
        """Let others trade `quantity` with an order of ours, at its price."""
        self._outside.trade_with(self._venue, self._order(side, part), quantity)

    def print_trade(self, price: Decimal, quantity: Decimal, taker_side: Side) -> None:
        """As `Engine.print_trade`.

        Raises:
            ValueError: numbers that no trade can have.
        """
        self._outside.print_trade(self._venue, price, quantity, taker_side)

    def send_ours_back(self, side: Side, price: Decimal) -> None:
        """Put our orders at `price` behind all others there, in their order."""
        book_side = self._venue.book.side(side)
        for order in book_side.orders_at(price):
            if order.account_id != HOUSE:
                book_side.remove(order)
                book_side.add(order)

    def set_blind(self, *, is_blind: bool) -> None:
        """Say whether the source cannot be seen: until it can, nothing trades."""
        self._venue.is_blind = is_blind

    def flush(self) -> None:
        """Tell the sinks what happened; the command is complete."""
        self._execution.flush()

    def _order(self, side: Side, part: Part) -> OrderRecord:
        queue = self._venue.book.side(side).orders_at(part.price)
        return next(order for order in queue if order.order_id == part.order_id)


def _part(order: OrderRecord) -> Part:
    return Part(order.order_id, price_of(order), remaining(order), order.account_id != HOUSE)
