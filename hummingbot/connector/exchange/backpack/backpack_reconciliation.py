"""Three sources, one truth: stream events, open orders and history are brought together.

Each poll asks once for all open orders. Orders that are not among them are looked for in the
history. A fill counts once, by its trade id; states never go back; orders that are not ours are
never touched; and a request that failed says nothing about an order.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, override

from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderUpdate, TradeUpdate

from . import backpack_constants as constants
from .api.endpoints import GetFills, GetOpenOrders, GetOrder, GetOrderHistory
from .api.errors import BackpackError, OrderNotFound
from .api.models import (
    Fill,
    HistoricOrder,
    Order,
    OrderStatus,
    SortDirection,
    Symbol,
)
from .api.replies import Rows, UnreadableRow
from .api.streams import OrderFilled
from .api.streams import OrderUpdate as OrderEvent
from .backpack_constants import HISTORY_PAGE, UNKNOWN_ORDER_PATIENCE_S
from .backpack_history import latest_orders
from .backpack_order_batches import OrderBatches
from .backpack_translation import (
    OrderReport,
    is_order_of,
    report_of_event,
    report_of_history,
    report_of_order,
    trade_update_of_event,
    trade_update_of_fill,
)

# History is limited to 30 requests a minute. For more orders than this, one query by time serves
# them all.
_SINGLE_FILL_QUERIES = 3
_CREATION_MARGIN_MS = 120_000
# How far to look back for an order of which it is not known when it was made.
_UNDATED_S = 86_400.0
_MAX_COMPLAINTS = 1000


class Reconciliation(OrderBatches):
    """The part of the connector that reads the state of orders."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (of Hummingbot's base)
        self._complained_rows: set[str | None] = set()
        self._lost_asked_s = -math.inf
        self._is_poll_unanswered = False
        super().__init__(*args, **kwargs)

    # === stream events

    @override
    async def _user_stream_event_listener(self) -> None:
        async for event in self._iter_user_event_queue():
            try:
                await self._on_event(event)
            except asyncio.CancelledError:
                raise
            # The outermost loop: one event that cannot be processed must not stop all others.
            except Exception:  # noqa: BLE001
                self.logger().exception("Unexpected error in user stream listener loop.")
                self.request_reconciliation()

    async def _on_event(self, event: object) -> None:
        """One event of the account, an order's or one of its funds."""
        raise NotImplementedError

    async def _on_order_event(self, event: OrderEvent) -> None:
        order = self._order_tracker.find(event.client_id, event.order_id)
        if order is None:
            return  # another bot's order, or one placed by hand
        if order.exchange_order_id != event.order_id and not is_order_of(event, order):
            return  # another bot's order that happens to have our client id
        report = report_of_event(event)
        if order.is_failure and not report.status.is_terminal:
            self._rescue(order, event.order_id)
        if order.is_pending_create and report.status is not OrderStatus.NEW:
            await self._on_first_word(order, report)
        if isinstance(event, OrderFilled):
            self._order_tracker.process_trade_update(
                trade_update_of_event(event, order, self.trade_fee_schema())
            )
        if order.executed_amount_base < report.executed_amount or report.lacks_reason:
            # Needs a request, and the events behind this one must not wait for it.
            self._spawn(self._apply_report(order, report))
        else:
            await self._apply_report(order, report)

    def _rescue(self, order: InFlightOrder, exchange_order_id: str) -> None:
        """An order that was given up lives: Hummingbot's loop over lost orders cancels it."""
        if self._order_tracker.rescue(order, exchange_order_id):
            self.logger().error(
                f"Order {order.client_order_id} was taken for failed, but is open on Backpack "
                f"({exchange_order_id}). It is being cancelled, and its fills are recorded."
            )

    # === polling

    @override
    async def _update_order_status(self) -> None:
        self._is_poll_unanswered = False
        lost = list(self._order_tracker.lost_orders.values())
        if lost:
            await self._load_fills(lost)
        active = [
            order
            for order in self._order_tracker.active_orders.values()
            if order.client_order_id not in self._placing
        ]
        if active:
            await self._reconcile(active)

    async def _reconcile(self, orders: list[InFlightOrder]) -> None:
        try:
            reports, absent = await self._ask(orders)
        except BackpackError as e:
            # No answer is no evidence: nothing is concluded about any order, and the next poll is
            # a quick one.
            self._is_poll_unanswered = True
            self.logger().warning(f"The state of {len(orders)} orders could not be asked: {e}")
            return
        for order in orders:
            report = reports.get(order.client_order_id)
            if report is None:
                continue
            if order.is_pending_create:
                await self._on_first_word(order, report)
            elif order.exchange_order_id is None:
                order.update_exchange_order_id(report.exchange_order_id)
        await self._load_fills([o for o in orders if _is_behind(o, reports)])
        for order in orders:
            report = reports.get(order.client_order_id)
            if report is not None:
                self._order_tracker.note_seen(order)
                await self._apply_report(order, report, fills_loaded=True)
        for order in absent:
            if order.is_open and self._may_conclude_from_absence(order):
                await self._order_tracker.note_absent(order)

    @override
    async def _update_lost_orders_status(self) -> None:
        # Hummingbot asks every five seconds, with three requests for each order.
        lost = list(self._order_tracker.lost_orders.values())
        if lost and time.monotonic() - self._lost_asked_s >= constants.ABSENCE_PAUSE_S:
            self._lost_asked_s = time.monotonic()
            await self._reconcile_lost(lost)

    async def _reconcile_lost(self, orders: list[InFlightOrder]) -> None:
        """Let go of lost orders that have ended, with all of their fills."""
        try:
            reports, absent = await self._ask(orders)
        except BackpackError as e:
            self.logger().warning(f"The state of {len(orders)} lost orders is not known: {e}")
            return
        await self._load_fills([o for o in orders if _is_behind(o, reports)])
        for order in orders:
            report = reports.get(order.client_order_id)
            if report is not None and report.status.is_terminal and not _is_behind(order, reports):
                self._order_tracker.forget_lost(order)
        for order in absent:
            if self._may_conclude_from_absence(order):
                self._order_tracker.forget_lost(order)
                # Should it appear after all, it must still be known as ours.
                self._order_tracker.give_up(order)

    async def _ask(
        self, orders: list[InFlightOrder]
    ) -> tuple[dict[str, OrderReport], list[InFlightOrder]]:
        """What the exchange tells of orders, and those that it certainly does not know.

        Raises:
            BackpackError: no answer, so nothing is known.
        """
        rows = await self.rest.send_rows(GetOpenOrders(market_type=self.market_type))
        unreadable = self._complain(rows)
        reports = self._match_open(orders, rows.read)
        missing = [o for o in orders if o.client_order_id not in reports]
        absent = await self._match_history(missing, reports, unreadable) if missing else []
        if None in unreadable:
            return reports, []  # that row may speak of any of them
        return reports, [order for order in absent if order.exchange_order_id not in unreadable]

    def _complain(self, rows: Rows[Any]) -> set[str | None]:
        """Tell of rows that cannot be read, each order once; return which orders they speak of."""
        for row in rows.unreadable:
            if row.order_id not in self._complained_rows:
                self._complained_rows.add(row.order_id)
                self._complain_of(row)
        if len(self._complained_rows) > _MAX_COMPLAINTS:
            self._complained_rows.clear()
        return {row.order_id for row in rows.unreadable}

    def _complain_of(self, row: UnreadableRow) -> None:
        self.logger().error(
            f"Backpack tells something of an order that cannot be read, so it is left as it is: "
            f"{row.error}"
        )

    def _may_conclude_from_absence(self, order: InFlightOrder) -> bool:
        """Whether absence from open orders and history says something of an order.

        Not as long as a request that places it could still be accepted.
        """
        if order.exchange_order_id is not None:
            return True
        age_s = self.current_timestamp - order.creation_timestamp
        # One that nobody knows the age of was made before this run.
        return not age_s <= UNKNOWN_ORDER_PATIENCE_S

    def _match_open(self, orders: list[InFlightOrder], rows: list[Order]) -> dict[str, OrderReport]:
        tracked = {order.client_order_id: order for order in orders}
        reports: dict[str, OrderReport] = {}
        for row in rows:
            order = self._order_tracker.find(row.client_id, row.id)
            if order is not None and order.is_failure and _is_same(row, order):
                self._rescue(order, row.id)
            if order is not None and order.client_order_id in tracked and _is_same(row, order):
                reports[order.client_order_id] = report_of_order(row)
        return reports

    async def _match_history(
        self,
        missing: list[InFlightOrder],
        reports: dict[str, OrderReport],
        unreadable: set[str | None],
    ) -> list[InFlightOrder]:
        """Add what the history says of orders that are not open; return those it does not know."""
        wanted = {order.client_order_id: order for order in missing}

        async def match(pages: AsyncIterator[Rows[HistoricOrder]]) -> None:
            async for rows in pages:
                unreadable.update(self._complain(rows))
                for row in rows.read:
                    order = self._order_tracker.find(row.client_id, row.id)
                    if order is None or order.client_order_id not in wanted:
                        continue
                    if _is_same(row, order):
                        del wanted[order.client_order_id]
                        reports[order.client_order_id] = report_of_history(row)
                if not wanted:
                    return

        if len(missing) > 1 or missing[0].exchange_order_id is None:
            await match(self._latest_history(missing))
        for order in list(wanted.values()):
            if order.exchange_order_id is not None:
                await match(self._history_of(order))
        return list(wanted.values())

    async def _latest_history(
        self, orders: list[InFlightOrder]
    ) -> AsyncIterator[Rows[HistoricOrder]]:
        """Pages of the history, newest first, back to the oldest order that has no other name."""
        symbols = {await self._symbol_if_listed(order.trading_pair) for order in orders}
        symbol = symbols.pop() if len(symbols) == 1 else None
        nameless = [order for order in orders if order.exchange_order_id is None]
        oldest_ms = min((self._not_before_ms(order) for order in nameless), default=math.inf)
        async for rows in latest_orders(self.rest, since_ms=oldest_ms, symbol=symbol):
            yield rows

    async def _history_of(self, order: InFlightOrder) -> AsyncIterator[Rows[HistoricOrder]]:
        yield await self.rest.send_rows(
            GetOrderHistory(
                order_id=order.exchange_order_id,
                symbol=await self._symbol_if_listed(order.trading_pair),
                limit=HISTORY_PAGE,
            )
        )

    def _not_before_ms(self, order: InFlightOrder) -> float:
        """A time of the exchange's clock, before which an order was certainly not made."""
        created_s = order.creation_timestamp
        if not math.isfinite(created_s):
            created_s = self.current_timestamp - _UNDATED_S
        return max(created_s * 1000 + self._time_synchronizer.skew_ms - _CREATION_MARGIN_MS, 0.0)

    async def _symbol_if_listed(self, trading_pair: str) -> Symbol | None:
        """The symbol, or ``None`` for a market that is gone: its orders are found by their ids."""
        try:
            return await self.listed_symbol_of(trading_pair)
        except ValueError:
            return None

    # === fills

    async def _load_fills(self, orders: list[InFlightOrder]) -> None:
        """Record all fills of orders whose recorded amount is behind the exchange's."""
        if len(orders) <= _SINGLE_FILL_QUERIES:
            await self._update_orders_fills(orders)
            return
        by_id = {order.exchange_order_id: order for order in orders}
        since_ms = int(min(self._not_before_ms(order) for order in orders))
        try:
            for fill in await self._fetch_fills(from_ms=since_ms):
                order = by_id.get(fill.order_id)
                if order is not None:
                    self._record(fill, order)
        except BackpackError as e:
            self._is_poll_unanswered = True
            self.logger().warning(f"The fills of {len(orders)} orders could not be loaded: {e}")

    @override
    async def _update_orders_fills(self, orders: list[InFlightOrder]) -> None:
        # One line, where the base logs a traceback for every time the network is down.
        for order in orders:
            try:
                updates = await self._all_trade_updates_for_order(order)
            except BackpackError as e:
                self._is_poll_unanswered = True
                self.logger().warning(
                    f"Failed to fetch trade updates for order {order.client_order_id}. Error: {e}"
                )
            else:
                for update in updates:
                    self._order_tracker.process_trade_update(update)

    @override
    async def _all_trade_updates_for_order(self, order: InFlightOrder) -> list[TradeUpdate]:
        if order.exchange_order_id is None:
            return []
        fills = await self._fetch_fills(
            order_id=order.exchange_order_id,
            symbol=await self._symbol_if_listed(order.trading_pair),
        )
        schema = self.trade_fee_schema()
        return [
            trade_update_of_fill(fill, order, schema)
            for fill in fills
            if fill.order_id == order.exchange_order_id
        ]

    async def _fetch_fills(self, **filters: Any) -> list[Fill]:  # noqa: ANN401 (of GetFills)
        """All fills that match, oldest first, page after page."""
        fills: list[Fill] = []
        for page in count():
            rows = await self.rest.send_rows(
                GetFills(
                    limit=HISTORY_PAGE,
                    offset=page * HISTORY_PAGE or None,
                    sort_direction=SortDirection.ASC,
                    **filters,
                )
            )
            # Of an order whose fills are not all read, the end is not told.
            self._complain(rows)
            fills.extend(rows.read)
            if len(rows.read) + len(rows.unreadable) < HISTORY_PAGE:
                break
        return fills

    def _record(self, fill: Fill, order: InFlightOrder) -> None:
        self._order_tracker.process_trade_update(
            trade_update_of_fill(fill, order, self.trade_fee_schema())
        )

    # === single orders, as Hummingbot asks for them

    @override
    async def _request_order_status(self, tracked_order: InFlightOrder) -> OrderUpdate:
        symbol = await self.listed_symbol_of(tracked_order.trading_pair)
        order_id = tracked_order.exchange_order_id
        client_id = (
            None if order_id is not None else self._order_tracker.client_id_of(tracked_order)
        )
        try:
            order = await self.rest.send(
                GetOrder(symbol=symbol, order_id=order_id, client_id=client_id)
            )
        except OrderNotFound:
            reports: dict[str, OrderReport] = {}
            await self._match_history([tracked_order], reports, set())
            if tracked_order.client_order_id not in reports:
                raise
            return reports[tracked_order.client_order_id].to_order_update(tracked_order)
        return report_of_order(order).to_order_update(tracked_order)

    @override
    def _is_order_not_found_during_status_update_error(
        self, status_update_exception: Exception
    ) -> bool:
        return isinstance(status_update_exception, OrderNotFound)

    @override
    def _is_order_not_found_during_cancelation_error(
        self, cancelation_exception: Exception
    ) -> bool:
        return isinstance(cancelation_exception, OrderNotFound)


def _is_behind(order: InFlightOrder, reports: dict[str, OrderReport]) -> bool:
    report = reports.get(order.client_order_id)
    return report is not None and order.executed_amount_base < report.executed_amount


def _is_same(row: Order | HistoricOrder, order: InFlightOrder) -> bool:
    """Whether a row is a tracked order: by its id, or, while that is not known, by its content."""
    return row.id == order.exchange_order_id or is_order_of(row, order)
