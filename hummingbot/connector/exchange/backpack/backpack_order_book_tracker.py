"""Hummingbot's tracker of order books, fed by a data source that applies diffs itself."""

import asyncio
from typing import TYPE_CHECKING, override

from hummingbot.core.data_type.order_book_tracker import (
    OrderBookTracker,
    OrderBookTrackerMetrics,
)

from .api.errors import BackpackError
from .backpack_backoff import new_backoff

if TYPE_CHECKING:
    from .backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource


class BackpackOrderBookTracker(OrderBookTracker):
    """Hummingbot's tracker, starting all books at once and ready only while each of them is right.

    The base loads one book after another with a second of sleep between them.
    """

    def __init__(
        self,
        data_source: "BackpackAPIOrderBookDataSource",
        trading_pairs: list[str],
        domain: str | None = None,
    ) -> None:
        super().__init__(data_source, trading_pairs, domain)
        data_source.metrics = self._metrics

    @property
    @override
    def ready(self) -> bool:
        return bool(super().ready) and self._data_source.in_sync

    @property
    @override
    def metrics(self) -> OrderBookTrackerMetrics:
        self._data_source.count()
        return self._metrics

    @override
    def stop(self) -> None:
        super().stop()
        self._data_source.stop_loading()

    @override
    async def _init_order_books(self) -> None:
        await asyncio.gather(*(self._init_order_book(pair) for pair in list(self._trading_pairs)))
        self._order_books_initialized.set()

    async def _init_order_book(self, trading_pair: str) -> None:
        backoff = new_backoff()
        while True:
            try:
                book = await self._initial_order_book_for_trading_pair(trading_pair)
            except ValueError as e:
                self._data_source.complain(trading_pair, e)
                return
            except BackpackError as e:
                self.logger().warning(f"{trading_pair} cannot be looked up yet: {e}")
                await self._sleep(backoff.next_delay_s())
            else:
                break
        self._order_books[trading_pair] = book
        self.logger().info(f"The order book of {trading_pair} is loaded.")
