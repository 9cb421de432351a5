"""Which resting orders an incoming order would trade with, decided before anything changes.

Pure: reads the book and returns a `Plan`. Because the whole outcome is known first, an order that
must be refused (fill-or-kill, insufficient funds) leaves no trace.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from ..api.models import OrderType, PriceFilters, SelfTradePrevention, Side, TimeInForce
from .book import Book, remaining
from .events import ZERO, OrderRecord
from .rules import Intent, invalid_order, invalid_request


class End(Enum):
    """Why matching stops."""

    COMPLETE = auto()
    """The order is filled."""
    BOUND = auto()
    """The next price is worse than the order may trade at."""
    EMPTY = auto()
    """No orders are left on the other side."""
    SELF = auto()
    """The next order is the account's own, and the incoming one has to give way."""


@dataclass(slots=True)
class Plan:
    """What will happen to an incoming order.

    Attributes:
        steps: resting orders with the quantity (base units) they trade, in matching order; a zero
            quantity means that the resting order is the account's own and expires instead.
        quantity: sum that will trade, base units.
        cost: value of that, quote units.
        target: quantity that the order asks for, base units; of an order by quote amount, what the
            amount is worth at the prices met.
        end: why it stops there.
    """

    steps: list[tuple[OrderRecord, Decimal]] = field(default_factory=list)
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    target: Decimal = ZERO
    end: End = End.EMPTY


def worst_price(book: Book, intent: Intent, filters: PriceFilters) -> Decimal | None:
    """Worst price, in quote units, that `intent` may trade at; ``None`` for any.

    A limit order has its own. A market order may go past the best opposite price by the market's
    impact multipliers only, so that it never sweeps the book without limit.
    """
    if intent.price is not None:
        return intent.price
    best = book.against(intent.side).best()
    multiplier = (
        filters.max_impact_multiplier if intent.side is Side.BID else filters.min_impact_multiplier
    )
    return None if best is None or multiplier is None else best[0] * multiplier


def plan_matches(
    book: Book, intent: Intent, account_id: str, bound: Decimal | None, step_size: Decimal
) -> Plan:
    """Walk the other side of the book in price-time priority.

    Args:
        book: the market's book; not changed.
        intent: incoming order.
        account_id: whose it is, for self-trade prevention.
        bound: worst price, quote units, see `worst_price`.
        step_size: quantity grid of the market, base units.
    """
    plan = Plan(target=intent.quantity or ZERO)
    plan.end = _walk(plan, book, intent, account_id, bound, step_size)
    if plan.quantity and plan.quantity == plan.target:
        plan.end = End.COMPLETE
    return plan


def check_plan(intent: Intent, plan: Plan, min_quantity: Decimal) -> None:
    """Refuse what is not worth beginning.

    Args:
        intent: incoming order.
        plan: what would become of it.
        min_quantity: least quantity of an order, base units.

    Raises:
        Refusal: fill-or-kill that cannot be filled, a market order that meets nobody, or a quote
            amount that buys less than the least quantity.
    """
    if intent.time_in_force is TimeInForce.FOK and plan.end is not End.COMPLETE:
        raise invalid_order("Fill or kill order would not complete fill immediately")
    if intent.order_type is OrderType.MARKET:
        if plan.end is End.EMPTY and not plan.quantity:
            raise invalid_order("No liquidity for market order")
        if plan.target < min_quantity:
            raise invalid_request("Quantity is below the minimum allowed value")


def _walk(
    plan: Plan,
    book: Book,
    intent: Intent,
    account_id: str,
    bound: Decimal | None,
    step_size: Decimal,
) -> End:
    is_bid = intent.side is Side.BID
    prevention = intent.self_trade_prevention
    for level in book.against(intent.side).levels():
        price = level.price
        if bound is not None and (price > bound if is_bid else price < bound):
            return End.BOUND
        for maker in level.orders.values():
            plan.target = _target(intent, plan, price, step_size)
            room = plan.target - plan.quantity
            if room <= 0:
                return End.COMPLETE
            if maker.account_id == account_id and prevention is not SelfTradePrevention.ALLOW:
                if prevention is SelfTradePrevention.REJECT_TAKER:
                    return End.SELF
                plan.steps.append((maker, ZERO))
                if prevention is SelfTradePrevention.REJECT_BOTH:
                    return End.SELF
                continue
            taken = min(room, remaining(maker))
            plan.steps.append((maker, taken))
            plan.quantity += taken
            plan.cost += price * taken
    return End.EMPTY


def _target(intent: Intent, plan: Plan, price: Decimal, step_size: Decimal) -> Decimal:
    """Quantity asked for, base units, if the rest of a quote amount is used up at `price`.

    Whole steps only, and never more than the amount: "as close as possible" from below.
    """
    if intent.quote_quantity is None:
        return plan.target
    left = intent.quote_quantity - plan.cost
    return plan.quantity + left // (price * step_size) * step_size
