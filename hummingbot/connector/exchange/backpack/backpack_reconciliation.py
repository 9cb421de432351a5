"""Three sources, one truth: stream events, open orders and history are brought together.

Each poll asks once for all open orders. Orders that are not among them are looked for in the
history. A fill counts once, by its trade id; states never go back; orders that are not ours are
never touched; and a request that failed says nothing about an order.
"""

import asyncio
from dataclasses import replace
from itertools import count
from typing import Any, override

from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderUpdate, TradeUpdate

from .api.endpoints import GetFills, GetOpenOrders, GetOrder, GetOrderHistory
from .api.errors import BackpackError, OrderNotFound
from .api.models import (
    Fill,
    HistoricOrder,
    MarketType,
    Order,
    OrderStatus,
    SortDirection,
    Symbol,
)
from .api.streams import BalanceUpdate, OrderFilled
from .api.streams import OrderUpdate as OrderEvent
from .backpack_constants import HISTORY_PAGE, UNKNOWN_ORDER_PATIENCE_S
from .backpack_order_lifecycle import OrderLifecycle
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
_MAX_HISTORY_PAGES = 5


class Reconciliation(OrderLifecycle):
    """The part of the connector that reads the state of orders."""

    market_type = MarketType.SPOT

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
        match event:
            case OrderEvent():
                await self._on_order_event(event)
            case BalanceUpdate():
                self._on_balance_event(event)
            case _:
                msg = f"not an account event: {event!r}"
                raise TypeError(msg)

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
        is_reason_unknown = report.status is OrderStatus.EXPIRED and report.reason is None
        if order.executed_amount_base < report.executed_amount or is_reason_unknown:
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

    async def _on_first_word(self, order: InFlightOrder, report: OrderReport) -> None:
        """Tell strategies of an order's creation before its fills or its end.

        The first that is heard of it may be any of them, and its fills are found by the id it gets.
        """
        await self._on_placed(order, replace(report, status=OrderStatus.NEW, reason=None))

    # === polling

    @override
    async def _update_order_status(self) -> None:
        lost = list(self._order_tracker.lost_orders.values())
        if lost:
            await self._update_orders_fills(lost)
        active = [
            order
            for order in self._order_tracker.active_orders.values()
            if order.client_order_id not in self._placing
        ]
        if active:
            await self._reconcile(active)

    async def _reconcile(self, orders: list[InFlightOrder]) -> None:
        try:
            rows = await self.rest.send(GetOpenOrders(market_type=self.market_type))
            reports = self._match_open(orders, rows)
            missing = [o for o in orders if o.client_order_id not in reports and o.is_open]
            absent = await self._match_history(missing, reports) if missing else []
        except BackpackError as e:
            # No answer is no evidence: nothing is concluded about any order.
            self.logger().warning(f"The state of {len(orders)} orders could not be asked: {e}")
            return
        for order in orders:
            report = reports.get(order.client_order_id)
            if report is not None and order.is_pending_create:
                await self._on_first_word(order, report)
        await self._load_fills([o for o in orders if _is_behind(o, reports)])
        for order in orders:
            report = reports.get(order.client_order_id)
            if report is not None:
                self._order_tracker.note_seen(order)
                await self._apply_report(order, report, fills_loaded=True)
        for order in absent:
            if order.is_open and self._may_conclude_from_absence(order):
                await self._order_tracker.note_absent(order)

    def _may_conclude_from_absence(self, order: InFlightOrder) -> bool:
        """Whether absence from open orders and history says something of an order.

        Not as long as a request that places it could still be accepted.
        """
        if order.exchange_order_id is not None:
            return True
        age_s = self.current_timestamp - order.creation_timestamp
        return bool(age_s > UNKNOWN_ORDER_PATIENCE_S)

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
        self, missing: list[InFlightOrder], reports: dict[str, OrderReport]
    ) -> list[InFlightOrder]:
        """Add what the history says of orders that are not open; return those it does not know."""
        wanted = {order.client_order_id: order for order in missing}
        async for row in self._history_rows(missing):
            order = self._order_tracker.find(row.client_id, row.id)
            if order is not None and order.client_order_id in wanted and _is_same(row, order):
                reports[order.client_order_id] = report_of_history(row)
                del wanted[order.client_order_id]
            if not wanted:
                break
        return list(wanted.values())

    async def _history_rows(self, orders: list[InFlightOrder]) -> Any:  # noqa: ANN401 (async generator)
        symbols = {await self._symbol_if_listed(order.trading_pair) for order in orders}
        symbol = symbols.pop() if len(symbols) == 1 else None
        single = orders[0].exchange_order_id if len(orders) == 1 else None
        for page in range(_MAX_HISTORY_PAGES):
            rows: list[HistoricOrder] = await self.rest.send(
                GetOrderHistory(
                    order_id=single,
                    symbol=symbol,
                    limit=HISTORY_PAGE,
                    offset=page * HISTORY_PAGE or None,
                )
            )
            for row in rows:
                yield row
            if len(rows) < HISTORY_PAGE:
                return

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
        since_ms = int(min(o.creation_timestamp for o in orders) * 1000) - _CREATION_MARGIN_MS
        try:
            for fill in await self._fetch_fills(from_ms=max(since_ms, 0)):
                order = by_id.get(fill.order_id)
                if order is not None:
                    self._record(fill, order)
        except BackpackError as e:
            self.logger().warning(f"The fills of {len(orders)} orders could not be loaded: {e}")

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
            rows = await self.rest.send(
                GetFills(
                    limit=HISTORY_PAGE,
                    offset=page * HISTORY_PAGE or None,
                    sort_direction=SortDirection.ASC,
                    **filters,
                )
            )
            fills.extend(rows)
            if len(rows) < HISTORY_PAGE:
                break
        return fills

    def _record(self, fill: Fill, order: InFlightOrder) -> None:
        self._order_tracker.process_trade_update(
            trade_update_of_fill(fill, order, self.trade_fee_schema())
        )

    # === single orders: Hummingbot's loop over lost orders asks these

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
            async for row in self._history_rows([tracked_order]):
                if row.client_id == client_id and is_order_of(row, tracked_order):
                    return report_of_history(row).to_order_update(tracked_order)
                if row.id == order_id:
                    return report_of_history(row).to_order_update(tracked_order)
            raise
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
