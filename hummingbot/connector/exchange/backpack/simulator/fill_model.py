"""How orders of ours are filled in a market that is only watched: the rules, as pure arithmetic.

Quantities in base units, times in µs since the epoch by the source's clock. Knows neither books nor
accounts nor sockets: `mirror` asks it, and has the engine do what it answers.

Our orders are not on the source, so what would have happened to them is inferred from its public
trades and level quantities:

1. *Arrival.* An order of ours stands behind everything that is shown at its price.
2. *Trade at its price.* It takes from the front of the queue, others and ours alike: we are filled
   with what is left of it when it reaches us.
3. *Cancellation.* What a level loses and no trade explains was cancelled. It is spread evenly over
   all others of the level, so it moves us up by its share that stood before us, rounded down to the
   market's step.
4. *Addition.* What a level gains joins the back.
5. *Trade through.* A trade at a price worse for its maker than ours would have met us first: we are
   filled with up to its whole quantity, whatever is still shown before us.
6. *Crossing.* Liquidity that appears at a price where it would trade with us fills us at OUR price,
   with what is new of it: a level that goes from 30 to 35 offers 5.
7. *Pairs.* A trade and the decrease that it causes come as two frames, in either order. They belong
   together if the decrease is not the earlier one by the source's clock, and at most a second
   later; then they count once.

Of one trade, its quantity is never exceeded by what it fills of ours.

Known optimism: our orders change nothing for others, who in truth would see them, join them or
step before them; nobody is slower than anybody, so a cancel of ours never comes too late; an order
that arrives between the two frames of one trade may be moved up by it twice. Known pessimism: a
decrease while the source could not be seen counts as a cancellation, although trades, which all
come off the front, may have caused it; trades that were not seen fill nothing; cancelling is spread
evenly, although those at the back cancel more often; a quantity that was hidden fills as if it had
been before us.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

ZERO: Final = Decimal(0)
PAIRING_WINDOW_US: Final = 1_000_000


class Part(NamedTuple):
    """One order in a queue; `quantity` is what remains of it."""

    order_id: int
    price: Decimal
    quantity: Decimal
    is_ours: bool


type Takes = list[tuple[Part, Decimal]]
"""How much comes off which part of a queue, front first."""


def take_from_front(queue: Iterable[Part], quantity: Decimal) -> Takes:
    """Spread a trade over a queue (best price and oldest first), others and ours alike."""
    takes: Takes = []
    for part in queue:
        if quantity <= 0:
            break
        taken = min(quantity, part.quantity)
        takes.append((part, taken))
        quantity -= taken
    return takes


def spread_cancellation(queue: Iterable[Part], quantity: Decimal, step: Decimal) -> Takes:
    """Spread a cancellation evenly over the others of a queue (oldest first).

    Whatever stands before any place of the queue gives up its share rounded down to `step`, so the
    rounding never moves us up. At most everything is cancelled.
    """
    # Whole steps, as integers: a product of two quantities may have more digits than Decimal keeps.
    sizes = [(part, int(part.quantity / step)) for part in queue if not part.is_ours]
    total = sum(size for _, size in sizes)
    cancelled = min(total, int(quantity / step))
    takes: Takes = []
    passed = given = 0
    for part, size in sizes:
        passed += size
        share = cancelled * passed // total
        if share > given:
            takes.append((part, (share - given) * step))
        given = share
    return takes


def taken_before_ours(queue: Sequence[Part], takes: Takes) -> Decimal:
    """How much of `takes` stood before the first order of ours."""
    before: set[int] = set()
    for part in queue:
        if part.is_ours:
            break
        before.add(part.order_id)
    return sum((taken for part, taken in takes if part.order_id in before), ZERO)


@dataclass(slots=True)
class _Unpaired:
    """A trade or a decrease whose counterpart was not seen yet; `moved` is for decreases only."""

    time_us: int
    quantity: Decimal
    moved: Decimal = ZERO


class LevelMemory:
    """Tells trades from cancellations at one price where an order of ours stands."""

    __slots__ = ("_decreases", "_trades")

    def __init__(self) -> None:
        self._trades: deque[_Unpaired] = deque()
        self._decreases: deque[_Unpaired] = deque()

    def trade(self, quantity: Decimal, time_us: int) -> Decimal:
        """Hear of a trade at this price.

        Returns:
            How much of it the front of the queue has still to give: all of it, less what a decrease
            that was seen before it has already taken there.
        """
        _forget(self._trades, time_us)
        _forget(self._decreases, time_us)
        unseen = front = quantity
        for decrease in self._decreases:
            if _belong_together(time_us, decrease.time_us):
                paired = min(unseen, decrease.quantity)
                done = min(paired, decrease.moved)
                decrease.quantity -= paired
                decrease.moved -= done
                unseen -= paired
                front -= done
        if unseen:
            self._trades.append(_Unpaired(time_us, unseen))
        return front

    def decrease(self, quantity: Decimal, time_us: int) -> Decimal:
        """Hear that the level has lost `quantity`.

        Returns:
            The part of it that no trade explains: cancellations.
        """
        _forget(self._trades, time_us)
        for trade in self._trades:
            if _belong_together(trade.time_us, time_us):
                paired = min(quantity, trade.quantity)
                trade.quantity -= paired
                quantity -= paired
        return quantity

    def cancelled(self, quantity: Decimal, moved: Decimal, time_us: int) -> None:
        """Keep a cancellation, which moved us up by `moved`: its trade may be yet to come."""
        _forget(self._decreases, time_us)
        if quantity:
            self._decreases.append(_Unpaired(time_us, quantity, moved))


def _belong_together(trade_us: int, decrease_us: int) -> bool:
    return trade_us <= decrease_us <= trade_us + PAIRING_WINDOW_US


def _forget(waiting: deque[_Unpaired], now_us: int) -> None:
    while waiting and (not waiting[0].quantity or waiting[0].time_us < now_us - PAIRING_WINDOW_US):
        waiting.popleft()
