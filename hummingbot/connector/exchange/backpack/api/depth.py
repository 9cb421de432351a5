"""The order-book sequencing rules as one small object.

It knows update ids only. What a diff carries, and the book it changes, are the caller's.

Rules (interface description, stream depth):
1. a diff covers the update ids ``first_update_id`` to ``last_update_id``;
2. a snapshot contains everything up to its ``last_update_id``: diffs that end there or before are
dropped;
3. the first diff applied must cover ``snapshot + 1``;
4. from then on each diff must start at the previous ``last_update_id + 1``.
"""

from collections import deque
from typing import Protocol

from .errors import SequenceGap

MAX_BUFFERED_DIFFS = 10_000


class Diff(Protocol):
    """What sequencing needs of a diff."""

    @property
    def first_update_id(self) -> int:
        """First update in the diff."""

    @property
    def last_update_id(self) -> int:
        """Last update in the diff."""


class DepthSequence[D: Diff]:
    """Puts a snapshot and diffs, arriving in any order, into the one order of applying them.

    While there is no snapshot, diffs are kept. After a `SequenceGap` the book is wrong: the diff
    that showed the gap is kept, `last_update_id` is ``None``, and the caller must fetch a new
    snapshot.
    """

    __slots__ = ("_buffer", "last_update_id", "symbol")

    def __init__(self, symbol: str, max_buffered: int = MAX_BUFFERED_DIFFS) -> None:
        self.symbol = symbol
        self.last_update_id: int | None = None
        # A bounded buffer: if it overflows the oldest diffs go and the next snapshot shows the gap.
        self._buffer: deque[D] = deque(maxlen=max_buffered)

    @property
    def in_sync(self) -> bool:
        """Whether a snapshot has been applied and no gap was seen since."""
        return self.last_update_id is not None

    def reset(self) -> None:
        """Forget everything: the connection was lost, so diffs were missed."""
        self.last_update_id = None
        self._buffer.clear()

    def accept(self, diff: D) -> D | None:
        """Check one diff against the sequence.

        Returns:
            The diff if it is to be applied now, ``None`` if it is kept for the snapshot or already
            contained.

        Raises:
            SequenceGap: the diff starts after ``last_update_id + 1``.
        """
        last = self.last_update_id
        if last is None:
            if self._buffer and diff.last_update_id < self._buffer[-1].first_update_id:
                # The ids have started again, so what was kept belongs to no snapshot to come.
                self._buffer.clear()
            self._buffer.append(diff)
            return None
        if diff.first_update_id == last + 1:
            self.last_update_id = diff.last_update_id
            return diff
        if diff.last_update_id <= last:
            return None
        if diff.first_update_id <= last:
            # Only the first diff after a snapshot may overlap; levels are absolute, so applying it
            # whole is right.
            self.last_update_id = diff.last_update_id
            return diff
        self.last_update_id = None
        self._buffer.clear()
        self._buffer.append(diff)
        raise SequenceGap(self.symbol, expected=last + 1, found=diff.first_update_id)

    def start(self, snapshot_update_id: int) -> list[D]:
        """Begin from a snapshot.

        Args:
            snapshot_update_id: ``lastUpdateId`` of the snapshot.

        Returns:
            The kept diffs to apply on top of it, in order.

        Raises:
            SequenceGap: the snapshot is older than the kept diffs reach back; fetch another one
                (they stay kept).
        """
        last = snapshot_update_id
        kept: list[D] = []
        for diff in self._buffer:
            if diff.last_update_id <= last:
                continue
            if diff.first_update_id > last + 1:
                raise SequenceGap(self.symbol, expected=last + 1, found=diff.first_update_id)
            last = diff.last_update_id
            kept.append(diff)
        self._buffer.clear()
        self.last_update_id = last
        return kept
