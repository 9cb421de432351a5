"""An order book that notes when it is changed. It costs every contender the same."""

import time
from collections.abc import Iterable
from typing import Any

from hummingbot.core.data_type.order_book import OrderBook

CHANGES: list[tuple[float, int, int, bool]] = []
"""When (`perf_counter` seconds), which book (`id`), its update id, whether it was a snapshot."""


class NotingBook(OrderBook):  # type: ignore[misc]  # Hummingbot ships no types
    """Notes each change after it was made."""

    def apply_diffs(self, bids: Iterable[Any], asks: Iterable[Any], update_id: int) -> None:
        """As the base."""
        super().apply_diffs(bids, asks, update_id)
        CHANGES.append((time.perf_counter(), id(self), update_id, False))

    def apply_snapshot(self, bids: Iterable[Any], asks: Iterable[Any], update_id: int) -> None:
        """As the base."""
        super().apply_snapshot(bids, asks, update_id)
        CHANGES.append((time.perf_counter(), id(self), update_id, True))


def is_applied(book: OrderBook, update_id: int) -> bool:
    """Whether a book has come to an update."""
    return bool(max(book.last_diff_uid, book.snapshot_uid) >= update_id)


def is_right(book: OrderBook, truth: dict[str, Any]) -> bool:
    """Whether a book has exactly the true levels."""
    return all(
        {entry.price: entry.amount for entry in entries()}
        == {float(price): float(quantity) for price, quantity in truth[side].items()}
        for side, entries in (("bids", book.bid_entries), ("asks", book.ask_entries))
    )
