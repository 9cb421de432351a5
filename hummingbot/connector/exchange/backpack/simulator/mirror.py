"""One market that shows another one: its books and trades brought into the engine.

Pure: it is given the source's snapshots, diffs and trades, and gives commands to the engine. Which
of our orders that fills, `fill_model` says. What connects and asks for snapshots is
`mirror_source`.
"""

from decimal import Decimal
from typing import Final

from ..api.depth import DepthSequence
from ..api.errors import SequenceGap
from ..api.models import Depth, DepthLevel, Side, Symbol
from ..api.streams import DepthDiff, PublicTrade
from .desk import OutsideDesk
from .events import ZERO
from .fill_model import (
    LevelMemory,
    Part,
    spread_cancellation,
    take_from_front,
    taken_before_ours,
)

_MEMORIES_KEPT: Final = 1_000

type Diff = DepthDiff[DepthLevel]
type Snapshot = Depth[DepthLevel]


class MirroredMarket:
    """A market of the engine and what the source has shown of its model.

    Begins blind. While it is blind it changes nothing and nothing trades in it.

    Args:
        desk: commands on the market.
        symbol: the market's name, the same on both sides.
    """

    def __init__(self, desk: OutsideDesk, symbol: Symbol) -> None:
        self.symbol = symbol
        self._desk = desk
        self._sequence: DepthSequence[Diff] = DepthSequence(symbol)
        self._shown: dict[Side, dict[Decimal, Decimal]] = {Side.BID: {}, Side.ASK: {}}
        self._memories: dict[tuple[Side, Decimal], LevelMemory] = {}
        self._was_loaded = False
        self._last_trade_id = 0
        desk.set_blind(is_blind=True)

    @property
    def is_blind(self) -> bool:
        """Whether the source's book is not known now."""
        return not self._sequence.in_sync

    @property
    def last_update_id(self) -> int | None:
        """The source's id of the last change that is contained; ``None`` while blind."""
        return self._sequence.last_update_id

    def shown(self, side: Side) -> dict[Decimal, Decimal]:
        """Price to quantity (base units) as the source showed them last; a copy."""
        return dict(self._shown[side])

    def lose(self) -> None:
        """The connection is gone: diffs and trades are being missed."""
        self._sequence.reset()
        self._go_blind()
        # Another connection may lead to a source that was started anew, with smaller ids.
        self._last_trade_id = 0

    def clear(self) -> None:
        """Take everything away that the source has shown, and trade as any other market."""
        self._sequence.reset()
        self._memories.clear()
        for side, levels in self._shown.items():
            for price in levels:
                self._desk.set_level(side, price, ZERO)
            levels.clear()
        self._desk.set_blind(is_blind=False)
        self._desk.flush()

    def load(self, snapshot: Snapshot) -> None:
        """Start from a snapshot and the diffs that were kept since.

        Raises:
            SequenceGap: it is older than the kept diffs; the market stays blind.
            ValueError: a level that cannot be.
        """
        kept = self._sequence.start(snapshot.last_update_id)
        try:
            self._apply_snapshot(snapshot)
            for diff in kept:
                self._apply_diff(diff)
        except (ArithmeticError, ValueError):
            self.lose()
            raise
        finally:
            self._desk.flush()
        self._was_loaded = True
        self._desk.set_blind(is_blind=False)

    def on_diff(self, diff: Diff) -> None:
        """Bring changed levels into the book; kept for the snapshot while blind.

        Raises:
            SequenceGap: diffs were missed; the market is blind until the next snapshot.
            ValueError: a level that cannot be.
        """
        try:
            accepted = self._sequence.accept(diff)
            if accepted is not None:
                self._apply_diff(accepted)
        except SequenceGap:
            self._go_blind()
            raise
        except (ArithmeticError, ValueError):
            self.lose()
            raise
        finally:
            self._desk.flush()

    def on_trade(self, trade: PublicTrade) -> None:
        """Let a trade fill orders of ours that it reaches, and print the rest of it.

        Nothing happens while blind, nor with a trade that was seen already.

        Raises:
            ValueError: numbers that no trade can have.
        """
        if self.is_blind or trade.trade_id <= self._last_trade_id:
            return
        self._last_trade_id = trade.trade_id
        try:
            left = trade.quantity - self._fill(trade)
            if left:
                self._desk.print_trade(trade.price, left, trade.taker_side)
        finally:
            self._desk.flush()

    def _go_blind(self) -> None:
        self._memories.clear()
        self._desk.set_blind(is_blind=True)

    # --- trades ---

    def _fill(self, trade: PublicTrade) -> Decimal:
        """Fill ours with a trade; returns how much of it that took."""
        side = Side.BID if trade.taker_side is Side.ASK else Side.ASK
        filled = ZERO
        for part, taken in take_from_front(
            self._desk.ours_before(side, trade.price), trade.quantity
        ):
            self._desk.fill(side, part, taken)
            filled += taken
        queue = self._desk.queue(side, trade.price)
        memory = self._memory(side, trade.price, queue)
        if memory is None:
            return filled
        due = memory.trade(trade.quantity, trade.engine_time_us or trade.event_time_us)
        for part, taken in take_from_front(queue, min(due, trade.quantity - filled)):
            if part.is_ours:
                self._desk.fill(side, part, taken)
                filled += taken
            else:
                self._desk.withdraw(side, part, taken)
        self._desk.publish(side, trade.price)
        return filled

    def _memory(self, side: Side, price: Decimal, queue: list[Part]) -> LevelMemory | None:
        """What is remembered of a level; ``None`` where no order of ours stands."""
        if not any(part.is_ours for part in queue):
            self._memories.pop((side, price), None)
            return None
        if len(self._memories) > _MEMORIES_KEPT:
            # Levels that our orders have left and of which nobody has spoken since.
            self._memories.clear()
        return self._memories.setdefault((side, price), LevelMemory())

    # --- levels ---

    def _apply_snapshot(self, snapshot: Snapshot) -> None:
        self._memories.clear()
        for side, rows in ((Side.BID, snapshot.bids), (Side.ASK, snapshot.asks)):
            told = {row.price: row.quantity for row in rows}
            for price in [price for price in self._shown[side] if price not in told]:
                self._apply(side, price, ZERO, None)
        for side, rows in ((Side.BID, snapshot.bids), (Side.ASK, snapshot.asks)):
            # Best prices first: that is where orders of ours that are crossed would have traded.
            for row in reversed(rows) if side is Side.BID else rows:
                self._apply(side, row.price, row.quantity, None)
                if not self._was_loaded:
                    # Orders of ours that were here before the first sight of the market.
                    self._desk.send_ours_back(side, row.price)

    def _apply_diff(self, diff: Diff) -> None:
        time_us = diff.engine_time_us or diff.event_time_us
        changes = [(Side.BID, row) for row in diff.bids] + [(Side.ASK, row) for row in diff.asks]
        # What is gone goes first: a diff over some time may move a whole side past the other.
        for is_decrease in (True, False):
            for side, row in changes:
                known = self._shown[side].get(row.price, ZERO)
                if (row.quantity < known) is is_decrease:
                    self._apply(side, row.price, row.quantity, time_us)

    def _apply(self, side: Side, price: Decimal, quantity: Decimal, time_us: int | None) -> None:
        """Make a level what the source shows; `time_us` is ``None`` in a snapshot."""
        if not (price.is_finite() and quantity.is_finite()) or price <= 0 or quantity < 0:
            raise ValueError(f"{self.symbol} has no level of {quantity} at {price}")
        before = self._shown[side].get(price, ZERO)
        if quantity == before:
            return  # what we took of it is not offered again
        desk = self._desk
        if quantity:
            self._drop_crossed(side, price)
            self._shown[side][price] = quantity
        else:
            del self._shown[side][price]
        queue = desk.queue(side, price)
        if quantity < before:
            self._cancel(side, price, queue, before - quantity, time_us)
        if quantity and desk.meets_ours(side, price):
            standing = sum((part.quantity for part in queue if not part.is_ours), ZERO)
            # Only what is new meets ours: the rest has traded with them already.
            quantity = min(standing, quantity) + max(ZERO, quantity - before)
        desk.set_level(side, price, quantity)

    def _cancel(
        self,
        side: Side,
        price: Decimal,
        queue: list[Part],
        decrease: Decimal,
        time_us: int | None,
    ) -> None:
        """Take what was cancelled from where it stood; trades have taken their part already."""
        memory = self._memory(side, price, queue)
        if memory is None:
            return
        cancelled = decrease if time_us is None else memory.decrease(decrease, time_us)
        takes = spread_cancellation(queue, cancelled, self._desk.step)
        for part, taken in takes:
            self._desk.withdraw(side, part, taken)
        if time_us is not None:
            memory.cancelled(cancelled, taken_before_ours(queue, takes), time_us)

    def _drop_crossed(self, side: Side, price: Decimal) -> None:
        """Take away levels of the other side that a new one shows to be out of date."""
        if not self._desk.crosses(side, price):
            return
        other = Side.ASK if side is Side.BID else Side.BID
        stale = [p for p in self._shown[other] if (p <= price if side is Side.BID else p >= price)]
        for level_price in stale:
            del self._shown[other][level_price]
            self._desk.set_level(other, level_price, ZERO)
