"""Whether the connector's order books are those of the exchange, level by level."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hummingbot_backpack.soak_exchange import SoakExchange

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

# Books move on while they are compared; so many times both are looked at again.
_ATTEMPTS = 40
_LOOK_EVERY_S = 0.003
_LOOKS = 20
_AGAIN_S = 0.05
# A book that is ready may be behind the exchange's for so long, if no fault hides what happens.
_LONGEST_BEHIND_S = 5.0


class BookChecks:
    """Compares books while the connector says that they are right.

    Args:
        connector: whose books.
        exchange: whose truth.
        symbols: by trading pair.

    Attributes:
        compared: how many books were compared.
        wrong: a sentence for each that was not right.
        hidden_until_s: monotonic time up to which a fault may hide what happens.
    """

    def __init__(
        self, connector: "BackpackExchange", exchange: SoakExchange, symbols: dict[str, str]
    ) -> None:
        self._connector = connector
        self._exchange = exchange
        self._symbols = symbols
        self._behind: dict[str, tuple[int, float]] = {}
        self.compared = 0
        self.wrong: list[str] = []
        self.hidden_until_s = 0.0

    async def are_right(self, timeout_s: float) -> bool:
        """Whether every book is seen to be right within some time."""
        left = set(self._symbols)
        deadline_s = time.monotonic() + timeout_s
        while True:
            left -= {pair for pair in tuple(left) if await self.check(pair)}
            if not left or time.monotonic() > deadline_s:
                return not left
            await asyncio.sleep(_AGAIN_S)

    async def check(self, pair: str) -> bool:
        """Compare one book at a moment when both sides know the same last change.

        Returns:
            Whether it was compared and right. A connector that is not ready says nothing of its
            books, and the book of a closed market is empty.
        """
        for _ in range(_ATTEMPTS):
            true = await self._exchange.book(self._symbols[pair])
            if true is None or not self._connector.ready:
                return False
            true_id = int(true["lastUpdateId"])
            await self._wait_for(pair, true_id)
            # From here to the comparison nothing else gets a turn.
            if not self._connector.ready:
                return False
            if self._is_empty(pair):
                return False
            if self._update_id(pair) == true_id:
                self._behind.pop(pair, None)
                return self._compare(pair, true)
            if self._update_id(pair) < true_id:
                self._note_behind(pair, true_id)
                return False
        return False

    async def _wait_for(self, pair: str, update_id: int) -> None:
        for _ in range(_LOOKS):
            if self._update_id(pair) >= update_id:
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _is_empty(self, pair: str) -> bool:
        book = self._connector.order_books[pair]
        return not any(
            True for entries in (book.bid_entries(), book.ask_entries()) for _ in entries
        )

    def _update_id(self, pair: str) -> int:
        book = self._connector.order_books[pair]
        return max(int(book.snapshot_uid), int(book.last_diff_uid))

    def _compare(self, pair: str, true: dict[str, Any]) -> bool:
        book = self._connector.order_books[pair]
        self.compared += 1
        right = True
        for side, entries in (("bids", book.bid_entries()), ("asks", book.ask_entries())):
            ours = {entry.price: entry.amount for entry in entries}
            theirs = {float(price): float(quantity) for price, quantity in true[side]}
            if ours != theirs:
                right = False
                apart = sorted(ours.items() ^ theirs.items())[:4]
                self.wrong.append(
                    f"{pair} {side} at {true['lastUpdateId']}: ready, and unlike the exchange's "
                    f"at {apart}"
                )
        return right

    def _note_behind(self, pair: str, true_id: int) -> None:
        now_s, ours = time.monotonic(), self._update_id(pair)
        since_id, since_s = self._behind.get(pair, (0, now_s))
        if since_id != ours or now_s < self.hidden_until_s:
            since_s = now_s
        self._behind[pair] = ours, since_s
        if now_s - since_s > _LONGEST_BEHIND_S:
            self.wrong.append(
                f"{pair}: ready, and at {ours} for {now_s - since_s:.0f} s, the exchange at "
                f"{true_id}"
            )
            del self._behind[pair]
