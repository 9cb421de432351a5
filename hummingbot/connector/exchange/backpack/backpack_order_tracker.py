"""Hummingbot's order tracker with the two things it lacks.

States that never go back, and Backpack's client ids.
"""

import asyncio
import time
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, override

from cachetools import TTLCache

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import (
    InFlightOrder,
    OrderState,
    OrderUpdate,
    TradeUpdate,
)

from . import backpack_constants as constants
from .backpack_translation import wire_client_id

if TYPE_CHECKING:
    from .backpack_connector_base import BackpackConnectorBase

_TERMINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED})
_GIVEN_UP_KEPT = 1000
_GIVEN_UP_TTL_S = 900.0
_MAX_CLIENT_IDS = 4 * ClientOrderTracker.MAX_CACHE_SIZE
_PROGRESS = {
    OrderState.PENDING_CREATE: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.PENDING_CANCEL: 3,
    OrderState.FILLED: 4,
    OrderState.CANCELED: 4,
    OrderState.FAILED: 4,
}


class BackpackOrderTracker(ClientOrderTracker):
    """Applies updates that come from three sources in any order."""

    def __init__(self, connector: "BackpackConnectorBase") -> None:
        super().__init__(connector)
        self._orders_by_client_id: dict[int, str] = {}
        self._client_ids: dict[str, int] = {}
        self._fill_events: dict[str, list[asyncio.Event]] = {}
        self._given_up: TTLCache[str, InFlightOrder] = TTLCache(_GIVEN_UP_KEPT, _GIVEN_UP_TTL_S)
        self._absent_s: TTLCache[str, float] = TTLCache(_GIVEN_UP_KEPT, _GIVEN_UP_TTL_S)

    @override
    def start_tracking_order(self, order: InFlightOrder) -> None:
        super().start_tracking_order(order)
        self.assign_client_id(order)

    @override
    def fetch_order(
        self, client_order_id: str | None = None, exchange_order_id: str | None = None
    ) -> InFlightOrder | None:
        """The active order or the one done lately; Hummingbot's merges all of both each time."""
        if client_order_id is not None:
            order = self._in_flight_orders.get(client_order_id)
            order = order or self._cached_orders.get(client_order_id)
            if order is not None:
                return order
        if exchange_order_id is None:
            return None
        orders = chain(self._in_flight_orders.values(), self._cached_orders.values())
        return next((o for o in orders if o.exchange_order_id == exchange_order_id), None)

    def assign_client_id(self, order: InFlightOrder, attempt: int = 0) -> int:
        """Give an order a client id that none of our tracked orders has, and remember it."""
        client_id = wire_client_id(order.client_order_id, attempt)
        while self._orders_by_client_id.get(client_id, order.client_order_id) != (
            order.client_order_id
        ):
            attempt += 1
            client_id = wire_client_id(order.client_order_id, attempt)
        self._orders_by_client_id[client_id] = order.client_order_id
        self._client_ids[order.client_order_id] = client_id
        if len(self._orders_by_client_id) > _MAX_CLIENT_IDS:
            self._forget_old_client_ids()
        return client_id

    def client_id_of(self, order: InFlightOrder) -> int:
        """The wire's client id of a tracked order."""
        known = self._client_ids.get(order.client_order_id)
        return self.assign_client_id(order) if known is None else known

    def find(self, client_id: int | None, exchange_order_id: str) -> InFlightOrder | None:
        """The order, active, done lately or lost, that an event or row speaks of.

        A client id alone does not prove that an order is ours, so a different exchange id rules it
        out.
        """
        if client_id is not None:
            client_order_id = self._orders_by_client_id.get(client_id)
            order = None if client_order_id is None else self._fetch_any(client_order_id)
            if order is not None and order.exchange_order_id in {None, exchange_order_id}:
                return order
        for order in chain(
            self._in_flight_orders.values(),
            self._cached_orders.values(),
            self._lost_orders.values(),
        ):
            if order.exchange_order_id == exchange_order_id:
                return order
        return None

    async def apply(self, update: OrderUpdate) -> None:
        """Apply an update now, its events being emitted before this returns."""
        await self._process_order_update(update)

    def give_up(self, order: InFlightOrder) -> None:
        """Remember an order that is ended for want of any trace, in case it appears after all."""
        self._given_up[order.client_order_id] = order

    def rescue(self, order: InFlightOrder, exchange_order_id: str) -> bool:
        """Have an order that was taken for failed cancelled and its fills recorded.

        Returns:
            False if that is under way already, or the order has ended: then this is old news.
        """
        has_ended = order.exchange_order_id is not None
        if order.client_order_id in self._lost_orders or (
            has_ended and order.client_order_id not in self._given_up
        ):
            return False
        if order.exchange_order_id is None:
            order.update_exchange_order_id(exchange_order_id)
        self._lost_orders[order.client_order_id] = order
        return True

    def forget_lost(self, order: InFlightOrder) -> None:
        """A lost order has ended, or is still unknown: there is nothing left to look after."""
        if self._lost_orders.pop(order.client_order_id, None) is not None:
            self.logger().info(f"The lost order {order.client_order_id} has ended on Backpack.")

    def note_seen(self, order: InFlightOrder) -> None:
        """The exchange knows the order: what spoke for its absence is void."""
        self._order_not_found_records.pop(order.client_order_id, None)
        self._absent_s.pop(order.client_order_id, None)

    async def note_absent(self, order: InFlightOrder) -> None:
        """Count an absence from open orders and history, but not again within the next seconds.

        However often is asked, an order is only lost after it was absent for a good while.
        """
        now_s = time.monotonic()
        counted_s = self._absent_s.get(order.client_order_id)
        if counted_s is None or now_s - counted_s >= constants.ABSENCE_PAUSE_S:
            self._absent_s[order.client_order_id] = now_s
            await self.process_order_not_found(order.client_order_id)

    def suspect(self, order: InFlightOrder) -> None:
        """Count a refused cancellation as one sign that an order is gone, however often it comes.

        The order may be on its way to the exchange, or have ended: repeating the question is no
        evidence.
        """
        if order.client_order_id in self._in_flight_orders:
            records = self._order_not_found_records
            records[order.client_order_id] = max(1, records[order.client_order_id])

    async def wait_executed(self, order: InFlightOrder, amount: Decimal, timeout_s: float) -> bool:
        """Wait until fills of `amount` (base units) were recorded; False if not in time."""
        event = asyncio.Event()
        waiting = self._fill_events.setdefault(order.client_order_id, [])
        waiting.append(event)
        try:
            async with asyncio.timeout(timeout_s):
                while order.executed_amount_base < amount:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            waiting.remove(event)
            if not waiting:
                del self._fill_events[order.client_order_id]
        return True

    @override
    def process_trade_update(self, trade_update: TradeUpdate) -> None:
        super().process_trade_update(trade_update)
        for event in self._fill_events.get(trade_update.client_order_id, ()):
            event.set()

    @override
    async def _process_order_update(self, order_update: OrderUpdate) -> None:
        order = self.fetch_order(order_update.client_order_id, order_update.exchange_order_id)
        if order is not None and not _is_progress(order, order_update.new_state):
            if order.exchange_order_id is None and order_update.exchange_order_id is not None:
                order.update_exchange_order_id(order_update.exchange_order_id)
            return
        await super()._process_order_update(order_update)

    def _fetch_any(self, client_order_id: str) -> InFlightOrder | None:
        return (
            self._in_flight_orders.get(client_order_id)
            or self._cached_orders.get(client_order_id)
            or self._lost_orders.get(client_order_id)
            or self._given_up.get(client_order_id)
        )

    def _forget_old_client_ids(self) -> None:
        kept = self.all_fillable_orders.keys()
        self._client_ids = {k: v for k, v in self._client_ids.items() if k in kept}
        self._orders_by_client_id = {
            k: v for k, v in self._orders_by_client_id.items() if v in kept
        }


def _is_progress(order: InFlightOrder, state: OrderState) -> bool:
    """Whether a state may follow the order's.

    A late answer must not undo what an event has told.
    """
    if order.current_state in _TERMINAL:
        return False
    return _PROGRESS[state] >= _PROGRESS[order.current_state]
